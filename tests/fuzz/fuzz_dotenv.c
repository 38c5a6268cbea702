/* The .env reader: the file may have been put there by a stranger. What it yields, written in the
 * plainest notation, is read as the same. */
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/dotenv.h"
#include "fuzz.h"

static void check_entries(const struct dotenv *d)
{
    FUZZ_CHECK(d->len <= DOTENV_MAX_ENTRIES);
    for (size_t i = 0; i < d->len; i++) {
        const struct dotenv_entry *e = &d->items[i];
        FUZZ_CHECK(str_starts(e->name, "SANDBOX_") && strlen(e->name) <= DOTENV_MAX_NAME);
        FUZZ_CHECK(e->line > 0 && utf8_valid(e->value, strlen(e->value)));
        for (size_t j = 0; j < i; j++)
            FUZZ_CHECK(strcmp(e->name, d->items[j].name) != 0);
    }
}

/* NAME="value" with the escapes there are. */
static void write_entry(struct buf *out, const struct dotenv_entry *e)
{
    FUZZ_CHECK(buf_addf(out, NULL, "export %s = ", e->name) == 0);
    bool single = !strchr(e->value, '\'') && !strpbrk(e->value, "\n\r");
    FUZZ_CHECK(buf_add_str(out, single ? "'" : "\"", NULL) == 0);
    for (const char *p = e->value; *p; p++) {
        bool escape = !single && strchr("\\\"$\n\t", *p);
        char c = *p == '\n' && escape ? 'n' : *p == '\t' && escape ? 't' : *p;
        FUZZ_CHECK((!escape || buf_add_str(out, "\\", NULL) == 0) &&
                   buf_add(out, &c, 1, NULL) == 0);
    }
    FUZZ_CHECK(buf_add_str(out, single ? "' # same\n" : "\"\r\n", NULL) == 0);
}

static void check_round_trip(const struct dotenv *d)
{
    auto_buf struct buf text = BUF_INIT(0);
    auto_dotenv struct dotenv again = {0};
    size_t kept = 0;
    for (size_t i = 0; i < d->len; i++) {
        /* no notation has a backtick together with a single quote */
        if (strchr(d->items[i].value, '`') && strpbrk(d->items[i].value, "'\n\r"))
            continue;
        write_entry(&text, &d->items[i]);
        kept++;
    }
    if (text.len == 0 || text.len > DOTENV_MAX_BYTES)
        return;
    FUZZ_CHECK(dotenv_parse((const char *)text.data, text.len, &again, NULL) == 0);
    FUZZ_CHECK(again.len == kept && again.odd_lines == 0);
    for (size_t i = 0, k = 0; i < d->len; i++)
        if (k < kept && strcmp(d->items[i].name, again.items[k].name) == 0)
            FUZZ_CHECK(strcmp(d->items[i].value, again.items[k++].value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err err = ERR_INIT;
    auto_dotenv struct dotenv d = {0};
    if (dotenv_parse(n ? (const char *)data : "", n, &d, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID && err.text[0] && d.len == 0 && !d.items);
        FUZZ_CHECK(utf8_valid(err.text, strlen(err.text)) && !strchr(err.text, '\n'));
        return 0;
    }
    FUZZ_CHECK((d.odd_lines == 0) == (d.first_odd == 0));
    check_entries(&d);
    check_round_trip(&d);
    return 0;
}
