/* Base64 with padding (RFC 4648, section 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)
/* Encode @n bytes into BASE64_LEN(n) characters and a NUL. */
void base64_encode(const void *data, size_t n, char *out);

/* Decode @n characters into @out, which has room for @cap bytes. The number of bytes, or -1 unless
 * the text is exactly what encoding some bytes gives (no blanks, unused bits zero) and fits. */
ssize_t base64_decode(const char *text, size_t n, uint8_t *out, size_t cap);

#endif
