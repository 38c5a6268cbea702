/* Which imports are permitted, and the words of a refusal. Runs in the worker, asked by the policy
 * (before the program runs) and by the guarded __import__ (while it runs): one answer. */
#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "python/closest.h"
#include "python/events.h"
#include "python/facade.h"
#include "python/imports_impl.h"

static struct strv permitted; /* by the server */
static struct strv narrowed;  /* by the caller of this run */
static bool is_narrowed, overridden;
static unsigned profiles_on;
static struct strv granted; /* of `permitted`, to whoever called; with is_limited */
static bool is_limited;

/* Does the server's own list name @dotted or a package inside the one that withholds it? */
static bool named_outright(const struct strv *list, const char *dotted)
{
    for (size_t i = 0; i < list->len; i++) {
        size_t n = strlen(list->items[i]);
        if (strncmp(dotted, list->items[i], n) == 0 && (dotted[n] == '\0' || dotted[n] == '.') &&
            facade_submodule_withheld(list->items[i]))
            return true;
    }
    return false;
}

enum module_verdict imports_verdict(const struct strv *server, const struct strv *caller,
                                    const char *dotted)
{
    if (facade_submodule_withheld(dotted) && !named_outright(server, dotted))
        return MODULE_NO;
    enum module_verdict verdict = module_permitted(server, dotted);
    return caller ? MIN(verdict, module_permitted(caller, dotted)) : verdict;
}

/* "Did you mean 'math'? " where @dotted looks like a misspelling of something permitted, else "".
 */
static void did_you_mean(const struct strv *server, const char *dotted, char out[CLOSEST_MAX + 24])
{
    struct closest c;
    closest_init(&c, dotted);
    for (size_t i = 0; i < server->len; i++)
        closest_offer(&c, server->items[i]);
    const char *best = closest_best(&c);
    out[0] = '\0';
    if (best)
        snprintf(out, CLOSEST_MAX + 24, "Did you mean '%s'? ", best);
}

static bool withheld_from_caller(const struct strv *server, const char *dotted)
{
    return is_limited && imports_verdict(server, NULL, dotted) != MODULE_NO &&
           module_permitted(&granted, dotted) == MODULE_NO;
}

/* What would permit @dotted, or NULL when memory ran out. */
static char *remedy_for(const struct strv *server, const struct strv *caller, const char *dotted)
{
    char *text = NULL;
    const struct profile *profile = profile_of_module(dotted);
    char guess[CLOSEST_MAX + 24];
    did_you_mean(server, dotted, guess);
    int rc;
    if (withheld_from_caller(server, dotted))
        rc = asprintf(&text,
                      "The server permits it, but not to the token of this call, which would need "
                      "the profile %s (profiles= in the tokens file; with OAuth the scope "
                      "execute:%s)",
                      profile ? profile->name : "all", profile ? profile->name : "all");
    else if (caller && imports_verdict(server, NULL, dotted) != MODULE_NO)
        rc = asprintf(&text, "This call's allowed_imports leaves it out: add \"%s\" to it", dotted);
    else if (facade_submodule_withheld(dotted) && module_permitted(server, dotted) != MODULE_NO)
        rc = asprintf(&text, "This part of the module is withheld; no profile permits it");
    else if (overridden)
        rc = asprintf(&text,
                      "%sSANDBOX_ALLOWED_IMPORTS on the server replaces the profiles' modules and "
                      "does not name it",
                      guess);
    else if (profile && profile->variable)
        rc = asprintf(&text, "%s=true on the server enables the %s profile, which permits it",
                      profile->variable, profile->name);
    else
        rc = asprintf(&text,
                      "%sNo profile permits it; whoever runs the server could name it in "
                      "SANDBOX_ALLOWED_IMPORTS",
                      guess);
    return rc < 0 ? NULL : text;
}

int imports_refusal(const struct strv *server, const struct strv *caller, const char *dotted,
                    char **ret_message, char **ret_remedy, struct err *err)
{
    char *message = NULL;
    if (asprintf(&message, "Import '%.200s' is not allowed", dotted) < 0)
        return err_nomem(err);
    utf8_mend(message);
    char *remedy = remedy_for(server, caller, dotted);
    if (!remedy) {
        free(message);
        return err_nomem(err);
    }
    *ret_message = message;
    *ret_remedy = remedy;
    return 0;
}

/* ---- the program at hand ---- */

int import_rule_init(const struct msg_launch *launch, struct err *err)
{
    strv_done(&permitted);
    overridden = launch->imports_overridden;
    profiles_on = launch->profiles;
    return strv_copy(&permitted, &launch->modules, err);
}

int imports_limit(const struct msg_launch *launch, struct msg_run *run, struct err *err)
{
    unsigned may = run->profiles | PROFILE_BASIC;
    if ((may & PROFILE_ALL) == PROFILE_ALL ||
        (!launch->imports_overridden && (launch->profiles & ~may) == 0))
        return 0;
    strv_done(&granted);
    is_limited = true;
    if (profile_limit(&launch->modules, may, &granted, err) < 0)
        return -1;
    if (run->narrowed) /* the server has seen to it that this is a part of the other */
        return 0;
    run->narrowed = true;
    return strv_copy(&run->imports, &granted, err);
}

int import_rule_narrow(const struct msg_run *run, struct err *err)
{
    strv_done(&narrowed);
    is_narrowed = run->narrowed;
    return is_narrowed ? strv_copy(&narrowed, &run->imports, err) : 0;
}

enum module_verdict import_rule_verdict(const char *dotted)
{
    /* `from __future__ import …` is for the compiler, but the statement is executed as well. */
    if (strcmp(dotted, "__future__") == 0)
        return MODULE_YES;
    return imports_verdict(&permitted, is_narrowed ? &narrowed : NULL, dotted);
}

bool import_rule_overridden(void)
{
    return overridden;
}

bool import_rule_files(void)
{
    return profiles_on & PROFILE_FILESYSTEM;
}

PyObject *import_rule_refuse(const char *dotted)
{
    char *message = NULL, *remedy = NULL;
    if (imports_refusal(&permitted, is_narrowed ? &narrowed : NULL, dotted, &message, &remedy,
                        NULL) < 0)
        return PyErr_NoMemory();
    events_report(LAYER_GUARD, 0, "import", message, remedy);
    PyObject *text = PyUnicode_FromString(message);
    PyObject *name = PyUnicode_FromString(dotted);
    free(message);
    free(remedy);
    if (text && name)
        PyErr_SetImportErrorSubclass(events_import_violation_type, text, name, NULL);
    Py_XDECREF(text);
    Py_XDECREF(name);
    return NULL;
}
