/* Exceptions in words: see traceback.h. Runs in the worker, on hostile exceptions.
 *
 * The text is made by CPython's own traceback.TracebackException (chains, groups, notes, carets,
 * folded recursion), from which every frame that is not the program's is taken out before it is
 * formatted. Whatever goes wrong in that leaves the sentence, which is made here from the C
 * structures. */
#include "python/traceback.h"

#include <string.h>

#include "python/compat.h"
#include "python/source.h"
#include "python/suggest.h"
#include "python/text.h"

#define MAX_FRAMES  1500  /* of the innermost ones; CPython's recursion limit is 1000 */
#define MAX_MESSAGE 20000 /* characters of one exception's text inside a traceback */

static PyObject *formatter;     /* traceback.TracebackException */
static PyObject *join;          /* "".join */
static PyObject *keyword_names; /* ("limit", "lookup_lines", "compact") */
static PyObject *frame_limit;

void traceback_done(struct traceback *t)
{
    free(t->type);
    free(t->message);
    free(t->text);
    *t = (struct traceback){0};
}

/* ---- the text ---- */

/* A StackSummary without the frames that are not the program's; None when none is left. New
 * reference. */
static PyObject *own_frames(PyObject *stack)
{
    Py_ssize_t kept = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stack); i++) {
        PyObject *frame = PyList_GET_ITEM(stack, i);
        auto_py PyObject *file = PyObject_GetAttrString(frame, "filename");
        if (!file)
            return NULL;
        if (!PyUnicode_Check(file) || PyUnicode_Compare(file, source_name()) != 0)
            continue;
        Py_INCREF(frame);
        if (PyList_SetItem(stack, kept++, frame) < 0)
            return NULL;
    }
    if (PyList_SetSlice(stack, kept, PyList_GET_SIZE(stack), NULL) < 0)
        return NULL;
    return Py_NewRef(kept ? stack : Py_None);
}

static int shorten_message(PyObject *te)
{
    auto_py PyObject *text = PyObject_GetAttrString(te, "_str");
    if (!text || !PyUnicode_Check(text)) {
        PyErr_Clear();
        return 0;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (n <= MAX_MESSAGE)
        return 0;
    auto_py PyObject *head = PyUnicode_Substring(text, 0, MAX_MESSAGE);
    auto_py PyObject *cut =
        head ? PyUnicode_FromFormat("%U... (%zd more characters)", head, n - MAX_MESSAGE) : NULL;
    return cut ? PyObject_SetAttrString(te, "_str", cut) : -1;
}

/* Put the exceptions that hang on @te into @todo. */
static int add_related(PyObject *te, PyObject *todo)
{
    static const char *const links[] = {"__cause__", "__context__"};
    for (size_t i = 0; i < 2; i++) {
        auto_py PyObject *other = PyObject_GetAttrString(te, links[i]);
        if (!other || (other != Py_None && PyList_Append(todo, other) < 0))
            return -1;
    }
    auto_py PyObject *group = PyObject_GetAttrString(te, "exceptions");
    if (!group)
        return -1;
    if (PyList_Check(group))
        return PyList_SetSlice(todo, PyList_GET_SIZE(todo), PyList_GET_SIZE(todo), group);
    return 0;
}

/* Clean @te and everything it is chained to. */
static int clean(PyObject *te)
{
    auto_py PyObject *todo = PyList_New(0);
    if (!todo || PyList_Append(todo, te) < 0)
        return -1;
    while (PyList_GET_SIZE(todo) > 0) {
        Py_ssize_t last = PyList_GET_SIZE(todo) - 1;
        auto_py PyObject *one = Py_NewRef(PyList_GET_ITEM(todo, last));
        if (PyList_SetSlice(todo, last, last + 1, NULL) < 0)
            return -1;
        auto_py PyObject *stack = PyObject_GetAttrString(one, "stack");
        if (!stack)
            return -1;
        if (PyList_Check(stack)) {
            auto_py PyObject *own = own_frames(stack);
            if (!own || PyObject_SetAttrString(one, "stack", own) < 0)
                return -1;
        }
        if (shorten_message(one) < 0 || add_related(one, todo) < 0)
            return -1;
    }
    return 0;
}

/* The cleaned TracebackException of @exc. */
static PyObject *summarise(PyObject *exc)
{
    auto_py PyObject *tb = PyException_GetTraceback(exc);
    PyObject *args[] = {
        (PyObject *)Py_TYPE(exc), exc, tb ? tb : Py_None, frame_limit, Py_False, Py_True};
    PyObject *te = PyObject_Vectorcall(formatter, args, 3, keyword_names);
    if (te && (suggest_correction(exc, te) < 0 || clean(te) < 0))
        Py_CLEAR(te);
    return te;
}

static PyObject *format(PyObject *te)
{
    auto_py PyObject *parts = PyObject_CallMethod(te, "format", NULL);
    return parts ? PyObject_CallOneArg(join, parts) : NULL;
}

/* ---- type, message, line ---- */

static uint32_t line_of(PyObject *exc)
{
    auto_py PyObject *tb = PyException_GetTraceback(exc);
    uint32_t line = 0;
    for (PyTracebackObject *t = (PyTracebackObject *)tb; t && PyTraceBack_Check((PyObject *)t);
         t = t->tb_next) {
        PyCodeObject *code = PyFrame_GetCode(t->tb_frame);
        int at = source_owns(code) ? PyCode_Addr2Line(code, t->tb_lasti) : 0;
        if (at > 0)
            line = (uint32_t)at;
        Py_DECREF(code);
    }
    if (line == 0 && PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_SyntaxError)) {
        PySyntaxErrorObject *e = (PySyntaxErrorObject *)exc;
        bool ours = e->filename && PyUnicode_Check(e->filename) &&
                    PyUnicode_Compare(e->filename, source_name()) == 0;
        long at = ours && e->lineno && PyLong_Check(e->lineno) ? PyLong_AsLong(e->lineno) : 0;
        PyErr_Clear();
        line = at > 0 && at < UINT32_MAX ? (uint32_t)at : 0;
    }
    return line;
}

static char *type_of(PyObject *exc)
{
    PyTypeObject *type = Py_TYPE(exc);
    auto_py PyObject *name = PyType_GetQualName(type);
    auto_py PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    PyErr_Clear();
    bool plain = !module || !PyUnicode_Check(module) ||
                 PyUnicode_CompareWithASCIIString(module, "builtins") == 0 ||
                 PyUnicode_CompareWithASCIIString(module, "__main__") == 0;
    auto_py PyObject *full = NULL;
    if (name)
        full = plain ? Py_NewRef(name) : PyUnicode_FromFormat("%U.%U", module, name);
    PyErr_Clear();
    return full ? text_from_str(full, TEXT_MAX_NAME) : strdup("Exception");
}

/* What the exception says of itself, as a str; NULL when it will not. */
static PyObject *message_of(PyObject *exc, PyObject *te)
{
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_SyntaxError)) {
        PyObject *msg = ((PySyntaxErrorObject *)exc)->msg;
        if (msg && PyUnicode_Check(msg))
            return Py_NewRef(msg);
    }
    PyObject *text = te ? PyObject_GetAttrString(te, "_str") : NULL;
    if (!text) {
        PyErr_Clear();
        text = PyObject_Str(exc);
    }
    if (text && !PyUnicode_Check(text))
        Py_CLEAR(text);
    return text;
}

static char *first_line(char *s)
{
    if (s) {
        s += strspn(s, " \t\r\n");
        s[strcspn(s, "\r\n")] = '\0';
    }
    return s;
}

int traceback_describe(PyObject *exc, struct traceback *ret, struct err *err)
{
    struct traceback t = {.line = line_of(exc), .type = type_of(exc)};
    auto_py PyObject *te = summarise(exc);
    PyErr_Clear();
    auto_py PyObject *message = message_of(exc, te);
    PyErr_Clear();
    auto_free char *whole = message ? text_from_str(message, TEXT_MAX_SENTENCE) : NULL;
    t.message = strdup(whole ? first_line(whole) : "");
    auto_py PyObject *text = te ? format(te) : NULL;
    PyErr_Clear();
    t.text = text ? text_from_str(text, TEXT_MAX_LONG) : NULL;
    if (!t.text)
        t.text = strdup("");
    if (!t.type || !t.message || !t.text) {
        traceback_done(&t);
        return err_nomem(err);
    }
    *ret = t;
    return 0;
}

/* ---- threads ---- */

/* threading.excepthook: CPython's own would print frames of the library with their folders, and
 * could not quote the program's lines. */
static PyObject *thread_hook(PyObject *Py_UNUSED(self), PyObject *args)
{
    auto_py PyObject *exc = PyObject_GetAttrString(args, "exc_value");
    auto_py PyObject *thread = PyObject_GetAttrString(args, "thread");
    if (!exc || !thread)
        return NULL;
    if (!PyExceptionInstance_Check(exc) || PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))
        Py_RETURN_NONE;
    struct traceback t = {0};
    if (traceback_describe(exc, &t, NULL) < 0)
        return PyErr_NoMemory();
    auto_py PyObject *name = thread == Py_None ? NULL : PyObject_GetAttrString(thread, "name");
    PyErr_Clear();
    auto_py PyObject *text = name
                                 ? PyUnicode_FromFormat("Exception in thread %S:\n%s", name, t.text)
                                 : PyUnicode_FromFormat("Exception in thread:\n%s", t.text);
    traceback_done(&t);
    PyObject *err_stream = PySys_GetObject("stderr");
    if (!text || (err_stream && PyFile_WriteObject(text, err_stream, Py_PRINT_RAW) < 0))
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef thread_hook_def = {"excepthook", thread_hook, METH_O, NULL};

static int hook_threads(void)
{
    auto_py PyObject *threading = PyImport_ImportModule("threading");
    auto_py PyObject *hook = PyCFunction_New(&thread_hook_def, NULL);
    if (!threading || !hook)
        return -1;
    return PyObject_SetAttrString(threading, "excepthook", hook);
}

int traceback_init(void)
{
    auto_py PyObject *module = PyImport_ImportModule("traceback");
    /* imported by traceback when it first draws carets */
    auto_py PyObject *ast = PyImport_ImportModule("ast");
    auto_py PyObject *empty = PyUnicode_FromString("");
    if (!module || !ast || !empty)
        return -1;
    formatter = PyObject_GetAttrString(module, "TracebackException");
    join = PyObject_GetAttrString(empty, "join");
    keyword_names = Py_BuildValue("(sss)", "limit", "lookup_lines", "compact");
    frame_limit = PyLong_FromLong(-MAX_FRAMES);
    if (!formatter || !join || !keyword_names || !frame_limit)
        return -1;
    return hook_threads();
}
