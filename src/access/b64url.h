/* base64url without padding (RFC 4648, section 5; RFC 7515, section 2). */
#ifndef ACCESS_B64URL_H
#define ACCESS_B64URL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Decode @n characters into @out, which has room for @cap bytes. The number of bytes, or -1 unless
 * the text is exactly what encoding some bytes gives: no padding, no blanks, no other character,
 * unused bits zero. */
ssize_t b64url_decode(const char *text, size_t n, uint8_t *out, size_t cap);

#define B64URL_LEN(bytes) (((bytes)*4 + 2) / 3)
/* Encode @n bytes into B64URL_LEN(n) characters and a NUL. */
void b64url_encode(const uint8_t *data, size_t n, char *out);

#endif
