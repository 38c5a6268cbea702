/* The language policy on programs: text, parsed by CPython, judged. An input whose first byte is
 * below 0x09 chooses the rules with it; the rest is the program. With 0x07 the program is repeated
 * until it is long; where FUZZ_TIMED is set (`make fuzz`, not in tests), that must not take longer
 * than it warrants. */
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/str.h"
#include "fuzz.h"
#include "policy_host.h"

#define MAX_BYTES 16384

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    host_start();
    return 0;
}

#define LONG_BYTES   (32 * 1024)
#define LONG_SECONDS 3 /* of CPU time; it takes some tenths, sanitizers included */
#define LONG_CHOICE  7

/* The whole of @data, over and over, as lines. */
static char *repeated(const uint8_t *data, size_t n, size_t *ret_n)
{
    size_t times = MAX(LONG_BYTES / (n + 1), (size_t)1);
    char *text = malloc(times * (n + 1) + 1);
    FUZZ_CHECK(text);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + i * (n + 1), data, n);
        text[i * (n + 1) + n] = '\n';
    }
    *ret_n = times * (n + 1);
    text[*ret_n] = '\0';
    return text;
}

/* The first word of the program, as a name that is made while it runs. */
static void judge_first_word(const char *text)
{
    char name[80];
    size_t n = strcspn(text, " \t\n\r\f()[]{}=:,");
    if (n == 0 || n >= sizeof(name) || !utf8_valid(text, n))
        return;
    memcpy(name, text, n);
    name[n] = '\0';
    host_judge_name(name);
}

static void judge_text(const char *text, size_t n, unsigned choice)
{
    PyCompilerFlags flags = {.cf_flags = PyCF_ONLY_AST | PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE,
                             .cf_feature_version = PY_MINOR_VERSION};
    PyObject *tree = Py_CompileStringExFlags(text, "<sandbox>", Py_file_input, &flags, 0);
    clock_t before = clock();
    if (tree)
        host_judge(tree, text, n, choice);
    FUZZ_CHECK(!getenv("FUZZ_TIMED") || clock() - before < LONG_SECONDS * CLOCKS_PER_SEC);
    PyErr_Clear();
    Py_XDECREF(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned choice = 0;
    if (n > 0 && data[0] < 0x09) {
        choice = data[0];
        data++;
        n--;
    }
    if (n > MAX_BYTES || memchr(data, 0, n))
        return 0;
    char *text = choice == LONG_CHOICE ? repeated(data, n, &n) : strndup((const char *)data, n);
    FUZZ_CHECK(text);
    judge_text(text, n, choice);
    judge_first_word(text);
    free(text);
    return 0;
}

#ifdef FUZZ_MUTATES
static const char *const pieces[] = {
    "import os\n",
    "from math import sin as s\n",
    "from . import x\n",
    "import a.b as c\n",
    "def f(x=1, *a, k: int = 2, **kw) -> int:\n  return x\n",
    "async def g():\n  async with a as b: await c\n  async for i in j: yield i\n",
    "class C(B, metaclass=M):\n  __slots__ = ()\n  __match_args__ = ('a',)\n",
    "match x:\n  case C(a, b=c) | [1, *_] as d if e: pass\n  case {'k': v, **r}: pass\n",
    "try: pass\nexcept* (A, B) as e: raise C from e\nelse: pass\nfinally: pass\n",
    "try: pass\nexcept A as e: pass\n",
    "with a as b, c as (d, e): pass\n",
    "global x\n",
    "nonlocal x\n",
    "lambda a, *b: (c := d)",
    "[a for b in c if d for e in f]",
    "{**a, b: c}",
    "f'{a!r:>{b}}'",
    "x: int = 1\n",
    "x += 1\n",
    "del a.b, c[d]\n",
    "type X[T: int, *U, **V] = T\n",
    "@property\n",
    "f(*a, **b, c=d)",
    "super().__init__()",
    "vars(x)",
    "x.__class__ = C\n",
    "dataclass\n",
    "from dataclasses import dataclass\n",
    "from typing import NamedTuple\n",
    "from xml.etree import ElementTree\n",
    "a if b else c",
    "(yield)",
    "\\N{DIGIT ONE}",
    "def __getattr__(self, n): pass\n",
    "# é\n",
    "a.b.c[d:e, ...](f)",
    ";",
    "    ",
    "\f",
    "\r\n"};

static size_t rest_of_name(const uint8_t *data, size_t n, size_t at)
{
    size_t i = at;
    while (i < n && (data[i] == '_' || data[i] >= 0x80 || (data[i] | 32) - 'a' < 26u))
        i++;
    return i - at;
}

/* Replace @gone bytes at @at with @text. The new size; the old one when there is no room. */
static size_t splice(uint8_t *data, size_t n, size_t max, size_t at, size_t gone, const char *text)
{
    size_t len = strlen(text);
    if (n - gone + len > max)
        return n;
    memmove(data + at + len, data + at + gone, n - at - gone);
    memcpy(data + at, text, len);
    return n - gone + len;
}

/* Indent everything below a new first line. */
static size_t nest(uint8_t *data, size_t n, size_t max, const char *head)
{
    size_t size = splice(data, n, max, 0, 0, head);
    if (size == n)
        return n;
    for (size_t i = strlen(head); i < size; i++)
        if (i == strlen(head) || data[i - 1] == '\n')
            size = splice(data, size, max, i, 0, " ");
    return size;
}

/* What programs are made of, where a change of bytes would only make them unreadable. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned int seed)
{
    static const char *const heads[] = {"def f():\n", "class C:\n", "if x:\n", "async def f():\n"};
    unsigned dice = seed / 8;
    size_t at = n ? dice % n : 0;
    if (n > 0 && data[0] == LONG_CHOICE && dice % 64)
        data[0] = (uint8_t)(dice % LONG_CHOICE); /* few of the slow ones */
    switch (seed % 8) {
    case 0:
    case 1:
        while (at < n && rest_of_name(data, n, at) == 0)
            at++;
        return splice(data, n, max, at, rest_of_name(data, n, at), host_name(dice / 7));
    case 2:
    case 3:
        while (seed % 8 == 3 && at > 0 && data[at - 1] != '\n')
            at--;
        return splice(data, n, max, at, 0, pieces[dice % ARRAY_LEN(pieces)]);
    case 4:
        return n > 2000 ? LLVMFuzzerMutate(data, n, max)
                        : nest(data, n, max, heads[dice % ARRAY_LEN(heads)]);
    case 5:
        if (n > 1 && dice % 256 == 0)
            data[0] = LONG_CHOICE;
        return n;
    default:
        return LLVMFuzzerMutate(data, n, max);
    }
}
#endif
