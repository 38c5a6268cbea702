/* The server's side of TLS: one context for all connections. Runs in the server, before it seals
 * itself: the files are read here and never again. The certificate and key are the operator's and
 * trusted. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "http/internal.h"

/* Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* A key with a passphrase must fail, not ask the terminal. */
static int no_passphrase(char *buf _unused_, int size _unused_, int rwflag _unused_,
                         void *ctx _unused_)
{
    return 0;
}

/* The only protocol there is; a client that offers others gets no answer to that, and goes on. */
static int choose_protocol(SSL *ssl _unused_, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *ctx _unused_)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL's own reasons are for its programmers. */
static const char *what_to_do(unsigned long code)
{
    if (ERR_SYSTEM_ERROR(code))
        return ERR_GET_REASON(code) == EACCES
                   ? "; let the user who starts the server read it (chown, chmod)"
                   : "";
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        return "; such a file holds text that begins with -----BEGIN; `openssl x509 -inform DER` "
               "or `openssl pkey -inform DER` turns a binary one into it";
    return "; `openssl x509 -in FILE -noout` and `openssl pkey -in FILE -noout` tell whether a "
           "file is good, and `openssl pkey -in FILE -out NEW` takes a passphrase off a key";
}

static int fail(struct err *err, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (ERR_SYSTEM_ERROR(code))
        why = strerror(ERR_GET_REASON(code));
    err_set(err, ERR_INVALID, "%s %s: %s%s", what, file, why ? why : "unknown reason",
            what_to_do(code));
    ERR_clear_error();
    return -1;
}

/* Whoever can read the key can be this server. */
static int check_private(const char *file, struct err *err)
{
    struct stat st;
    if (stat(file, &st) < 0 || !(st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
        return 0; /* what cannot be examined cannot be read either, which is said when it is */
    return err_set(err, ERR_INVALID,
                   "the TLS key in %s can be %s by other users of this machine, who could then "
                   "pass for the server: chmod 600 %s",
                   file, st.st_mode & S_IROTH ? "read" : "written", file);
}

static int load(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct err *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return fail(err, "cannot use the TLS certificate (PEM expected) in", cert_file);
    if (check_private(key_file, err) < 0)
        return -1;
    bool loaded = SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1;
    /* A key of another kind than the certificate's is accepted above, and put next to it. */
    if (loaded && SSL_CTX_check_private_key(ctx) == 1)
        return 0;
    unsigned long code = ERR_peek_error();
    if (!loaded &&
        (ERR_GET_LIB(code) != ERR_LIB_X509 || ERR_GET_REASON(code) != X509_R_KEY_VALUES_MISMATCH))
        return fail(err, "cannot use the TLS key (PEM without passphrase expected) in", key_file);
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "the TLS key in %s does not belong to the certificate in %s",
                   key_file, cert_file);
}

static int harden(SSL_CTX *ctx, struct err *err)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* an idle connection holds no record buffers */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Resumption works by tickets, which cost the server nothing. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) == 1)
        return 0;
    ERR_clear_error();
    return err_set(err, ERR_UNSUPPORTED, "this OpenSSL has no TLS 1.2 with forward secrecy");
}

struct ssl_ctx_st *http_tls_new(const char *cert_file, const char *key_file, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        ERR_clear_error();
        err_nomem(err);
        return NULL;
    }
    if (harden(ctx, err) < 0 || load(ctx, cert_file, key_file ? key_file : cert_file, err) < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

const char *http_tls_problem(struct ssl_ctx_st *tls)
{
    const X509 *x = tls ? SSL_CTX_get0_certificate(tls) : NULL;
    if (!x)
        return NULL;
    if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        return "the TLS certificate has expired: clients will refuse it until it is renewed and "
               "the server restarted";
    if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
        return "the TLS certificate is not valid yet: clients will refuse it; are this machine's "
               "clock and the certificate right?";
    return NULL;
}

void http_tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}
