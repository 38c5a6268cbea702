/* The language policy on syntax trees that no parser would make: the input decides, byte by byte,
 * which node of the interpreter's own grammar comes next, and which name. The first byte chooses
 * the rules. */
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "fuzz.h"
#include "policy_host.h"

#define MAX_KINDS  160
#define MAX_FIELDS 10
#define MAX_DEPTH  12
#define MAX_NODES  300

enum leaf { LEAF_NODE, LEAF_NAME, LEAF_TEXT, LEAF_INT, LEAF_CONSTANT };

struct field {
    PyObject *name;
    enum leaf leaf;
    size_t family; /* with LEAF_NODE: index in families */
    char many;     /* '*', '?' or 0 */
};

/* One kind of node, as the interpreter's documentation of it says. */
static struct kind {
    PyObject *type;
    struct field fields[MAX_FIELDS];
    size_t len;
} kinds[MAX_KINDS];
static size_t kinds_len;

static struct family {
    const char *name;
    size_t first, len; /* of its kinds */
} families[] = {{"stmt", 0, 0},          {"expr", 0, 0},          {"expr_context", 0, 0},
                {"boolop", 0, 0},        {"operator", 0, 0},      {"unaryop", 0, 0},
                {"cmpop", 0, 0},         {"pattern", 0, 0},       {"type_param", 0, 0},
                {"comprehension", 0, 0}, {"excepthandler", 0, 0}, {"arguments", 0, 0},
                {"arg", 0, 0},           {"keyword", 0, 0},       {"alias", 0, 0},
                {"withitem", 0, 0},      {"match_case", 0, 0},    {"type_ignore", 0, 0}};

/* ---- the grammar ---- */

static size_t family_index(const char *name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(families) && strcmp(families[i].name, name) != 0)
        i++;
    FUZZ_CHECK(i < ARRAY_LEN(families)); /* a grammar that is not known here */
    return i;
}

static void read_field(struct kind *kind, char *text)
{
    static const char *const leaves[] = {"identifier", "string", "int", "constant"};
    FUZZ_CHECK(kind->len < MAX_FIELDS);
    struct field *field = &kind->fields[kind->len++];
    char *name = strchr(text, ' ');
    FUZZ_CHECK(name);
    *name++ = '\0';
    char *last = &text[strlen(text) - 1];
    if (*last == '*' || *last == '?') {
        field->many = *last;
        *last = '\0';
    }
    field->leaf = LEAF_NODE;
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
        if (strcmp(text, leaves[i]) == 0)
            field->leaf = (enum leaf)(LEAF_NAME + i);
    if (field->leaf == LEAF_NODE)
        field->family = family_index(text);
    FUZZ_CHECK((field->name = PyUnicode_InternFromString(name)) != NULL);
}

/* "Name(type name, type* name)" or "Name". */
static void read_kind(PyObject *module, char *text)
{
    FUZZ_CHECK(kinds_len < MAX_KINDS);
    struct kind *kind = &kinds[kinds_len];
    char *args = strchr(text, '(');
    if (args)
        *args++ = '\0';
    text[strcspn(text, " ")] = '\0';
    kind->type = PyObject_GetAttrString(module, text);
    FUZZ_CHECK(kind->type);
    for (char *part = args ? strtok(args, ",)") : NULL; part; part = strtok(NULL, ",)"))
        read_field(kind, part + strspn(part, " "));
    kinds_len++;
}

/* "family = Kind(...) | Kind(...)" or "family(...)". */
static void read_family(PyObject *module, struct family *family)
{
    PyObject *type = PyObject_GetAttrString(module, family->name);
    PyErr_Clear();
    if (!type)
        return; /* not in this version */
    PyObject *doc = PyObject_GetAttrString(type, "__doc__");
    FUZZ_CHECK(doc && PyUnicode_Check(doc));
    char *text = strdup(PyUnicode_AsUTF8(doc));
    FUZZ_CHECK(text);
    char *rest = strchr(text, '=');
    rest = rest ? rest + 1 : text;
    family->first = kinds_len;
    for (char *part = strsep(&rest, "|"); part; part = strsep(&rest, "|")) {
        part += strspn(part, " \n");
        part[strcspn(part, "\n")] = '\0';
        read_kind(module, part);
    }
    family->len = kinds_len - family->first;
    free(text);
    Py_DECREF(doc);
    Py_DECREF(type);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    host_start();
    PyObject *module = PyImport_ImportModule("_ast");
    FUZZ_CHECK(module);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        read_family(module, &families[i]);
    Py_DECREF(module);
    return 0;
}

/* ---- the tree ---- */

static size_t nodes;

/* Does it end the growth of its family? */
static bool is_small(const struct kind *kind)
{
    static const char *const small[] = {"Pass", "Name", "MatchSingleton", "ExceptHandler"};
    const char *name = ((PyTypeObject *)kind->type)->tp_name;
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < ARRAY_LEN(small); i++)
        if (strcmp(dot ? dot + 1 : name, small[i]) == 0)
            return true;
    return false;
}

static const struct kind *pick(struct fuzz_in *in, const struct family *family, unsigned depth)
{
    bool small = depth >= MAX_DEPTH || in->left == 0 || nodes > MAX_NODES;
    const struct kind *of = &kinds[family->first];
    FUZZ_CHECK(family->len > 0);
    for (size_t i = 0; small && i < family->len; i++)
        if (is_small(&of[i]))
            return &of[i];
    return &of[fuzz_byte(in) % family->len];
}

static PyObject *make_node(struct fuzz_in *in, const struct family *family, unsigned depth);

static PyObject *make_name(struct fuzz_in *in)
{
    size_t i = fuzz_byte(in);
    i = i << 8 | fuzz_byte(in);
    if (i == 0xffff) { /* far longer than any message */
        static char huge[20001];
        memset(huge, 'a', sizeof(huge) - 1);
        return PyUnicode_FromString(huge);
    }
    return PyUnicode_FromString(host_name(i));
}

static PyObject *make_constant(struct fuzz_in *in)
{
    switch (fuzz_byte(in) % 6) {
    case 0:
        return Py_NewRef(Py_None);
    case 1:
        return PyLong_FromLong(fuzz_byte(in));
    case 2:
        return PyBytes_FromString("b");
    case 3:
        return Py_NewRef(Py_Ellipsis);
    default:
        return make_name(in);
    }
}

static PyObject *make_one(struct fuzz_in *in, const struct field *field, unsigned depth)
{
    switch (field->leaf) {
    case LEAF_NAME:
    case LEAF_TEXT:
        return make_name(in);
    case LEAF_INT:
        return PyLong_FromLong(fuzz_byte(in) % 4);
    case LEAF_CONSTANT:
        return make_constant(in);
    case LEAF_NODE:
        break;
    }
    return make_node(in, &families[field->family], depth + 1);
}

static PyObject *make_value(struct fuzz_in *in, const struct field *field, unsigned depth)
{
    if (field->many == '?')
        return fuzz_byte(in) % 2 ? make_one(in, field, depth) : Py_NewRef(Py_None);
    if (field->many != '*')
        return make_one(in, field, depth);
    PyObject *list = PyList_New(0);
    FUZZ_CHECK(list);
    for (unsigned n = fuzz_byte(in) % 4; n > 0; n--) {
        PyObject *item = make_one(in, field, depth);
        FUZZ_CHECK(item && PyList_Append(list, item) == 0);
        Py_DECREF(item);
    }
    return list;
}

static void put_place(PyObject *node, size_t line)
{
    static const char *const places[] = {"lineno", "col_offset", "end_lineno", "end_col_offset"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        PyObject *number = PyLong_FromSize_t(i % 2 ? line * 7 % 50 : line);
        FUZZ_CHECK(number && PyObject_SetAttrString(node, places[i], number) == 0);
        Py_DECREF(number);
    }
}

static PyObject *make_node(struct fuzz_in *in, const struct family *family, unsigned depth)
{
    const struct kind *kind = pick(in, family, depth);
    nodes++;
    PyObject *node = PyObject_CallNoArgs(kind->type);
    FUZZ_CHECK(node);
    for (size_t i = 0; i < kind->len; i++) {
        PyObject *value = make_value(in, &kind->fields[i], depth);
        FUZZ_CHECK(value && PyObject_SetAttr(node, kind->fields[i].name, value) == 0);
        Py_DECREF(value);
    }
    put_place(node, nodes);
    return node;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_in in = {data, n};
    unsigned choice = fuzz_byte(&in) % 16;
    nodes = 0;
    PyObject *body = PyList_New(0);
    FUZZ_CHECK(body);
    do {
        PyObject *statement = make_node(&in, &families[0], 0);
        FUZZ_CHECK(PyList_Append(body, statement) == 0);
        Py_DECREF(statement);
    } while (in.left > 0 && nodes < MAX_NODES);
    PyObject *ast = PyImport_ImportModule("_ast");
    PyObject *tree = ast ? PyObject_CallMethod(ast, "Module", "N[]", body) : NULL;
    FUZZ_CHECK(tree);
    host_judge(tree, NULL, 0, choice);
    Py_DECREF(tree);
    Py_DECREF(ast);
    return 0;
}
