/* Results for people, on a terminal or in a pipe. */
#ifndef APP_SHOW_H
#define APP_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/engine.h"

/* What a colour is used for; nothing is coloured where it is not wanted. */
enum tint { TINT_PLAIN, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_FAINT, TINT_BOLD };
void show_tinted(FILE *f, enum tint tint, const char *fmt, ...) _printf_(3, 4);

/* Text that a program wrote. On a terminal, control characters other than newline and tab are shown
 * as \xNN, so that a program cannot drive the terminal; into a pipe or file it goes as it is. */
void show_program_text(FILE *f, const char *text, size_t n);

/* The same for a single line of ours that quotes a program: newlines too are made harmless. */
void show_line(FILE *f, enum tint tint, const char *text);

/* A part of such a line, without its end. */
void show_text(FILE *f, enum tint tint, const char *text, size_t n);

/* After a run: result or error, traceback, what was stopped and what would permit it. */
void show_outcome(FILE *f, const struct exec_result *r);
/* Violations with their remedies. */
void show_violations(FILE *f, const struct violation *items, size_t n);

#endif
