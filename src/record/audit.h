/* Inside the room: the append-only file behind the audit log. */
#ifndef RECORD_AUDIT_H
#define RECORD_AUDIT_H

#include "record/record.h"

struct audit;

/* @dir_fd is borrowed and must outlive the log. With @reserve, disk space is kept ahead. */
int audit_new(int dir_fd, bool reserve, uid_t owner_uid, gid_t owner_gid, struct audit **ret,
              struct err *err);
void audit_free(struct audit *a);

/* Append whole lines. What cannot be written stays pending (up to RECORD_MAX_PENDING, then it is
 * lost) and goes first next time. */
int audit_append(struct audit *a, const void *lines, size_t n, struct err *err);
/* Is nothing pending and, when reserving, is there room for what comes? Tries to make it so. */
int audit_ready(struct audit *a, struct err *err);
int audit_sync(struct audit *a, struct err *err);

/* The state folder, made if necessary (0700). Its owner must be us or, for root, @owner_uid, to
 * whom it is given if nothing but a record is in it. *ret_fd is the caller's. */
int state_dir_open(const char *path, uid_t owner_uid, gid_t owner_gid, int *ret_fd,
                   struct err *err);

#endif
