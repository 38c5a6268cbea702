/* A JSON text that never grows beyond a limit and can be ended well-formed at any moment: each open
 * container and string has the bytes that close it set aside. What does not fit is not written at
 * all (containers and numbers) or cut between two characters (strings). Once something did not fit,
 * nothing more is taken. */
#ifndef PYTHON_JSON_OUT_H
#define PYTHON_JSON_OUT_H

#include <Python.h>
#include <stdbool.h>

struct json_out {
    char *data; /* owned; not NUL-terminated */
    size_t len, cap;
    size_t max;      /* bytes */
    size_t reserved; /* of them, set aside for closing what is open */
    bool full;       /* something did not fit: stop */
    bool truncated;  /* something was left out */
    bool nomem;      /* malloc failed (full is set as well) */
};

/* All return whether it was written; if not, nothing was and full is set. */
bool json_raw(struct json_out *o, const char *text, size_t n);
bool json_open(struct json_out *o, char bracket);  /* '[' or '{' */
void json_close(struct json_out *o, char bracket); /* ']' or '}': always fits */
/* A string from any str object (subclasses too: their own methods are not called). Lone surrogates
 * become the text \udXXX. @whole: all of it or nothing. */
bool json_str(struct json_out *o, PyObject *text, bool whole);
bool json_ascii(struct json_out *o,
                const char *text); /* a string of plain printable ASCII, whole */
/* Back to where len was @mark, leaving full and truncated as they are. */
void json_rollback(struct json_out *o, size_t mark);

#endif
