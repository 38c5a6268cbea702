/* Identifiers: UUID version 7 (RFC 9562, section 5.7). */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdint.h>

#define UUID_TEXT_LEN 36

/* Write the text form of a UUIDv7 made of @unix_ms (milliseconds since 1970) and ten random bytes,
 * NUL-terminated, lower case. */
void uuid7_format(uint64_t unix_ms, const uint8_t random[10], char out[UUID_TEXT_LEN + 1]);

#endif
