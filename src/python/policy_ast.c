/* Syntax trees as this interpreter builds them: which types of node there are, which fields they
 * have, and how to read one quickly. Set up once in the zygote; used in the worker on trees that
 * CPython's own parser made, so their shape is trusted and their contents are hostile.
 *
 * A type of node that has a field we do not know is treated as unknown: a new version of CPython
 * cannot bring in something that nobody judges. */
#include "python/policy_walk.h"

#include <string.h>

struct ast_names ast_str;

#define PLANS_MAX   128
#define PLANS_TABLE 512 /* a power of two, well above PLANS_MAX */
static struct node_plan plans[PLANS_MAX];
static size_t plans_len;
static const struct node_plan *plan_table[PLANS_TABLE];
static PyTypeObject *load_type;

static size_t plan_slot(const PyTypeObject *type)
{
    size_t i = ((uintptr_t)type >> 4) * 31 & (PLANS_TABLE - 1);
    while (plan_table[i] && plan_table[i]->type != type)
        i = (i + 1) & (PLANS_TABLE - 1);
    return i;
}

const struct node_plan *ast_plan(PyObject *node)
{
    return plan_table[plan_slot(Py_TYPE(node))];
}

bool ast_is(PyObject *node, const char *type)
{
    const struct node_plan *plan = ast_plan(node);
    return plan && strcmp(plan->rule->type, type) == 0;
}

/* Instances of the ast types keep their fields in a plain dict. Where the type tells its place, it
 * is read directly: an attribute look-up through the type costs three times as much. */
PyObject *ast_field(PyObject *node, PyObject *name)
{
    Py_ssize_t offset = Py_TYPE(node)->tp_dictoffset;
    if (offset > 0) {
        PyObject *dict = *(PyObject **)((char *)node + offset);
        PyObject *value = dict ? PyDict_GetItemWithError(dict, name) : NULL;
        if (value)
            return value;
    }
    PyObject *value = PyObject_GetAttr(node, name);
    Py_XDECREF(value); /* the node holds it */
    return value;
}

PyObject *ast_list(PyObject *node, PyObject *name, Py_ssize_t *ret_len)
{
    PyObject *list = ast_field(node, name);
    if (!list)
        return NULL;
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "field %U of a syntax tree is no list", name);
        return NULL;
    }
    *ret_len = PyList_GET_SIZE(list);
    return list;
}

int ast_is_load(PyObject *node)
{
    PyObject *ctx = ast_field(node, ast_str.ctx);
    return ctx ? Py_TYPE(ctx) == load_type : -1;
}

/* ---- set-up ---- */

/* Look one field up in the "name =name -name" list of a rule. */
static bool rule_field(const struct node_rule *rule, const char *name, enum field_kind *ret)
{
    size_t n = strlen(name);
    for (const char *p = rule->fields; *p;) {
        enum field_kind kind = *p == '='   ? FIELD_IDENTIFIER
                               : *p == '-' ? FIELD_IGNORED
                                           : FIELD_PARTS;
        p += kind != FIELD_PARTS;
        size_t len = strcspn(p, " ");
        if (len == n && memcmp(p, name, n) == 0) {
            *ret = kind;
            return true;
        }
        p += len;
        p += *p == ' ';
    }
    return false;
}

/* 1 = planned, 0 = this version's type has fields that we do not know, -1 = exception. */
static int plan_make(const struct node_rule *rule, PyObject *type, struct node_plan *plan)
{
    PyObject *fields = PyObject_GetAttrString(type, "_fields");
    if (!fields)
        return -1;
    int rc = 1;
    *plan = (struct node_plan){.type = (PyTypeObject *)type, .rule = rule};
    Py_ssize_t n = PyTuple_Check(fields) ? PyTuple_GET_SIZE(fields) : NODE_MAX_FIELDS + 1;
    for (Py_ssize_t i = 0; rc == 1 && i < n; i++) {
        if (plan->len == NODE_MAX_FIELDS) {
            rc = 0;
            break;
        }
        PyObject *name = PyTuple_GET_ITEM(fields, i);
        const char *text = PyUnicode_AsUTF8(name);
        enum field_kind kind = FIELD_IGNORED;
        if (!text)
            rc = -1;
        else if (!rule_field(rule, text, &kind))
            rc = 0;
        else if (kind != FIELD_IGNORED) {
            Py_INCREF(name);
            PyUnicode_InternInPlace(&name);
            plan->fields[plan->len].name = name;
            plan->fields[plan->len++].kind = kind;
        }
    }
    Py_DECREF(fields);
    return rc;
}

static int plans_init(PyObject *module)
{
    for (size_t i = 0; i < node_rules_len; i++) {
        PyObject *type = PyObject_GetAttrString(module, node_rules[i].type);
        if (!type) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError))
                return -1;
            PyErr_Clear(); /* not in this version of CPython */
            continue;
        }
        int planned =
            plans_len < PLANS_MAX ? plan_make(&node_rules[i], type, &plans[plans_len]) : 0;
        if (planned < 0)
            return -1;
        if (planned) /* keeps its reference, so that the address stays its own */
            plan_table[plan_slot((PyTypeObject *)type)] = &plans[plans_len++];
        else
            Py_DECREF(type);
    }
    return 0;
}

int ast_init(void)
{
#define X(n)                                                                                       \
    if (!(ast_str.n = PyUnicode_InternFromString(#n)))                                             \
        return -1;
    AST_NAMES(X)
#undef X
    PyObject *module = PyImport_ImportModule("_ast");
    if (!module)
        return -1;
    load_type = (PyTypeObject *)PyObject_GetAttrString(module, "Load");
    int rc = load_type ? plans_init(module) : -1;
    Py_DECREF(module);
    return rc;
}
