/* SHA-256 (FIPS 180-4), for fingerprints of programs in the record: nothing secret passes here. */
#ifndef RECORD_SHA256_H
#define RECORD_SHA256_H

#include <stddef.h>

#define SHA256_TEXT_LEN 64

/* The digest of @n bytes in lower-case hexadecimal, NUL-terminated. */
void sha256_hex(const void *data, size_t n, char out[SHA256_TEXT_LEN + 1]);

#endif
