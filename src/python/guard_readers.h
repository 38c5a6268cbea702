/* Who may read what: the functions of CPython's library that need a guarded attribute, or cause an
 * audit event, to do their work for an honest program, each with only the groups it needs. Found by
 * running honest programs on CPython 3.11 to 3.13 with a guard that named its readers; a function
 * is listed only if it does not hand what it reads to its caller, or hands out what is itself
 * guarded (a frame). */
#ifndef PYTHON_GUARD_READERS_H
#define PYTHON_GUARD_READERS_H

enum guard_group {
    READS_FUNCTION = 1 << 0,    /* function.__globals__ __code__ __closure__ …, cell_contents */
    READS_BOUND = 1 << 1,       /* method.__func__ __self__ … */
    READS_CLASS_GRAPH = 1 << 2, /* type.__subclasses__ */
    READS_FRAME = 1 << 3,       /* gi_frame …, tb_frame, f_back …; sys._getframe */
    READS_CODE = 1 << 4,        /* code.replace co_code … */
    MAY_EXECUTE = 1 << 5,       /* exec or eval of code that has been judged when it was compiled */
    MAY_COMPILE = 1 << 6,       /* compile without judgement: the result is never executed */
    MAY_OPEN = 1 << 7,          /* read files and list folders of the library's own */
    MAY_UNMARSHAL = 1 << 8,     /* marshal.loads */
    MAY_PAIR = 1 << 9, /* socket objects, when called by one of these for a socketpair … */
    MAY_PAIR_ITSELF = 1 << 10,     /* … and whoever calls */
    WRAPS_FOR_LIBRARY = 1 << 11,   /* a library function's own __dict__, for library callers */
    MAY_MAKE_FUNCTION = 1 << 12,   /* a function from the code of one that the program has */
    MAY_COMPILE_LIBRARY = 1 << 14, /* compile a file of the library's own */
    PASSES_CLASS = 1 << 13,        /* makes classes of namespaces that its caller gives it */
};

struct guard_reader {
    const char *module, *function; /* "dataclasses", "_process_class" */
    unsigned bits;
};
/* Ends with a row whose module is NULL. */
extern const struct guard_reader guard_readers[];

#endif
