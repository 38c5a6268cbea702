/* Verdicts on single names, from the tables in policy_rules.c. Used by the walk on the identifiers
 * of a program (which CPython's parser has normalised) and by the guards on names that a program
 * computes (which nobody has). Runs in the worker; the names are hostile. */
#include "python/policy_walk.h"

#include <stdio.h>
#include <string.h>

static struct name_entry *entries; /* one for each row of each section; kept for good */
static PyObject *index_of;         /* dict: name → index into entries */
static PyObject *normalize;        /* unicodedata.normalize */

static size_t rows_total(void)
{
    size_t n = 0;
    for (size_t i = 0; i < name_sections_len; i++)
        n += name_sections[i].len;
    return n;
}

static int names_add(size_t at, const struct name_section *section, const struct name_row *row,
                     unsigned builtin)
{
    entries[at] = (struct name_entry){section, row, builtin};
    PyObject *name = PyUnicode_InternFromString(row->name);
    PyObject *value = PyLong_FromSize_t(at);
    int rc = name && value ? PyDict_SetItem(index_of, name, value) : -1;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return rc;
}

int names_init(void)
{
    entries = calloc(rows_total() + 1, sizeof(*entries));
    index_of = PyDict_New();
    if (!entries || !index_of) {
        PyErr_NoMemory();
        return -1;
    }
    size_t at = 0;
    for (size_t i = 0; i < name_sections_len; i++) {
        const struct name_section *section = &name_sections[i];
        for (size_t k = 0; k < section->len; k++) {
            unsigned builtin = section->kind == NAME_BUILTIN ? 1U << k : 0;
            if (names_add(at++, section, &section->rows[k], builtin) < 0)
                return -1;
        }
    }
    PyObject *module = PyImport_ImportModule("unicodedata");
    if (!module)
        return -1;
    normalize = PyObject_GetAttrString(module, "normalize");
    Py_DECREF(module);
    return normalize ? 0 : -1;
}

const struct name_entry *names_find(PyObject *name)
{
    PyObject *at = PyDict_GetItemWithError(index_of, name);
    return at ? &entries[PyLong_AsSize_t(at)] : NULL;
}

bool name_is_special(PyObject *name)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(name);
    if (n < 5)
        return false;
    int kind = (int)PyUnicode_KIND(name);
    const void *data = PyUnicode_DATA(name);
    return PyUnicode_READ(kind, data, 0) == '_' && PyUnicode_READ(kind, data, 1) == '_' &&
           PyUnicode_READ(kind, data, n - 1) == '_' && PyUnicode_READ(kind, data, n - 2) == '_';
}

bool name_is_generated(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        PyErr_Clear();
    for (const char *const *g = generated_names; text && *g; g++) {
        size_t n = strcspn(*g, "*");
        if (strncmp(text, *g, n) == 0 && ((*g)[n] == '*' || text[n] == '\0'))
            return true;
    }
    return false;
}

bool names_permit(PyObject *name, const struct name_entry *entry, enum name_use use, bool attribute)
{
    if (!entry)
        return !name_is_special(name);
    switch (entry->section->kind) {
    case NAME_SPECIAL:
        return entry->row->uses & use;
    case NAME_REFLECTIVE:
        return !attribute;
    case NAME_BUILTIN:
        return true; /* as an attribute it is the program's own; as a name, see policy_scope.c */
    }
    return false;
}

const char *names_remedy(const struct name_entry *entry)
{
    if (!entry)
        return special_name_remedy;
    return entry->row->remedy ? entry->row->remedy : entry->section->remedy;
}

/* ---- names that a program computes ---- */

/* The name as CPython would read it in source text: a library that builds code from it (dataclass,
 * namedtuple) sees that one. New reference, NULL = it cannot be told (no exception is left). */
static PyObject *name_normalized(const char *utf8)
{
    PyObject *name = PyUnicode_DecodeUTF8(utf8, (Py_ssize_t)strlen(utf8), "surrogatepass");
    if (!name || PyUnicode_IS_ASCII(name)) {
        PyErr_Clear();
        return name;
    }
    PyObject *read = PyObject_CallFunction(normalize, "sO", "NFKC", name);
    Py_DECREF(name);
    PyErr_Clear();
    return read;
}

static const char *verdict(const char *utf8, enum name_use use)
{
    static char message[160];
    PyObject *error_type, *error, *error_tb;
    PyErr_Fetch(&error_type, &error, &error_tb);
    PyObject *name = name_normalized(utf8);
    bool ok = name && names_permit(name, names_find(name), use, true);
    PyErr_Clear();
    Py_XDECREF(name);
    PyErr_Restore(error_type, error, error_tb);
    if (ok)
        return NULL;
    snprintf(message, sizeof(message), "Attribute '%.100s' %s", utf8,
             use == USE_GET ? "is not allowed" : "may not be assigned");
    utf8_mend(message);
    return message;
}

const char *policy_name_verdict(const char *utf8_name)
{
    return verdict(utf8_name, USE_GET);
}

const char *policy_name_verdict_assign(const char *utf8_name)
{
    return verdict(utf8_name, USE_SET);
}

const char *policy_name_verdict_define(const char *utf8_name)
{
    return verdict(utf8_name, USE_DEFINE);
}

const char *policy_name_remedy(const char *utf8_name)
{
    PyObject *name = name_normalized(utf8_name);
    const char *remedy = names_remedy(name ? names_find(name) : NULL);
    PyErr_Clear();
    Py_XDECREF(name);
    return remedy;
}
