/* Output of the program: see capture.h. Runs in the worker. Once the program runs, nothing here is
 * proof against it: the limits kept here spare honest programs, the server enforces its own.
 *
 * The GIL is held throughout, even while a full pipe is written to: the server always drains, and
 * so two threads can never interleave inside an area.
 *
 * What the server can rely on after a kill at any moment: `flushed` bytes have left the area
 * through the pipe, `pending` bytes follow them in the area, of which the pipe may already have
 * taken a part; so the number of bytes received from the pipe tells exactly where to go on in the
 * area. */
#include "python/capture.h"

#include <Python.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "python/compat.h"

struct stream {
    PyObject *sink, *text; /* the two layers; live as long as the process */
    uint8_t *area;         /* STATUS_OUT_BYTES, shared; NULL = not attached */
    int fd;
    uint32_t fill;
    uint64_t left;  /* bytes still accepted */
    bool discard;   /* drop, and that is not a truncation */
    bool truncated; /* the limit was reached or the reader has gone */
    bool closed;    /* by the program */
    bool changed;   /* reconfigured or detached: no short cut past the text layer */
};

static struct stream streams[2];
static const char *const names[2] = {"<stdout>", "<stderr>"};
static struct status_page *page;
static bool live;
static PyObject *base_write; /* io.TextIOWrapper.write */

static void stop(struct stream *s, bool truncated)
{
    s->left = 0;
    s->truncated |= truncated;
    if (page && truncated)
        page->out_truncated[s - streams] = 1;
}

/* Write to the pipe, blocking. False when the reader has gone. */
static bool pipe_write(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, data, n);
        if (w >= 0) {
            data += w;
            n -= (size_t)w;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void flush_area(struct stream *s)
{
    size_t i = (size_t)(s - streams);
    uint32_t n = s->fill;
    if (n == 0 || !s->area)
        return;
    bool ok = pipe_write(s->fd, s->area, n);
    s->fill = 0;
    /* In this order: between the two stores nothing is pending and all has been written. */
    __atomic_store_n(&page->pending[i], 0, __ATOMIC_RELEASE);
    __atomic_store_n(&page->flushed[i], page->flushed[i] + n, __ATOMIC_RELEASE);
    if (!ok)
        stop(s, true);
}

static void append(struct stream *s, const void *data, size_t n)
{
    const uint8_t *p = data;
    if (n > s->left) {
        if (s->discard)
            return;
        n = s->left ? utf8_floor(p, s->left) : 0;
        stop(s, true);
    } else {
        s->left -= n;
    }
    bool line = live && memchr(p, '\n', n);
    while (n > 0 && s->area) {
        size_t take = MIN(n, (size_t)(STATUS_OUT_BYTES - s->fill));
        memcpy(s->area + s->fill, p, take);
        s->fill += (uint32_t)take;
        __atomic_store_n(&page->pending[s - streams], s->fill, __ATOMIC_RELEASE);
        p += take;
        n -= take;
        if (s->fill == STATUS_OUT_BYTES)
            flush_area(s);
    }
    if (line)
        flush_area(s);
}

/* ---- the sink: sys.stdout.buffer ---- */

static struct stream *stream_of_sink(PyObject *self)
{
    for (size_t i = 0; i < 2; i++)
        if (streams[i].sink == self)
            return &streams[i];
    return NULL;
}

static struct stream *open_sink(PyObject *self)
{
    struct stream *s = stream_of_sink(self);
    if (s && !s->closed)
        return s;
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return NULL;
}

static PyObject *sink_write(PyObject *self, PyObject *arg)
{
    struct stream *s = open_sink(self);
    Py_buffer data;
    if (!s)
        return NULL;
    if (PyUnicode_Check(arg)) {
        PyErr_SetString(PyExc_TypeError, "a bytes-like object is required, not 'str'");
        return NULL;
    }
    if (PyObject_GetBuffer(arg, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_ssize_t n = data.len;
    append(s, data.buf, (size_t)n);
    PyBuffer_Release(&data);
    return PyLong_FromSsize_t(n);
}

static PyObject *sink_flush(PyObject *self, PyObject *Py_UNUSED(args))
{
    struct stream *s = open_sink(self);
    if (!s)
        return NULL;
    /* Without a spectator a flush may wait: the area survives a kill. */
    if (live)
        flush_area(s);
    Py_RETURN_NONE;
}

static PyObject *sink_close(PyObject *self, PyObject *Py_UNUSED(args))
{
    struct stream *s = stream_of_sink(self);
    if (s)
        s->closed = true;
    Py_RETURN_NONE;
}

static PyObject *sink_true(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    Py_RETURN_TRUE;
}

static PyObject *sink_get_closed(PyObject *self, void *Py_UNUSED(closure))
{
    struct stream *s = stream_of_sink(self);
    return PyBool_FromLong(!s || s->closed);
}

static PyObject *sink_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    struct stream *s = stream_of_sink(self);
    return PyUnicode_FromString(s ? names[s - streams] : "");
}

static PyObject *sink_get_mode(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return PyUnicode_FromString("wb");
}

static PyMethodDef sink_methods[] = {
    {"write", sink_write, METH_O, NULL},
    {"flush", sink_flush, METH_NOARGS, NULL},
    {"close", sink_close, METH_NOARGS, NULL},
    {"writable", sink_true, METH_NOARGS, NULL},
    {0},
};
static PyGetSetDef sink_getset[] = {
    {"closed", sink_get_closed, NULL, NULL, NULL},
    {"name", sink_get_name, NULL, NULL, NULL},
    {"mode", sink_get_mode, NULL, NULL, NULL},
    {0},
};
static PyType_Slot sink_slots[] = {
    {Py_tp_methods, sink_methods},
    {Py_tp_getset, sink_getset},
    {0, NULL},
};
static PyType_Spec sink_spec = {
    .name = "_vivarium.Sink",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = sink_slots,
};

/* ---- the text layer: io.TextIOWrapper with a short cut for the usual case ---- */

static struct stream *stream_of_text(PyObject *self)
{
    for (size_t i = 0; i < 2; i++)
        if (streams[i].text == self)
            return &streams[i];
    return NULL;
}

/* ASCII text needs no encoder, and a write-through wrapper holds nothing back that it could
 * overtake. */
static PyObject *text_write(PyObject *self, PyObject *arg)
{
    struct stream *s = stream_of_text(self);
    if (s && !s->changed && !s->closed && PyUnicode_CheckExact(arg) &&
        PyUnicode_IS_COMPACT_ASCII(arg)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(arg);
        append(s, PyUnicode_DATA(arg), (size_t)n);
        return PyLong_FromSsize_t(n);
    }
    PyObject *args[] = {self, arg};
    return PyObject_Vectorcall(base_write, args, 2, NULL);
}

static PyObject *call_base(PyObject *self, const char *method, PyObject *args, PyObject *kwargs)
{
    struct stream *s = stream_of_text(self);
    if (s)
        s->changed = true;
    PyTypeObject *base = Py_TYPE(self)->tp_base;
    auto_py PyObject *f = PyObject_GetAttrString((PyObject *)base, method);
    if (!f)
        return NULL;
    auto_py PyObject *head = PyTuple_Pack(1, self);
    auto_py PyObject *all = head ? PySequence_Concat(head, args) : NULL;
    return all ? PyObject_Call(f, all, kwargs) : NULL;
}

static PyObject *text_reconfigure(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return call_base(self, "reconfigure", args, kwargs);
}

static PyObject *text_detach(PyObject *self, PyObject *args)
{
    return call_base(self, "detach", args, NULL);
}

static PyMethodDef text_methods[] = {
    {"write", text_write, METH_O, NULL},
    {"reconfigure", (PyCFunction)(void (*)(void))text_reconfigure, METH_VARARGS | METH_KEYWORDS,
     NULL},
    {"detach", text_detach, METH_VARARGS, NULL},
    {0},
};
static PyType_Slot text_slots[] = {{Py_tp_methods, text_methods}, {0, NULL}};
static PyType_Spec text_spec = {
    .name = "_io.TextIOWrapper",
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = text_slots,
};

static PyObject *new_subtype(PyType_Spec *spec, PyObject *io, const char *base_name)
{
    auto_py PyObject *base = PyObject_GetAttrString(io, base_name);
    auto_py PyObject *bases = base ? PyTuple_Pack(1, base) : NULL;
    return bases ? PyType_FromSpecWithBases(spec, bases) : NULL;
}

/* sys.<name> and sys.__<name>__ */
static int install(const char *name, PyObject *stream)
{
    auto_py PyObject *dunder = PyUnicode_FromFormat("__%s__", name);
    if (!dunder || PySys_SetObject(name, stream) < 0)
        return -1;
    return PySys_SetObject(PyUnicode_AsUTF8(dunder), stream);
}

static int make_stdin(PyObject *io)
{
    auto_py PyObject *empty = PyObject_CallMethod(io, "BytesIO", NULL);
    auto_py PyObject *text =
        empty ? PyObject_CallMethod(io, "TextIOWrapper", "Os", empty, "utf-8") : NULL;
    return text ? install("stdin", text) : -1;
}

static int make_output(size_t i, PyTypeObject *sink_type, PyObject *text_type)
{
    struct stream *s = &streams[i];
    s->fd = -1;
    s->discard = true;
    s->sink = sink_type->tp_alloc(sink_type, 0);
    if (!s->sink)
        return -1;
    /* TextIOWrapper(buffer, encoding, errors, newline, line_buffering, write_through) */
    s->text = PyObject_CallFunction(text_type, "OsssOO", s->sink, "utf-8", "backslashreplace", "\n",
                                    Py_False, Py_True);
    auto_py PyObject *mode = PyUnicode_FromString("w");
    if (!s->text || !mode || PyObject_SetAttrString(s->text, "mode", mode) < 0)
        return -1;
    return install(i ? "stderr" : "stdout", s->text);
}

int capture_init(void)
{
    /* The abstract classes of the module io know the base through registration only. */
    auto_py PyObject *io = PyImport_ImportModule("io");
    auto_py PyObject *core = PyImport_ImportModule("_io");
    if (!io || !core)
        return -1;
    auto_py PyObject *sink_type = new_subtype(&sink_spec, core, "_BufferedIOBase");
    auto_py PyObject *text_type = new_subtype(&text_spec, core, "TextIOWrapper");
    auto_py PyObject *abstract = PyObject_GetAttrString(io, "BufferedIOBase");
    if (!sink_type || !text_type || !abstract)
        return -1;
    auto_py PyObject *done = PyObject_CallMethod(abstract, "register", "O", sink_type);
    auto_py PyObject *wrapper = PyObject_GetAttrString(core, "TextIOWrapper");
    base_write = wrapper ? PyObject_GetAttrString(wrapper, "write") : NULL;
    if (!done || !base_write || make_stdin(io) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++)
        if (make_output(i, (PyTypeObject *)sink_type, text_type) < 0)
            return -1;
    return 0;
}

void capture_attach(struct status_page *shared, int stdout_fd, int stderr_fd)
{
    page = shared;
    for (size_t i = 0; i < 2; i++) {
        streams[i].area = (uint8_t *)shared + STATUS_HEADER + i * STATUS_OUT_BYTES;
        streams[i].fd = i ? stderr_fd : stdout_fd;
    }
}

void capture_detach(void)
{
    page = NULL;
    for (size_t i = 0; i < 2; i++) {
        streams[i].area = NULL;
        streams[i].fill = 0;
    }
}

void capture_begin(bool capture, bool live_output, uint64_t max_output)
{
    live = live_output;
    for (size_t i = 0; i < 2; i++) {
        streams[i].discard = !capture;
        streams[i].left = capture ? max_output : 0;
        streams[i].truncated = false;
    }
}

static void flush_stream(const char *name)
{
    auto_py PyObject *f = Py_XNewRef(PySys_GetObject(name));
    if (f && f != Py_None && f != streams[0].text && f != streams[1].text)
        Py_XDECREF(PyObject_CallMethod(f, "flush", NULL));
    PyErr_Clear();
}

void capture_end(bool ret_truncated[2])
{
    flush_stream("stdout");
    flush_stream("stderr");
    for (size_t i = 0; i < 2; i++) {
        struct stream *s = &streams[i];
        if (s->changed && !s->closed) {
            /* reconfigured without write-through: the wrapper may hold text back */
            Py_XDECREF(PyObject_CallMethod(s->text, "flush", NULL));
            PyErr_Clear();
        }
        flush_area(s);
        s->left = 0;
        s->discard = true;
        ret_truncated[i] = s->truncated;
    }
}
