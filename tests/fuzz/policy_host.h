/* An interpreter inside the fuzz target, and the questions that the policy's verdict on a syntax
 * tree is asked. For fuzz_policy.c and fuzz_ast.c; never linked into the product. */
#ifndef TESTS_FUZZ_POLICY_HOST_H
#define TESTS_FUZZ_POLICY_HOST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Starts the interpreter, with malloc() below it, so that the sanitizers see its memory. */
void host_start(void);

/* Judge @tree in several ways and compare: twice the same; sorted; complete; nothing kept in
 * memory; no name passes that leads out, by a second and much simpler judge; what passes narrow
 * rules passes wide ones; the verdict can travel to the server. @text of @n bytes is what was
 * parsed, NULL for a tree that has none. @choice picks profiles and lists of modules. */
void host_judge(PyObject *tree, const char *text, size_t n, unsigned choice);

/* Judge a name as getattr() and its like do while a program runs. What is refused is told in
 * well-formed text; and an identifier is judged as if it stood behind a dot. */
void host_judge_name(const char *name);

/* A name out of the policy's tables, or a plain one; any @i will do. */
const char *host_name(size_t i);

#endif
