/* `vivarium serve --http`. */
#ifndef APP_SERVE_HTTP_H
#define APP_SERVE_HTTP_H

#include "conf/conf.h"

/* Serve until stopped; the exit status. */
int serve_http(const struct conf *conf);

#endif
