/* Inside the room: the database file behind the history. */
#ifndef RECORD_HISTORY_DB_H
#define RECORD_HISTORY_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

struct history_db {
    sqlite3 *db; /* NULL = closed */
    dev_t dev;   /* of the file that was opened */
    ino_t ino;
    int dir_fd; /* borrowed */
};

/* Open the database in @dir_fd for writing, making it if necessary. With @durable, what is written
 * survives the machine's end. */
int history_db_open(int dir_fd, bool durable, struct history_db *ret, struct err *err);
/* Open it for reading. *ret->db stays NULL when there is none. */
int history_db_open_readonly(int dir_fd, struct history_db *ret, struct err *err);
void history_db_close(struct history_db *d);

/* Is the file still the one of that name? Somebody may have removed it. */
bool history_db_current(const struct history_db *d);
/* It is damaged: close it and give it and its log other names, unless that has been done. */
void history_db_set_aside(struct history_db *d);

/* Set @err to what SQLite says about the last call; @what: "cannot write the history". Returns -1.
 */
int history_db_error(const struct history_db *d, const char *what, struct err *err);
/* Does the last call's failure mean that the file is damaged or none of ours? */
bool history_db_damaged(const struct history_db *d);

#endif
