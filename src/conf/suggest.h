/* "Did you mean …?": the nearest of a list of words, for misspelt variables, flags and commands. */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

/* The candidate nearest to @word, or NULL when none is near enough to be what was meant. At most
 * two edits (one for short words); a swap of neighbours counts as one. Borrowed from @candidates.
 */
const char *suggest(const char *word, const char *const *candidates, size_t n);

#endif
