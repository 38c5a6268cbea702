/* Prints docs/POLICY.md from the tables of the policy, so that the page cannot say anything else
 * than what is enforced. `meson test policy_doc` compares, `scripts/gen-policy-doc` writes. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "python/policy_rules.h"
#include "wire/msg.h"

static const char intro[] =
    "# The language policy\n"
    "\n"
    "Before a program runs, its syntax tree is judged. Everything that people and models write in "
    "good\n"
    "faith passes: classes, dataclasses, inheritance, decorators, generators, comprehensions, "
    "`with`,\n"
    "`try`, `match`, `async`, closures, annotations, private names, special methods. What is "
    "refused\n"
    "leads out of the language: other modules, and the attributes by which Python shows its own "
    "code,\n"
    "frames and globals. A refusal names the line, the rule and what to do instead; all of them "
    "are\n"
    "reported at once.\n"
    "\n"
    "The policy is not the wall that holds an attacker (SECURITY.md says which ones do). It is the "
    "one\n"
    "that explains itself.\n"
    "\n"
    "This page is printed from the tables in `src/python/policy_rules.c`.\n";

static const char names_intro[] = "\n## Names\n"
                                  "\n"
                                  "Names are judged wherever they can stand: attributes, plain "
                                  "names, arguments, definitions, import\n"
                                  "aliases, `global` and `nonlocal`, `except … as`, captures and "
                                  "keywords of patterns, keywords of\n"
                                  "calls, type parameters; and as Python reads them, that is after "
                                  "Unicode NFKC normalisation. Text\n"
                                  "in strings and comments is never judged.\n"
                                  "\n"
                                  "Special names (`__name__`: two underscores at both ends) are "
                                  "judged by an allow list. All other\n"
                                  "names are free, but for the two short lists at the end. "
                                  "`self._x`, `self.__x`, `_asdict()` and the\n"
                                  "like are ordinary names.\n";

static const char closing[] =
    "\n## Imports\n"
    "\n"
    "`import` may name the modules that the server permits (get_sandbox_info lists them), narrowed "
    "by\n"
    "the `allowed_imports` of the call. A permitted module permits its submodules; a listed "
    "submodule\n"
    "(`xml.etree.ElementTree`) can be reached through its parents, which show nothing else. "
    "Relative\n"
    "imports, and dotted names with a special part (`json.__init__`), are refused. `from "
    "__future__\n"
    "import …` is always permitted.\n"
    "\n"
    "A permitted module is handed out without the other modules that it uses itself, without names "
    "that\n"
    "begin with an underscore, and without what leads out of the language (`logging.FileHandler`,\n"
    "`io.open`, `types.FunctionType`). `from m import name` of such a name is refused like a "
    "module;\n"
    "`m.name` ends in an AttributeError that says so.\n"
    "\n"
    "## Class patterns\n"
    "\n"
    "`case C(name=x)` reads the attribute `name`, so the keyword is judged like an attribute. "
    "`case\n"
    "C(x)` reads the attribute that `C.__match_args__` names; it is permitted for builtin types,\n"
    "imported classes, dataclasses, NamedTuples, and classes with a literal `__match_args__` or "
    "derived\n"
    "from one of these. Decorators of such a class are the usual ones of the library, or functions "
    "of\n"
    "the program that give back the class they are given. In a program whose own metaclass could "
    "invent\n"
    "a `__match_args__` (it has `__getattr__`, `__setattr__` or `__prepare__`), builtin types "
    "only.\n"
    "\n"
    "## While a program runs\n"
    "\n"
    "What the text does not show is judged when it happens, and reported with a layer and a rule "
    "of its\n"
    "own (`security_events`):\n"
    "\n"
    "| layer | rule | what |\n"
    "|---|---|---|\n"
    "| `guard` | `attribute` | a name from the lists above, computed: in getattr() and its like, "
    "str.format(), string.Formatter, operator.attrgetter and methodcaller, the namespace of type() "
    "|\n"
    "| `guard` | `reflection` | a guarded attribute read or set by any other road: code, frames, "
    "globals and the class graph answer to the functions of the library that need them, and to "
    "nobody else |\n"
    "| `guard` | `facade` | a name that a permitted module does not show |\n"
    "| `guard` | `builtin` | a refused builtin function, called by another name |\n"
    "| `guard` | `import` | a module that is not permitted |\n"
    "| `guard` | `descriptor` | file descriptors, pipes and subprocesses by way of an event loop "
    "|\n"
    "| `audit` | the name of CPython's own audit event | files, sockets, processes, threads beyond "
    "the limit, and text that a library compiles, which is judged like a program |\n";

/* Prose of the tables: a word with two underscores is code, or Markdown would make it bold. */
static void print_prose(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        size_t end = n; /* of the word without its punctuation */
        while (end > 0 && strchr(".,;:", text[end - 1]))
            end--;
        bool code = memmem(text, end, "__", 2) && !memchr(text, '`', end);
        printf(code ? "`%.*s`%.*s" : "%.*s%.*s", (int)end, text, (int)(n - end), text + end);
        text += n;
        for (; *text == ' '; text++)
            putchar(' ');
    }
}

static void print_rules(void)
{
    printf("\n## Rules\n\n| rule | refuses | refused | passes |\n|---|---|---|---|\n");
    for (size_t i = 0; i < RULES; i++) {
        const struct rule_row *row = &rule_rows[i];
        const char *cells[] = {row->example, row->instead};
        printf("| `%s` | ", row->id);
        print_prose(row->text);
        fputs(" |", stdout);
        for (size_t k = 0; k < ARRAY_LEN(cells); k++) {
            printf(cells[k] ? " `" : " ");
            for (const char *p = cells[k] ? cells[k] : ""; *p; p++)
                fputs(*p == '\n' ? "` <br> `" : (char[]){*p, '\0'}, stdout);
            printf(cells[k] ? "` |" : "|");
        }
        putchar('\n');
    }
}

/* Sections in which all rows are alike are a paragraph, others a table. */
static void print_plain(const struct name_section *s)
{
    size_t column = 0;
    for (size_t i = 0; i < s->len; i++) {
        size_t width = strlen(s->rows[i].name) + 3;
        if (column > 0 && column + width > 100) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s`%s`", column ? " " : "", s->rows[i].name);
    }
    putchar('\n');
}

static const char *mark(const struct name_row *row, enum name_use use)
{
    return row->uses & use ? "yes" : "";
}

static void print_uses(const struct name_section *s)
{
    printf("| name | `obj.name` | `obj.name = …` | `name` | defined | otherwise |\n"
           "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < s->len; i++) {
        const struct name_row *row = &s->rows[i];
        printf("| `%s` | %s | %s | %s | %s | ", row->name, mark(row, USE_GET), mark(row, USE_SET),
               mark(row, USE_READ), mark(row, USE_DEFINE));
        print_prose(row->remedy ? row->remedy : "");
        puts(" |");
    }
}

static void print_remedies(const struct name_section *s)
{
    printf("| name | instead |\n|---|---|\n");
    for (size_t i = 0; i < s->len; i++) {
        printf("| `%s` | ", s->rows[i].name);
        print_prose(s->rows[i].remedy ? s->rows[i].remedy : s->remedy);
        puts(" |");
    }
}

static void print_section(const struct name_section *s)
{
    unsigned any = 0;
    bool alike = true;
    bool remedies = false;
    for (size_t i = 0; i < s->len; i++) {
        any |= s->rows[i].uses;
        alike = alike && s->rows[i].uses == s->rows[0].uses;
        remedies = remedies || s->rows[i].remedy;
    }
    printf("\n### %s\n\n%s\n\n", s->title, s->text);
    if (alike && (any || s->kind == NAME_REFLECTIVE))
        print_plain(s);
    else if (any)
        print_uses(s);
    else if (remedies)
        print_remedies(s);
}

int main(void)
{
    fputs(intro, stdout);
    print_rules();
    fputs(names_intro, stdout);
    for (size_t i = 0; i < name_sections_len; i++)
        print_section(&name_sections[i]);
    fputs(closing, stdout);
    printf("\n## Size\n\nA program of more than %d syntax nodes, or nested deeper than %d, is "
           "refused as "
           "too complex.\nThe first %d violations are reported.\n",
           POLICY_MAX_NODES, POLICY_MAX_DEPTH, MSG_MAX_VIOLATIONS);
    return 0;
}
