/* main() of vivarium-zygote: the keeper. The server starts it with the launch channel as descriptor
 * 3 and, when the server was root, as the worker uid. Nobody else has a use for it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "sys/task.h"

static int usage(FILE *to)
{
    fprintf(to, "vivarium-zygote is started by vivarium; it is of no use by itself.\n"
                "See vivarium --help.\n");
    return to == stdout ? 0 : 2;
}

static bool is_launch_channel(int fd)
{
    int type;
    socklen_t n = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return printf("vivarium-zygote %s\n", VIVARIUM_VERSION) < 0;
    if (argc > 1)
        return usage(strcmp(argv[1], "--help") == 0 ? stdout : stderr);
    if (!is_launch_channel(KEEPER_FD))
        return usage(stderr);
    struct err err = ERR_INIT;
    if (geteuid() == 0 || getuid() == 0) {
        /* The jail below would be made by root: a way out of it would lead to root. */
        fprintf(stderr, "vivarium-zygote: refusing to run as root\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (fcntl(KEEPER_FD, F_SETFD, FD_CLOEXEC) < 0 || task_no_new_privs(&err) < 0 ||
        task_die_with_parent(SIGKILL, &err) < 0 || keeper_run(KEEPER_FD, &err) < 0) {
        fprintf(stderr, "vivarium-zygote: %s\n", err.code ? err.text : strerror(errno));
        return 1;
    }
    return 0;
}
