/* Values of configuration: NAME=VALUE lines, as the environment or as a file that was named. Either
 * all of them are accepted, and then every number is within its bounds, or one error says which is
 * not. An input that begins with '!' is read as a file. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "catalog/profiles.h"
#include "conf/conf.h"
#include "fuzz.h"

#define MAX_BYTES 8192
#define MAX_PAIRS 64

static void check_conf(const struct conf *c)
{
    FUZZ_CHECK(c->timeout_ns >= 1000000 && c->timeout_ns <= c->max_timeout_ns);
    FUZZ_CHECK(c->memory_bytes >= 1 << 20 && c->memory_bytes <= c->max_memory_bytes);
    FUZZ_CHECK(c->max_output_bytes >= 1 && c->max_output_bytes <= 64u << 20);
    FUZZ_CHECK(c->max_code_bytes >= 1 && c->max_code_bytes <= 2u << 20);
    FUZZ_CHECK(c->profiles & PROFILE_BASIC && c->modules.len > 0 && c->modules.len <= 500);
    FUZZ_CHECK(c->max_concurrency >= 1 && c->pool_size >= 1 && c->port <= 65535);
    FUZZ_CHECK(c->host && c->container_image && c->container_runtime);
    FUZZ_CHECK(c->python && c->python[0] == '/');
    FUZZ_CHECK(!c->state_dir || c->state_dir[0] == '/');
    FUZZ_CHECK(!c->api_token || strlen(c->api_token) >= 32);
    for (size_t i = 0; i < c->python_path.len; i++)
        FUZZ_CHECK(c->python_path.items[i][0] == '/');
    for (size_t i = 0; i < c->warnings.len; i++)
        FUZZ_CHECK(c->warnings.items[i][0]);
}

static void load(const struct conf_input *in)
{
    struct conf *c = NULL;
    struct err err = ERR_INIT;
    if (conf_load(in, &c, &err) < 0) {
        FUZZ_CHECK(!c && err.code == ERR_INVALID && err.text[0]);
        FUZZ_CHECK(utf8_valid(err.text, strlen(err.text)) && !strchr(err.text, '\n'));
        return;
    }
    FUZZ_CHECK(c && err.code == ERR_NONE);
    check_conf(c);
    conf_free(c);
}

static void load_environment(char *text)
{
    char *pairs[MAX_PAIRS + 2];
    size_t n = 0;
    char home[] = "HOME=/nonexistent";
    pairs[n++] = home;
    for (char *line = strtok(text, "\n"); line && n <= MAX_PAIRS; line = strtok(NULL, "\n"))
        pairs[n++] = line;
    pairs[n] = NULL;
    load(&(struct conf_input){.environ = pairs});
}

static void load_file(const char *text, size_t n)
{
    int fd = memfd_create("env", 0);
    char path[64];
    FUZZ_CHECK(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    char home[] = "HOME=/nonexistent";
    char *pairs[] = {home, NULL};
    load(&(struct conf_input){.env_file = path, .environ = pairs});
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char text[MAX_BYTES + 1];
    if (n > MAX_BYTES)
        return 0;
    memcpy(text, n ? data : (const uint8_t *)"", n);
    text[n] = '\0';
    if (text[0] == '!')
        load_file(text + 1, n - 1);
    else
        load_environment(text);
    return 0;
}

#ifdef FUZZ_MUTATES
/* A line for some variable, or libFuzzer's own idea. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned int seed)
{
    size_t vars;
    const struct conf_doc *docs = conf_docs(&vars);
    if (seed % 4)
        return LLVMFuzzerMutate(data, n, max);
    char line[400];
    const struct conf_doc *doc = &docs[(seed / 4) % vars];
    const char *value = (seed / 4 / vars) % 2 ? doc->example : doc->default_text;
    int len = snprintf(line, sizeof(line), "%s%s=%s\n", n && data[n - 1] != '\n' ? "\n" : "",
                       doc->name, value ? value : "1");
    if (len <= 0 || len >= (int)sizeof(line) || n + (size_t)len > max)
        return LLVMFuzzerMutate(data, n, max);
    memcpy(data + n, line, (size_t)len);
    return n + (size_t)len;
}
#endif
