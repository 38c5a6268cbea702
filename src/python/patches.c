/* Texts that change the library: see patches.h. Runs in the zygote, before any program. The code is
 * the module's own to everybody: it has its file name. */
#include "python/patches.h"

#include <Python.h>
#include <string.h>

#include "base/macros.h"
#include "python/compat.h"

static const struct {
    const char *module, *text;
} patches[] = {
    /* getattr_static() takes the __get__ of two descriptors of `type` and looks at the kind of one,
     * 3.11 at each call, later versions when they are imported: afterwards there is none to be had.
     * Protocols that are checked at run time and pandas depend on it. As it is in 3.12, but that
     * `type` itself, which no program can change, need not be looked at. */
    {"inspect", "def _static_getmro(klass, get=type.__dict__['__mro__'].__get__):\n"
                "    return get(klass)\n"
                "def _shadowed_dict(klass, get=type.__dict__['__dict__'].__get__, top=type):\n"
                "    for entry in _static_getmro(klass):\n"
                "        found = get(entry).get('__dict__', _sentinel)\n"
                "        if entry is not top and found is not _sentinel and not (\n"
                "            type(found) is types.GetSetDescriptorType\n"
                "            and found.__name__ == '__dict__'\n"
                "            and found.__objclass__ is entry\n"
                "        ):\n"
                "            return found\n"
                "    return _sentinel\n"},
    /* A format is applied to record.__dict__: with anything else for a record, and a format that
     * keeps what it is given, that is any namespace. */
    {"logging", "def _of_records(real, is_a=issubclass, kind=type, record_class=LogRecord):\n"
                "    def _format(self, record):\n"
                "        if not is_a(kind(record), record_class):\n"
                "            raise TypeError('only a LogRecord can be formatted')\n"
                "        return real(self, record)\n"
                "    return _format\n"
                "for _style in PercentStyle, StrFormatStyle, StringTemplateStyle:\n"
                "    _style._format = _of_records(_style._format)\n"
                "del _style, _of_records\n"},
    /* What a program's __new__() has made up for a copy must not be given the state of something
     * else. A partial, which cannot be changed, is its own copy. */
    {"copy", "def _of_one_kind(real=_reconstruct, kind=type):\n"
             "    def _reconstruct(x, memo, func, args, state=None, *rest, **more):\n"
             "        def make(*given):\n"
             "            y = func(*given)\n"
             "            if state is not None and kind(y) is not kind(x):\n"
             "                raise TypeError('a copy is of the same type')\n"
             "            return y\n"
             "        return real(x, memo, make, args, state, *rest, **more)\n"
             "    return _reconstruct\n"
             "_reconstruct = _of_one_kind()\n"
             "del _of_one_kind\n"
             "def _add_partial():\n"
             "    from functools import partial\n"
             "    def keep(x):\n"
             "        return x\n"
             "    def deepen(x, memo):\n"
             "        func, args, names = deepcopy((x.func, x.args, x.keywords), memo)\n"
             "        y = partial(func, *args, **names)\n"
             "        y.__dict__.update(deepcopy(x.__dict__, memo))\n"
             "        return y\n"
             "    _copy_dispatch[partial] = keep\n"
             "    _deepcopy_dispatch[partial] = deepen\n"
             "_add_partial()\n"
             "del _add_partial\n"},
    /* Without a record of what it is in, the encoder in C holds nothing that a program's default()
     * takes away. The one in Python does the same. */
    {"json.encoder",
     "def _recorded(real=c_make_encoder):\n"
     "    def c_make_encoder(markers, default, encoder, indent, key, item, sort, skip, "
     "allow_nan):\n"
     "        if markers is not None:\n"
     "            return real(markers, default, encoder, indent, key, item, sort, skip, "
     "allow_nan)\n"
     "        def floatstr(o):\n"
     "            text = float.__repr__(o)\n"
     "            known = {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}.get(text)\n"
     "            if known and not allow_nan:\n"
     "                raise ValueError('Out of range float values are not JSON compliant')\n"
     "            return known or text\n"
     "        return _make_iterencode(None, default, encoder, indent, floatstr, key, item, sort,\n"
     "                                skip, True)\n"
     "    return c_make_encoder\n"
     "c_make_encoder = c_make_encoder and _recorded()\n"
     "del _recorded\n"},
    /* As the code in C, which is hidden (preload.c), and documentation have it: sequences. */
    {"xml.etree.ElementTree", "def _as_list(real):\n"
                              "    def pairs(self):\n"
                              "        return list(real(self))\n"
                              "    pairs.__name__ = real.__name__\n"
                              "    pairs.__qualname__ = real.__qualname__\n"
                              "    pairs.__doc__ = real.__doc__\n"
                              "    return pairs\n"
                              "if isinstance(Element.items, type(_as_list)):\n"
                              "    Element.items = _as_list(Element.items)\n"
                              "    Element.keys = _as_list(Element.keys)\n"
                              "del _as_list\n"},
    /* Looking for what a misspelt name could have been, it imports what an exception says: a module
     * that is there has been loaded. */
    {"traceback", "def __import__(name, loaded=sys.modules):\n"
                  "    return loaded[name]\n"},
};

int patches_apply(const char *module)
{
    auto_py PyObject *name = PyUnicode_FromString(module);
    auto_py PyObject *real = name ? PyImport_GetModule(name) : NULL;
    for (size_t i = 0; real && i < ARRAY_LEN(patches); i++) {
        if (strcmp(patches[i].module, module) != 0)
            continue;
        PyObject *names = PyModule_GetDict(real); /* borrowed */
        auto_py PyObject *path = PyModule_GetFilenameObject(real);
        const char *file = path ? PyUnicode_AsUTF8(path) : NULL;
        auto_py PyObject *code =
            file ? Py_CompileString(patches[i].text, file, Py_file_input) : NULL;
        auto_py PyObject *none = code ? PyEval_EvalCode(code, names, names) : NULL;
        return none ? 0 : -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

int patches_learn(void)
{
    for (size_t i = 0; i < ARRAY_LEN(patches); i++)
        if (strcmp(patches[i].module, "inspect") != 0 && patches_apply(patches[i].module) < 0)
            return -1;
    return 0;
}
