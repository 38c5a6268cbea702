/* Misspelt names: see closest.h. Runs in the worker on names that a program has chosen, so both
 * are bounded. */
#include "python/closest.h"

#include <ctype.h>
#include <string.h>

#include "base/macros.h"

#define MOVE 2
#define CASE 1

static size_t substitution(char a, char b)
{
    if (a == b)
        return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? CASE : MOVE;
}

/* Levenshtein's distance by rows. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[CLOSEST_MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j * MOVE;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i * MOVE;
        for (size_t j = 1; j <= nb; j++) {
            size_t changed = diagonal + substitution(a[i - 1], b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(changed, MIN(row[j], row[j - 1]) + MOVE);
        }
    }
    return row[nb];
}

void closest_init(struct closest *c, const char *wanted)
{
    *c = (struct closest){.wanted = wanted, .cost = (size_t)-1};
}

void closest_offer(struct closest *c, const char *name)
{
    size_t na = strnlen(c->wanted, CLOSEST_MAX + 1), nb = strnlen(name, CLOSEST_MAX + 1);
    if (na == 0 || nb == 0 || na > CLOSEST_MAX || nb > CLOSEST_MAX || strcmp(c->wanted, name) == 0)
        return;
    size_t cost = distance(c->wanted, na, name, nb);
    if (cost > (na + nb + 3) * MOVE / 6 || cost >= c->cost)
        return;
    c->cost = cost;
    memcpy(c->best, name, nb + 1);
}

const char *closest_best(const struct closest *c)
{
    return c->best[0] ? c->best : NULL;
}
