/* Import statements: which modules, by which form, and what they bind. The verdict is that of the
 * catalogue's table, the wording that of imports.h, so that the guarded __import__ says the same at
 * run time. Runs in the worker over a hostile program. */
#include "python/policy_walk.h"

#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "python/imports.h"

static enum module_verdict import_verdict(const struct policy_rules *rules, const char *dotted)
{
    return imports_verdict(rules->permitted, rules->narrowed, dotted);
}

static int import_refuse(struct walk *w, PyObject *node, const char *dotted)
{
    char *message = NULL;
    char *remedy = NULL;
    struct err err = ERR_INIT;
    if (!report_wants(w, node))
        return 0;
    if (imports_refusal(w->rules->permitted, w->rules->narrowed, dotted, &message, &remedy, &err) <
        0) {
        PyErr_NoMemory();
        return -1;
    }
    return report_texts(w, RULE_IMPORT, node, message, remedy);
}

static int import_refuse_relative(struct walk *w, PyObject *node, long level, const char *module)
{
    char *message = NULL;
    int dots = (int)MIN(level, 10);
    if (asprintf(&message, "Import '%.*s%.200s' is not allowed", dots, "..........", module) < 0)
        message = NULL;
    return report_texts(w, RULE_IMPORT, node, message,
                        strdup("A program is not part of a package: put everything into one text"));
}

/* Has a dotted name a special part? `import json.__init__` would run a package's file once more. */
static int import_has_special_part(const char *dotted)
{
    while (dotted) {
        const char *dot = strchr(dotted, '.');
        Py_ssize_t n = dot ? dot - dotted : (Py_ssize_t)strlen(dotted);
        PyObject *part = PyUnicode_FromStringAndSize(dotted, n);
        if (!part)
            return -1;
        bool special = name_is_special(part);
        Py_DECREF(part);
        if (special)
            return 1;
        dotted = dot ? dot + 1 : NULL;
    }
    return 0;
}

/* The verdict on a module, recorded at @node if it is a refusal. -1 = exception. */
static int import_judge(struct walk *w, PyObject *node, const char *dotted)
{
    enum module_verdict verdict = import_verdict(w->rules, dotted);
    int special = verdict == MODULE_NO ? 0 : import_has_special_part(dotted);
    if (special < 0)
        return -1;
    if (special)
        verdict = MODULE_NO;
    if (verdict == MODULE_NO && import_refuse(w, node, dotted) < 0)
        return -1;
    return (int)verdict;
}

/* `import a.b.c` binds a; `import a.b.c as d` binds d. */
static int import_bind(struct walk *w, uint32_t scope, PyObject *alias, const char *dotted)
{
    PyObject *asname = ast_field(alias, ast_str.asname);
    if (!asname)
        return -1;
    if (asname != Py_None)
        return scope_bind(w, scope, asname, alias);
    PyObject *first = PyUnicode_FromStringAndSize(dotted, (Py_ssize_t)strcspn(dotted, "."));
    if (!first)
        return -1;
    PyUnicode_InternInPlace(&first);
    int rc = name_is_special(first) ? 0 : scope_bind(w, scope, first, alias); /* refused already */
    Py_DECREF(first);
    return rc;
}

int import_statement(struct walk *w, uint32_t scope, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *names = ast_list(node, ast_str.names, &n);
    if (!names)
        return -1;
    w->nodes += (size_t)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *alias = PyList_GET_ITEM(names, i);
        PyObject *name = ast_field(alias, ast_str.name);
        const char *dotted = name ? PyUnicode_AsUTF8(name) : NULL;
        if (!dotted || analysis_import(w, name) < 0)
            return -1;
        if (import_judge(w, alias, dotted) < 0 || import_bind(w, scope, alias, dotted) < 0)
            return -1;
    }
    return 0;
}

/* A name that the permitted module does not show: here rather than at run time, so that validation
 * says the same as execution. */
static int import_refuse_withheld(struct walk *w, PyObject *node, const char *module,
                                  const char *name, const char *remedy)
{
    char *message = NULL;
    if (asprintf(&message, "Import '%.200s.%.200s' is not allowed", module, name) < 0)
        message = NULL;
    return report_texts(w, RULE_IMPORT, node, message, strdup(remedy));
}

/* One name of `from module import name`. In a package that is only a path to permitted submodules,
 * nothing but those can be had. */
static int import_from_name(struct walk *w, uint32_t scope, PyObject *alias, const char *module,
                            enum module_verdict verdict)
{
    PyObject *name = ast_field(alias, ast_str.name);
    PyObject *asname = ast_field(alias, ast_str.asname);
    const char *text = name && asname ? PyUnicode_AsUTF8(name) : NULL;
    if (!text)
        return -1;
    if (verdict == MODULE_PATH) {
        auto_free char *dotted = NULL;
        if (asprintf(&dotted, "%s.%s", module, text) < 0) {
            dotted = NULL;
            PyErr_NoMemory();
            return -1;
        }
        if (import_verdict(w->rules, dotted) == MODULE_NO && import_refuse(w, alias, dotted) < 0)
            return -1;
    }
    if (strcmp(text, "*") == 0)
        return 0;
    /* A module has the methods of every object, too; only what describes it can be imported. */
    const struct name_entry *entry = names_find(name);
    bool about_module = entry && entry->row->uses == (USE_GET | USE_READ | USE_DEFINE);
    if (!names_permit(name, entry, USE_GET, true) || (name_is_special(name) && !about_module))
        return report_name(w, RULE_ATTRIBUTE, alias, AT_START, name, "Attribute", "is not allowed",
                           names_remedy(entry));
    const char *instead =
        verdict == MODULE_YES && w->rules->withheld ? w->rules->withheld(module, name) : NULL;
    if (instead && import_refuse_withheld(w, alias, module, text, instead) < 0)
        return -1;
    return scope_bind(w, scope, asname == Py_None ? name : asname, alias);
}

int import_from_statement(struct walk *w, uint32_t scope, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *names = ast_list(node, ast_str.names, &n);
    PyObject *module = names ? ast_field(node, ast_str.module) : NULL;
    PyObject *level = module ? ast_field(node, ast_str.level) : NULL;
    if (!level)
        return -1;
    w->nodes += (size_t)n;
    const char *dotted = module == Py_None ? "" : PyUnicode_AsUTF8(module);
    long dots = level == Py_None ? 0 : PyLong_AsLong(level);
    if (!dotted || (dots == -1 && PyErr_Occurred()))
        return -1;
    if (dots > 0)
        return import_refuse_relative(w, node, dots, dotted);
    /* `from __future__ import …` is for the compiler, which knows the few names there are. */
    bool future = strcmp(dotted, "__future__") == 0;
    if (!future && analysis_import(w, module) < 0)
        return -1;
    int verdict = future ? MODULE_YES : import_judge(w, node, dotted);
    if (verdict < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        if (import_from_name(w, scope, PyList_GET_ITEM(names, i), dotted,
                             (enum module_verdict)verdict) < 0)
            return -1;
    return 0;
}
