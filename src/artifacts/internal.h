/* Inside the room. */
#ifndef ARTIFACTS_INTERNAL_H
#define ARTIFACTS_INTERNAL_H

#include <stdbool.h>

#include "artifacts/artifacts.h"
#include "base/id.h"

/* Take a URI apart; says nothing about whether there is such an artifact. */
bool uri_split(const char *uri, char id[UUID_TEXT_LEN + 1], char name[ARTIFACT_MAX_NAME + 1]);

#endif
