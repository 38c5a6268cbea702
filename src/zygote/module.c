/* The extension module `_vivarium`: the door through which the stock interpreter becomes a zygote.
 *
 *   python3 -I -S -c "import _vivarium; _vivarium.serve()"     (with its folder in sys.path)
 *
 * Its only function does not return. Programs never see the module: imports are judged by name, and
 * the zygote takes it out of sys.modules. */
#include <Python.h>

#include "zygote/zygote.h"

static PyObject *serve(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    zygote_main();
}

static PyMethodDef methods[] = {
    {"serve", serve, METH_NOARGS, PyDoc_STR("Become a zygote. Does not return.")},
    {0},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_vivarium",
    .m_doc = PyDoc_STR("Vivarium's zygote and worker."),
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__vivarium(void);
PyMODINIT_FUNC PyInit__vivarium(void)
{
    return PyModule_Create(&module);
}
