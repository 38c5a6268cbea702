/* Documentation made from the table of variables: .env.example and a section of the man page. Runs
 * in the command line. */
#include "conf/conf.h"

#include <string.h>

#define WIDTH 98

/* Append @text as comment lines of at most WIDTH columns, broken at blanks. */
static int comment(struct buf *out, const char *text, struct err *err)
{
    while (*text) {
        size_t n = strlen(text);
        if (n > WIDTH - 2) {
            n = WIDTH - 2;
            while (n > 0 && text[n] != ' ')
                n--;
        }
        if (n == 0)
            n = strlen(text);
        if (buf_addf(out, err, "# %.*s\n", (int)n, text) < 0)
            return -1;
        text += n;
        text += strspn(text, " ");
    }
    return 0;
}

int conf_example(struct buf *out, struct err *err)
{
    static const char head[] =
        "# Configuration of Vivarium. Copy to .env and edit; what is commented out has its "
        "default.\n"
        "#\n"
        "# Order: built-in default < .env (or --env-file) < environment < command-line flag.\n"
        "# Variables marked [not from .env] name a program, a path, a token, what may be imported\n"
        "# or who may call. A client may start the server in any folder, so in a .env that merely\n"
        "# lies there they are ignored: put them into the environment, a flag or a file named\n"
        "# with --env-file.\n"
        "#\n"
        "# Format: NAME=value. Values with quotes, backslashes, $ or ` need 'single quotes'. "
        "Nothing\n"
        "# is expanded. An empty value counts as not set.\n";
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    if (buf_add_str(out, head, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (buf_add_str(out, "\n", err) < 0 || comment(out, docs[i].meaning, err) < 0)
            return -1;
        if (docs[i].guarded && buf_add_str(out, "# [not from .env]\n", err) < 0)
            return -1;
        if (buf_addf(out, err, "# Allowed: %s. Default: %s.\n", docs[i].allowed,
                     *docs[i].default_text ? docs[i].default_text : "none") < 0 ||
            buf_addf(out, err, "#%s=%s\n", docs[i].name, docs[i].example) < 0)
            return -1;
    }
    return 0;
}

/* Text for roff: a minus is not a hyphen, a backslash is written \\e, a dot must not begin a line.
 */
static int roff(struct buf *out, const char *text, struct err *err)
{
    if (*text == '.' && buf_add_str(out, "\\&", err) < 0)
        return -1;
    for (; *text; text++) {
        const char *special = *text == '-' ? "\\-" : *text == '\\' ? "\\e" : NULL;
        if ((special ? buf_add_str(out, special, err) : buf_add(out, text, 1, err)) < 0)
            return -1;
    }
    return 0;
}

int conf_manual(struct buf *out, struct err *err)
{
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    for (size_t i = 0; i < n; i++) {
        const char *fallback = *docs[i].default_text ? docs[i].default_text : "none";
        if (buf_addf(out, err, ".TP\n.B %s\n", docs[i].name) < 0 ||
            roff(out, docs[i].meaning, err) < 0 || buf_add_str(out, "\nAllowed: ", err) < 0 ||
            roff(out, docs[i].allowed, err) < 0 || buf_add_str(out, ". Default: ", err) < 0 ||
            roff(out, fallback, err) < 0 || buf_add_str(out, ".\n", err) < 0)
            return -1;
        if (docs[i].guarded &&
            buf_add_str(out, "Not taken from a .env that merely lies there.\n", err) < 0)
            return -1;
    }
    return 0;
}
