/* Feeds a fuzz target the inputs it is given, as TAP: replay_NAME FILE-OR-FOLDER... All of them in
 * one child, so that a crash is reported together with the input that caused it. Trusts nothing. */
#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define PATH_MAX_BYTES 4096
#define INPUT_MAX      (1u << 20)

/* Shared with the child: what it is at. */
static struct progress {
    unsigned done;
    char path[PATH_MAX_BYTES];
} * progress;

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void feed_file(const char *path)
{
    snprintf(progress->path, sizeof(progress->path), "%s", path);
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    FUZZ_CHECK(f && data);
    size_t n = fread(data, 1, INPUT_MAX, f);
    FUZZ_CHECK(!ferror(f));
    fclose(f);
    /* exactly as large as the input, so that a read past its end is seen */
    uint8_t *exact = malloc(n ? n : 1);
    FUZZ_CHECK(exact);
    memcpy(exact, data, n);
    free(data);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    progress->done++;
}

static void feed(const char *path)
{
    struct stat st;
    FUZZ_CHECK(stat(path, &st) == 0);
    if (!S_ISDIR(st.st_mode)) {
        feed_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    FUZZ_CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        char inner[PATH_MAX_BYTES];
        int len = snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && len < (int)sizeof(inner))
            feed(inner);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return 2;
    printf("TAP version 13\n1..1\n");
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return 2;
    if (pid == 0) {
        LLVMFuzzerInitialize(&argc, &argv);
        for (int i = 1; i < argc; i++)
            feed(argv[i]);
        progress->path[0] = '\0';
        exit(0); /* LeakSanitizer reports at exit */
    }
    int status = 0;
    waitpid(pid, &status, 0);
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && progress->done > 0;
    if (WIFSIGNALED(status))
        printf("# signal %d\n", WTERMSIG(status));
    if (progress->path[0])
        printf("# at %s\n", progress->path);
    printf("# %u inputs\n%sok 1 - every input of the corpus is digested\n", progress->done,
           ok ? "" : "not ");
    return !ok;
}
