/* See policy_host.h. Runs in the fuzz target. The interpreter itself is not instrumented; its
 * memory is the sanitizers' all the same. */
#include "policy_host.h"

#include <stdbool.h>
#include <string.h>

#include "catalog/profiles.h"
#include "fuzz.h"
#include "python/policy.h"

/* Of the sanitizers' runtime, where there is one. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static struct strv basic, everything, few, none;

void host_start(void)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.allocator = PYMEM_ALLOCATOR_MALLOC;
    before.utf8_mode = 1;
    FUZZ_CHECK(!PyStatus_Exception(Py_PreInitialize(&before)));
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.pathconfig_warnings = 0;
    FUZZ_CHECK(!PyStatus_Exception(PyWideStringList_Append(&config.warnoptions, L"ignore")));
    FUZZ_CHECK(!PyStatus_Exception(Py_InitializeFromConfig(&config)));
    PyConfig_Clear(&config);
    FUZZ_CHECK(policy_init() == 0);
    FUZZ_CHECK(profile_modules(PROFILE_BASIC, &basic, NULL) == 0);
    FUZZ_CHECK(profile_modules(PROFILE_ALL, &everything, NULL) == 0);
    FUZZ_CHECK(strv_add(&few, "math", NULL) == 0 && strv_add(&few, "xml.etree", NULL) == 0);
}

/* ---- names ---- */

const char *host_name(size_t i)
{
    static const char *const plain[] = {"x",      "self",
                                        "_",      "open",
                                        "os",     "math",
                                        "T",      "é",
                                        "ｏｓ",   "__x",
                                        "x__",    "__ｃlass__",
                                        "object", "C",
                                        "int",    "dataclass",
                                        "print",  "__dataclass_x_",
                                        "*",      "xml.etree",
                                        "json",   "a.b",
                                        "",       "namedtuple",
                                        "type",   "__unheard_of__",
                                        "str",    "collections",
                                        "Enum",   "copy",
                                        "__",     "NamedTuple"};
    size_t listed = 0;
    for (size_t k = 0; k < name_sections_len; k++)
        listed += name_sections[k].len;
    i %= 2 * listed;
    if (i >= listed)
        return plain[i % ARRAY_LEN(plain)];
    size_t k = 0;
    for (; i >= name_sections[k].len; k++)
        i -= name_sections[k].len;
    return name_sections[k].rows[i].name;
}

/* ---- the second judge ---- */

static bool never(PyObject *name)
{
    static const char *const names[] = {
        "__subclasses__", "__bases__",    "__base__",         "__mro__",     "mro",
        "__globals__",    "__builtins__", "__code__",         "__closure__", "__func__",
        "__self__",       "__wrapped__",  "__dict__",         "__reduce__",  "__reduce_ex__",
        "__loader__",     "__spec__",     "__getattribute__", "gi_frame",    "cr_frame",
        "ag_frame",       "tb_frame",     "f_back",           "f_globals",   "f_builtins",
        "f_locals",       "co_code",      "__traceback__"};
    for (size_t i = 0; name && PyUnicode_Check(name) && i < ARRAY_LEN(names); i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return true;
    return false;
}

static bool never_special(PyObject *name)
{
    return never(name) && PyUnicode_READ_CHAR(name, 0) == '_';
}

static bool outside(PyObject *module)
{
    static const char *const roots[] = {"os", "subprocess", "builtins", "importlib"};
    const char *text = module && PyUnicode_Check(module) ? PyUnicode_AsUTF8(module) : NULL;
    PyErr_Clear();
    for (size_t i = 0; text && i < ARRAY_LEN(roots); i++)
        if (strcmp(text, roots[i]) == 0)
            return true;
    return false;
}

/* A field, borrowed; NULL when the node has none of that name. */
static PyObject *field(PyObject *node, const char *name)
{
    PyObject *value = PyObject_GetAttrString(node, name);
    PyErr_Clear();
    Py_XDECREF(value);
    return value;
}

static bool node_leads_out(PyObject *node, bool imports_too)
{
    const char *type = strrchr(Py_TYPE(node)->tp_name, '.');
    type = type ? type + 1 : Py_TYPE(node)->tp_name;
    if (strcmp(type, "Attribute") == 0)
        return never(field(node, "attr"));
    if (strcmp(type, "Name") == 0)
        return never_special(field(node, "id"));
    if (strcmp(type, "arg") == 0 || strcmp(type, "keyword") == 0)
        return never_special(field(node, "arg"));
    if (strcmp(type, "alias") == 0)
        return never_special(field(node, "asname"));
    if (strcmp(type, "ImportFrom") == 0)
        return imports_too && outside(field(node, "module"));
    bool is_import = strcmp(type, "Import") == 0;
    PyObject *list = field(node, is_import ? "names" : "kwd_attrs");
    if (!list || !PyList_Check(list) || (is_import && !imports_too))
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (is_import ? outside(field(PyList_GET_ITEM(list, i), "name"))
                      : never(PyList_GET_ITEM(list, i)))
            return true;
    return false;
}

/* Every node below @tree, by what its type says its fields are. */
static bool leads_out(PyObject *tree, bool imports_too)
{
    bool found = false;
    PyObject *todo = PyList_New(0);
    FUZZ_CHECK(todo && PyList_Append(todo, tree) == 0);
    for (Py_ssize_t at = 0; !found && at < PyList_GET_SIZE(todo); at++) {
        PyObject *one = PyList_GET_ITEM(todo, at);
        if (PyList_Check(one)) {
            FUZZ_CHECK(PyList_SetSlice(todo, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, one) == 0);
            continue;
        }
        PyObject *fields = field(one, "_fields");
        if (!fields)
            continue;
        found = node_leads_out(one, imports_too);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++) {
            PyObject *value = PyObject_GetAttr(one, PyTuple_GET_ITEM(fields, i));
            if (value)
                FUZZ_CHECK(PyList_Append(todo, value) == 0);
            PyErr_Clear();
            Py_XDECREF(value);
        }
    }
    Py_DECREF(todo);
    return found;
}

/* ---- questions ---- */

static bool known_rule(const char *id)
{
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rule_rows[i].id, id) == 0)
            return true;
    return false;
}

static bool good_text(const char *text)
{
    return text && *text && utf8_valid(text, strlen(text)) && !strpbrk(text, "\r\n");
}

static void check_violations(const struct policy_report *r)
{
    FUZZ_CHECK(r->len <= MSG_MAX_VIOLATIONS && (!r->more || r->len == MSG_MAX_VIOLATIONS));
    for (size_t i = 0; i < r->len; i++) {
        const struct violation *v = &r->items[i];
        FUZZ_CHECK(known_rule(v->rule) && good_text(v->message) && good_text(v->remedy));
        FUZZ_CHECK(v->line >= 1 && v->column >= 1);
        if (i > 0) {
            const struct violation *u = v - 1;
            FUZZ_CHECK(u->line < v->line || (u->line == v->line && u->column <= v->column));
        }
    }
}

/* What validate_code would send: the server must be able to take it. */
static void check_travels(const struct policy_report *r)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    struct msg_verdict sent = {
        .outcome = OUTCOME_REFUSED, .violations = r->items, .violations_len = r->len};
    struct msg_verdict got;
    msg_put_verdict(&out, &sent);
    FUZZ_CHECK(!out.bad && msg_get_verdict(out.buf.data, out.buf.len, &got, NULL) == 0);
    FUZZ_CHECK(got.violations_len == r->len);
    msg_verdict_done(&got);
}

static bool same(const struct policy_report *a, const struct policy_report *b)
{
    if (a->len != b->len || a->more != b->more || a->too_complex != b->too_complex ||
        a->functions != b->functions || a->classes != b->classes ||
        a->cyclomatic_complexity != b->cyclomatic_complexity || a->imports.len != b->imports.len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (a->items[i].line != b->items[i].line || a->items[i].column != b->items[i].column ||
            strcmp(a->items[i].message, b->items[i].message) != 0)
            return false;
    return true;
}

static bool passes(const struct policy_report *r)
{
    return r->len == 0 && !r->more && !r->too_complex;
}

/* A tree that no parser would make may be none at all, which is an exception and so a refusal. */
static struct policy_report check(PyObject *tree, const struct policy_rules *rules)
{
    struct policy_report r = {0};
    int rc = policy_check(tree, rules, &r);
    FUZZ_CHECK((rc < 0) == !!PyErr_Occurred());
    if (rc == 0)
        return r;
    if (rules->code || !PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Print();
        abort();
    }
    PyErr_Clear();
    policy_report_done(&r);
    r.too_complex = true;
    return r;
}

static bool passes_under(PyObject *tree, const struct policy_rules *rules)
{
    struct policy_report r = check(tree, rules);
    bool yes = passes(&r);
    policy_report_done(&r);
    return yes;
}

/* A leak grows each time; the interpreter's lists of free objects only until they are full. */
static void check_nothing_stays(PyObject *tree, const struct policy_rules *rules)
{
    if (!__sanitizer_get_current_allocated_bytes)
        return;
    bool grows = true;
    for (int i = 0; grows && i < 200; i++) {
        size_t before = __sanitizer_get_current_allocated_bytes();
        passes_under(tree, rules);
        grows = __sanitizer_get_current_allocated_bytes() > before;
    }
    FUZZ_CHECK(!grows);
}

void host_judge(PyObject *tree, const char *text, size_t n, unsigned choice)
{
    struct policy_rules rules = {.permitted = choice & 1 ? &everything : &basic,
                                 .narrowed = choice & 2   ? &few
                                             : choice & 4 ? &none
                                                          : NULL,
                                 .profiles = choice & 1 ? PROFILE_ALL : PROFILE_BASIC,
                                 .generated = choice & 8,
                                 .code = (const uint8_t *)text,
                                 .code_len = n};
    struct policy_report first = check(tree, &rules);
    struct policy_report second = check(tree, &rules);
    FUZZ_CHECK(same(&first, &second));
    policy_report_done(&second);
    check_nothing_stays(tree, &rules);
    check_violations(&first);
    check_travels(&first);
    bool yes = passes(&first);
    FUZZ_CHECK(!yes || !leads_out(tree, !(choice & 1)));
    /* rules that permit more refuse no more */
    rules.generated = true;
    FUZZ_CHECK(!yes || passes_under(tree, &rules));
    rules.narrowed = NULL;
    FUZZ_CHECK(!yes || passes_under(tree, &rules));
    rules.permitted = &everything;
    rules.profiles = PROFILE_ALL;
    FUZZ_CHECK(!yes || passes_under(tree, &rules));
    policy_report_done(&first);
}

/* Does `x.NAME` pass? -1: it is no Python. */
static int passes_as_attribute(const char *name)
{
    char text[128];
    struct policy_rules rules = {.permitted = &basic, .profiles = PROFILE_BASIC};
    PyCompilerFlags flags = {.cf_flags = PyCF_ONLY_AST | PyCF_SOURCE_IS_UTF8,
                             .cf_feature_version = PY_MINOR_VERSION};
    if (snprintf(text, sizeof(text), "x.%s", name) >= (int)sizeof(text))
        return -1;
    PyObject *word = PyUnicode_FromString(name);
    PyObject *tree = word && PyUnicode_IsIdentifier(word)
                         ? Py_CompileStringExFlags(text, "<name>", Py_file_input, &flags, 0)
                         : NULL;
    int rc = tree ? passes_under(tree, &rules) : -1;
    PyErr_Clear();
    Py_XDECREF(word);
    Py_XDECREF(tree);
    return rc;
}

void host_judge_name(const char *name)
{
    const char *(*const verdicts[])(const char *) = {
        policy_name_verdict, policy_name_verdict_assign, policy_name_verdict_define};
    bool refused[3];
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        const char *message = verdicts[i](name);
        refused[i] = message != NULL;
        FUZZ_CHECK(!message || (utf8_valid(message, strlen(message)) && *message));
        FUZZ_CHECK(!message || good_text(policy_name_remedy(name)));
        FUZZ_CHECK(!PyErr_Occurred());
    }
    int passes = passes_as_attribute(name);
    FUZZ_CHECK(passes < 0 || passes == !refused[0]);
}
