/* What get_sandbox_info keeps between calls. Owned by the set of tools. */
#ifndef TOOLS_SANDBOX_INFO_H
#define TOOLS_SANDBOX_INFO_H

#include "base/err.h"

struct info_cache;
struct info_cache *info_cache_new(struct err *err);
void info_cache_free(struct info_cache *cache); /* NULL is fine */

#endif
