/* The test's own `_vivarium`: it stands where the product's extension module stands, in the stock
 * interpreter inside the jail, and does what the test server asks. It alone can leave out walls, by
 * calling them one by one; the product's module calls jail_worker_enter() and nothing else. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "harms.h"
#include "sys/fd.h"
#include "sys/task.h"

static struct jail *jail;
static struct guest_reply reply;

static void put_error(const char *what, const struct err *err)
{
    reply.value = -1;
    snprintf(reply.text, sizeof(reply.text), "%s: %s", what, err->text);
}

static int put_walls(uint32_t walls, struct err *err)
{
    jail->worker = getpid();
    if (walls == WALLS_ALL)
        return jail_worker_enter(jail, 4, err);
    if (((walls & WALL_LANDLOCK) && wall_landlock(jail, err) < 0) ||
        ((walls & WALL_TIES) && wall_ties(jail, 4, err) < 0) ||
        ((walls & WALL_LIMITS) && wall_limits(jail, err) < 0) ||
        ((walls & WALL_CAPABILITIES) && wall_capabilities(jail, err) < 0) ||
        task_die_with_parent(SIGKILL, err) < 0)
        return -1;
    return walls & WALL_SECCOMP ? wall_seccomp(jail, err) : 0;
}

static void do_try(const char *name)
{
    for (unsigned long i = 0; i < harms_len; i++)
        if (strcmp(harms[i].name, name) == 0) {
            errno = 0;
            reply.value = harms[i].try(jail);
            reply.error = errno;
            snprintf(reply.text, sizeof(reply.text), "%s", strerror(reply.error));
            return;
        }
    reply.value = -2;
    snprintf(reply.text, sizeof(reply.text), "no such harm: %s", name);
}

static void do_probe(void)
{
    static const char *const states[] = {"held", "BROKEN", "absent"};
    struct msg_proof proof = {0};
    struct err err = ERR_INIT;
    if (jail_probe(jail, &proof, &err) < 0)
        put_error("probe", &err);
    size_t at = 0;
    for (size_t i = 0; i < proof.len && at < sizeof(reply.text) - 300; i++)
        at += (size_t)snprintf(reply.text + at, sizeof(reply.text) - at, "%s|%s|%s|%s\n",
                               proof.items[i].layer, proof.items[i].name,
                               states[proof.items[i].state], proof.items[i].detail);
    msg_proof_done(&proof);
}

/* The program leaves its answer in the variable `answer`, or raises. */
static void do_python(const char *program)
{
    PyObject *globals = PyDict_New();
    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
    PyObject *r = PyRun_String(program, Py_file_input, globals, globals);
    if (!r) {
        PyObject *type, *value, *tb;
        PyErr_Fetch(&type, &value, &tb);
        PyObject *s = PyObject_Str(value ? value : type);
        reply.value = -1;
        snprintf(reply.text, sizeof(reply.text), "%s: %s", ((PyTypeObject *)type)->tp_name,
                 s ? PyUnicode_AsUTF8(s) : "?");
        return;
    }
    PyObject *answer = PyDict_GetItemString(globals, "answer");
    PyObject *s = answer ? PyObject_Str(answer) : NULL;
    snprintf(reply.text, sizeof(reply.text), "%s", s ? PyUnicode_AsUTF8(s) : "");
}

_noreturn_ static void worker(const struct guest_request *req, int channel)
{
    struct err err = ERR_INIT;
    /* As the product's worker does: its channel becomes descriptor 3. */
    if (req->walls & WALL_TIES)
        dup2(channel, 3);
    int out = req->walls & WALL_TIES ? 3 : channel;
    if (put_walls(req->walls, &err) < 0)
        put_error("walls", &err);
    else if (req->op == GUEST_TRY)
        do_try(req->text);
    else if (req->op == GUEST_PROBE)
        do_probe();
    else if (req->op == GUEST_PYTHON)
        do_python(req->text);
    if (write(out, &reply, sizeof(reply)) < 0)
        _exit(3);
    _exit(0);
}

/* Run @req in a worker and take over its reply. */
static void in_worker(const struct guest_request *req)
{
    int fds[2];
    struct err err = ERR_INIT;
    if (sock_pair(SOCK_SEQPACKET, fds, &err) < 0) {
        put_error("socketpair", &err);
        return;
    }
    PyOS_BeforeFork();
    pid_t pid = jail_fork(jail, &err);
    if (pid == 0) {
        PyOS_AfterFork_Child();
        close(fds[0]);
        worker(req, fds[1]);
    }
    PyOS_AfterFork_Parent();
    close(fds[1]);
    if (pid < 0) {
        put_error("fork", &err);
    } else {
        int status = 0;
        ssize_t n = read(fds[0], &reply, sizeof(reply));
        waitpid(pid, &status, 0);
        /* A process that was killed takes a moment to die. */
        if (strncmp(req->text, "kill", 4) == 0)
            usleep(50000);
        if (waitpid(harm_victim, NULL, WNOHANG) != 0) {
            reply.value = 1;
            snprintf(reply.text, sizeof(reply.text), "the victim is dead");
        }
        if (n != (ssize_t)sizeof(reply)) {
            reply.value = -3;
            snprintf(reply.text, sizeof(reply.text), "the worker died, status %#x",
                     (unsigned)status);
        }
        reply.status = status;
    }
    close(fds[0]);
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of making and ending workers: ours, and theirs as wait4 counts it. */
static void cost(const struct guest_request *req)
{
    struct err err = ERR_INIT;
    uint64_t begin = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), theirs = 0;
    for (uint64_t i = 0; i < req->number; i++) {
        pid_t pid = jail_fork(jail, &err);
        if (pid == 0)
            _exit(put_walls(req->walls, &err) < 0);
        int status = 0;
        struct rusage ru;
        if (pid < 0 || wait4(pid, &status, 0, &ru) < 0 || status != 0) {
            put_error("worker", &err);
            return;
        }
        theirs += (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000u +
                  (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000u;
    }
    uint64_t ours = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
    reply.value = (int64_t)((ours + theirs) / req->number);
    snprintf(reply.text, sizeof(reply.text), "zygote %llu us, worker %llu us",
             (unsigned long long)(ours / req->number / 1000),
             (unsigned long long)(theirs / req->number / 1000));
}

static void enter(const struct guest_request *req, int *listener)
{
    struct msg_launch launch = {0};
    struct jail_handover handover = {0};
    struct err err = ERR_INIT;
    if (jail_read_spec(&launch, &handover, &err) < 0) {
        put_error("spec", &err);
        return;
    }
    if (req->number == 1)
        handover.report.len = 0;
    if (jail_zygote_enter(&launch, &handover, &jail, listener, &err) < 0)
        put_error("enter", &err);
    else
        snprintf(reply.text, sizeof(reply.text), "%u|%s|%s", handover.isolation, handover.note,
                 launch.python_path.len ? launch.python_path.items[0] : "");
    jail_handover_done(&handover);
    msg_launch_done(&launch);
}

_noreturn_ static void abandon(void)
{
    struct err err = ERR_INIT;
    pid_t pid = jail_fork(jail, &err);
    if (pid == 0) {
        if (jail_worker_enter(jail, 3, &err) < 0)
            _exit(1);
        for (;;)
            ;
    }
    _exit(7);
}

static void serve_one(const struct guest_request *req)
{
    int listener = -1;
    memset(&reply, 0, sizeof(reply));
    switch (req->op) {
    case GUEST_ENTER:
        enter(req, &listener);
        break;
    case GUEST_PROBE:
    case GUEST_TRY:
    case GUEST_PYTHON:
        in_worker(req);
        break;
    case GUEST_COST:
        cost(req);
        break;
    case GUEST_ABANDON:
        abandon();
    }
    sock_send(JAIL_FD_CONTROL, &reply, sizeof(reply), &listener, listener >= 0, 0, NULL);
    fd_close(&listener);
}

static PyObject *serve(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    static struct guest_request req;
    /* Something to aim at, next to the workers: a child of the zygote in its pid namespace. */
    pid_t zygote = getpid();
    harm_victim = fork();
    if (harm_victim == 0) {
        task_die_with_parent(SIGKILL, NULL);
        while (getppid() == zygote)
            pause();
        _exit(0);
    }
    while (read(JAIL_FD_CONTROL, &req, sizeof(req)) == (ssize_t)sizeof(req)) {
        req.text[sizeof(req.text) - 1] = '\0';
        serve_one(&req);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"serve", serve, METH_NOARGS, NULL}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_vivarium", .m_size = -1,
                                    .m_methods = methods};
PyMODINIT_FUNC PyInit__vivarium(void);
PyMODINIT_FUNC PyInit__vivarium(void)
{
    return PyModule_Create(&module);
}
