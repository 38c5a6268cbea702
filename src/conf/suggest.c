/* Spelling suggestions: see suggest.h. Runs in the server at start and in the command line; the
 * word may be anything, so its length is bounded before anything is computed. */
#include "conf/suggest.h"

#include <string.h>

#include "base/macros.h"

#define MAX_WORD 64

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t d[3][MAX_WORD + 1];
    size_t *before = d[0], *last = d[1], *now = d[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = MIN(replaced, MIN(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = MIN(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *suggest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word);
    if (len == 0 || len > MAX_WORD)
        return NULL;
    size_t limit = len < 5 ? 1 : 2;
    const char *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        if (m > MAX_WORD || m + limit < len || len + limit < m)
            continue;
        size_t d = distance(word, len, candidates[i], m);
        if (d < limit || (d == limit && !best)) {
            limit = d;
            best = candidates[i];
            if (d == 0)
                break;
        }
    }
    return best;
}
