/* The names of artifacts as URIs: see artifacts.h. Runs in the server; URIs come from clients. */
#include <string.h>

#include "artifacts/internal.h"
#include "base/id.h"

#define SCHEME "sandbox://"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

int artifact_uri(struct buf *out, const char *execution_id, const char *name, struct err *err)
{
    int r = buf_addf(out, err, SCHEME "%s/", execution_id);
    for (const char *p = name; r == 0 && *p; p++)
        r = is_plain(*p) ? buf_add(out, p, 1, err)
                         : buf_addf(out, err, "%%%02X", (unsigned char)*p);
    return r;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode into @out of ARTIFACT_MAX_NAME + 1 bytes. A '/' may stand as itself. */
static bool decode_name(const char *text, char *out)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        int c = (unsigned char)*p;
        if (c == '%') {
            int high = hex(p[1]);
            int low = high < 0 ? -1 : hex(p[2]);
            if (low < 0 || (high | low) == 0)
                return false;
            c = high * 16 + low;
            p += 2;
        }
        if (n == ARTIFACT_MAX_NAME)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

bool uri_split(const char *uri, char id[UUID_TEXT_LEN + 1], char name[ARTIFACT_MAX_NAME + 1])
{
    size_t head = strlen(SCHEME);
    if (strncmp(uri, SCHEME, head) != 0 || strlen(uri) < head + UUID_TEXT_LEN + 1 ||
        uri[head + UUID_TEXT_LEN] != '/')
        return false;
    memcpy(id, uri + head, UUID_TEXT_LEN);
    id[UUID_TEXT_LEN] = '\0';
    return decode_name(uri + head + UUID_TEXT_LEN + 1, name);
}
