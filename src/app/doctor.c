/* `vivarium doctor`: each wall: present, proven, or what is missing and how to get it. Runs in the
 * command line. First a look at the machine, then the real start with its self-test. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/checks.h"
#include "app/commands.h"
#include "app/log.h"
#include "app/settle.h"
#include "app/show.h"
#include "record/history.h"

struct doctor {
    const struct conf *conf;
    unsigned missing;
};

static void print_state(enum finding_state state)
{
    static const char *const words[] = {"ok  ", "note", "FAIL"};
    static const enum tint tints[] = {TINT_GOOD, TINT_WARN, TINT_BAD};
    fputs("  ", stdout);
    show_tinted(stdout, tints[state], "%s", words[state]);
    fputs("  ", stdout);
}

static void print_finding(struct doctor *d, enum finding_state state, const char *what,
                          const char *detail, const char *remedy)
{
    print_state(state);
    printf("%s%s", what, str_empty(detail) ? "\n" : ": ");
    if (!str_empty(detail))
        show_line(stdout, TINT_PLAIN, detail);
    if (!str_empty(remedy)) {
        fputs("        -> ", stdout);
        show_line(stdout, TINT_PLAIN, remedy);
    }
    d->missing += state == FINDING_MISSING;
}

static void title(const char *text)
{
    show_tinted(stdout, TINT_BOLD, "%s", text);
    putchar('\n');
}

static void examine_machine(struct doctor *d)
{
    struct identities ids;
    struct err err = ERR_INIT;
    struct finding f;
    title("This machine");
    check_kernel(&f);
    print_finding(d, f.state, f.what, f.detail, f.remedy);
    if (identities_choose(&ids, &err) < 0) {
        print_finding(d, FINDING_MISSING, "users", err.text, NULL);
    } else {
        char text[200];
        if (ids.change)
            snprintf(text, sizeof(text),
                     "started as root: the server becomes uid %u, programs run as uid %u",
                     (unsigned)ids.server.uid, (unsigned)ids.worker.uid);
        else
            snprintf(text, sizeof(text), "started as uid %u, which server and programs share",
                     (unsigned)ids.server.uid);
        print_finding(d, FINDING_OK, "users", text, NULL);
        check_user_namespaces(&ids, &f);
        print_finding(d, f.state, f.what, f.detail, f.remedy);
    }
    void (*const checks[])(struct finding *) = {check_seccomp, check_landlock};
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        checks[i](&f);
        print_finding(d, f.state, f.what, f.detail, f.remedy);
    }
}

/* Whether its folder can be used has been seen; the database itself is the server's to open. */
static void print_history(struct doctor *d)
{
    const struct conf *c = d->conf;
    char text[300];
    if (c->history == HISTORY_OFF) {
        print_finding(d, FINDING_NOTE, "history",
                      c->audit == AUDIT_OFF ? "switched off (SANDBOX_AUDIT_LOG=off)"
                                            : "switched off (SANDBOX_HISTORY=off)",
                      NULL);
        return;
    }
    snprintf(text, sizeof(text), "%s, in %.200s/%s", c->history == HISTORY_CODE ? "code" : "on",
             c->state_dir, HISTORY_NAME);
    print_finding(d, FINDING_OK, "history", text, NULL);
}

static void examine_record(struct doctor *d)
{
    static const char *const modes[] = {"off", "on", "required"};
    const struct conf *c = d->conf;
    char text[300];
    if (c->audit == AUDIT_OFF) {
        print_finding(d, FINDING_NOTE, "audit log", "switched off (SANDBOX_AUDIT_LOG=off)", NULL);
        print_history(d);
        return;
    }
    struct identities ids;
    struct record *r = NULL;
    struct err err = ERR_INIT;
    struct err problem = ERR_INIT;
    if (identities_choose(&ids, &err) < 0)
        return;
    struct record_options options = {
        .audit = c->audit,
        .state_dir = c->state_dir,
        .owner_uid = ids.change ? ids.server.uid : RECORD_SAME_OWNER,
        .owner_gid = ids.change ? ids.server.gid : (gid_t)-1,
    };
    if (record_open(&options, &r, &problem, &err) < 0)
        problem = err;
    if (problem.code) {
        print_finding(d, c->audit == AUDIT_REQUIRED ? FINDING_MISSING : FINDING_NOTE, "audit log",
                      problem.text, "Set SANDBOX_STATE_DIR to a folder that belongs to you.");
    } else {
        snprintf(text, sizeof(text), "%s, in %.200s/audit.jsonl", modes[c->audit], c->state_dir);
        print_finding(d, FINDING_OK, "audit log", text, NULL);
        print_history(d);
    }
    record_free(r);
}

static void print_proof(struct doctor *d, const struct msg_proof *proof)
{
    static const enum finding_state states[] = {
        [PROOF_HELD] = FINDING_OK, [PROOF_BROKEN] = FINDING_MISSING, [PROOF_ABSENT] = FINDING_NOTE};
    title("Walls, each tried from inside a worker");
    for (size_t i = 0; i < proof->len; i++) {
        const struct msg_proof_item *item = &proof->items[i];
        char what[300];
        snprintf(what, sizeof(what), "%-12s %s", item->layer, item->name);
        bool known = item->state < ARRAY_LEN(states);
        print_finding(d, known ? states[item->state] : FINDING_MISSING, what, item->detail, NULL);
    }
}

/* Started from a shell or by a client there is seldom one, and the limits of each program hold
 * without: so its absence is no more than a note. */
static void print_cgroup(struct doctor *d, const struct engine_info *info)
{
    if (info->cgroup)
        print_finding(d, FINDING_OK, "cgroup", info->cgroup, NULL);
    else
        print_finding(
            d, FINDING_NOTE, "cgroup", info->no_cgroup,
            "Optional: bounds memory and tasks of all programs together. Start the server "
            "in a unit of its own with the subtree delegated, e.g. systemd-run --user "
            "--scope -p Delegate=yes vivarium serve");
}

static int look(void *ctx, struct runtime *r, const struct engine_info *info)
{
    struct doctor *d = ctx;
    const struct msg_hello *hello = info->hello;
    print_finding(d, FINDING_OK, "vivarium-zygote", r->places.zygote, NULL);
    print_finding(d, FINDING_OK, "extension module", r->places.extension_dir, NULL);
    if (hello) {
        char text[400];
        snprintf(text, sizeof(text), "%s, %s", d->conf->python, hello->python_version);
        print_finding(d, FINDING_OK, "Python", text, NULL);
        bool landlock = hello->isolation == ISOLATION_LANDLOCK;
        snprintf(text, sizeof(text), "%s%s%.300s", landlock ? "Landlock alone" : "namespaces",
                 str_empty(hello->isolation_note) ? "" : ": ", hello->isolation_note);
        print_finding(d, landlock ? FINDING_NOTE : FINDING_OK, "isolation", text, NULL);
    }
    print_finding(d, r->confined ? FINDING_OK : FINDING_NOTE, "server",
                  r->confined ? "without capabilities, and confined by Landlock itself"
                              : "without capabilities; no Landlock to confine it further",
                  NULL);
    print_cgroup(d, info);
    if (info->proof_items)
        print_proof(d, info->proof_items);
    if (info->failure)
        print_finding(d, FINDING_MISSING, "programs cannot be run", info->failure, NULL);
    else if (info->proof != PROOF_PASSED)
        print_finding(d, FINDING_MISSING, "self-test", "it did not come to an end", NULL);
    return EXIT_OK;
}

int command_doctor(const struct cli_command *command _unused_, struct cli *cli)
{
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    struct doctor d = {.conf = conf};
    struct err err = ERR_INIT;
    log_silence(); /* the findings say it all */
    examine_machine(&d);
    title("This installation");
    examine_record(&d);
    fflush(stdout);
    int status = settle(conf, look, &d, &err);
    if (err.code)
        print_finding(&d, FINDING_MISSING, "start", err.text, NULL);
    if (status == EXIT_OK || status == EXIT_REFUSED) {
        status = d.missing ? EXIT_FAILED : EXIT_OK;
        putchar('\n');
        show_tinted(stdout, d.missing ? TINT_BAD : TINT_GOOD,
                    d.missing ? "Vivarium will not serve here." : "Everything needed is there.");
        putchar('\n');
    }
    conf_free(conf);
    return status;
}
