/* The server's side of the jail tests: keeper, launch message, control channel, and a thread that
 * answers seccomp notifications as the server does. */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#include "guest.h"
#include "wire/msg.h"

struct host {
    pid_t keeper;
    int launch_fd, control_fd, listener_fd;
    pid_t init;         /* as LAUNCHED said */
    char failure[1024]; /* LAUNCH_FAILED */
    char folder[64];    /* temporary, holds the extension */
    int life_fd;        /* reads end of file when keeper, zygote and workers have all ended; -1 */
};

/* First thing in main(). With the argument "user" and as root the tests run as an ordinary user,
 * without it as who we are. -1 = go on, else the exit status. */
int host_prepare(int argc, char **argv);

/* Start the keeper. As root it gets an unprivileged uid of its own. */
void host_start(struct host *h);
/* The same, with h->life_fd (the other end is everybody's stderr). */
void host_start_watched(struct host *h);
/* Wait until h->life_fd is at its end; false after ten seconds. */
bool host_all_ended(struct host *h);
/* Launch a zygote; false: h->failure says why. @edit may change the message. */
bool host_launch(struct host *h, enum isolation isolation, void (*edit)(struct msg_launch *));
/* Send a request and wait for its reply. false: the channel was closed. */
bool host_ask(struct host *h, enum guest_op op, uint32_t walls, uint64_t number, const char *text,
              struct guest_reply *ret);
/* host_start, host_launch, GUEST_ENTER (with its number); ends the test as skipped when this
 * machine forbids namespaces. */
void host_open(struct host *h, enum isolation isolation, bool without_report);
/* Launch has succeeded: enter the jail in the zygote. */
void host_enter(struct host *h, bool without_report);
/* Wait for MSG_GONE; its wait status. */
int host_wait_gone(struct host *h);
void host_end_zygote(struct host *h);
/* Close everything and wait until the keeper has ended. */
void host_stop(struct host *h);

/* Make user namespaces impossible for this process and all it starts. BY_LIMIT only as an ordinary
 * user. */
enum forbid { FORBID_BY_FILTER, FORBID_BY_LIMIT };
void host_forbid_namespaces(enum forbid how);

/* A machine without Landlock, for this process and all it starts. */
void host_forbid_landlock(void);
/* An outer sandbox that holds the only seccomp listener there can be. */
void host_hold_listener(void);

/* How many notifications of call @nr were answered so far. */
int host_notified(int nr);

#endif
