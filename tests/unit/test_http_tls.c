/* The HTTP server behind TLS: the same promises, and files that are no good. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>

#include "http_rig.h"

static char cert_file[64], key_file[64], other_key_file[64], locked_key_file[64], rsa_key_file[64];

static FILE *make_file(char path[64])
{
    snprintf(path, 64, "/tmp/test_http_tls_XXXXXX");
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    return fdopen(fd, "w");
}

static EVP_PKEY *write_this(EVP_PKEY *key, char path[64], const EVP_CIPHER *cipher)
{
    FILE *f = make_file(path);
    REQUIRE(key && PEM_write_PrivateKey(f, key, cipher, (const unsigned char *)"secret",
                                        cipher ? 6 : 0, NULL, NULL));
    fclose(f);
    return key;
}

static EVP_PKEY *write_key(char path[64], const EVP_CIPHER *cipher)
{
    return write_this(EVP_EC_gen("P-256"), path, cipher);
}

/* Every test runs in a child of its own, so each makes its own files. */
static void make_files(void)
{
    EVP_PKEY_free(write_key(other_key_file, NULL));
    EVP_PKEY_free(write_key(locked_key_file, EVP_aes_128_cbc()));
    EVP_PKEY *key = write_key(key_file, NULL);
    X509 *x = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    REQUIRE(X509_sign(x, key, EVP_sha256()));
    FILE *f = make_file(cert_file);
    REQUIRE(PEM_write_X509(f, x));
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void remove_files(void)
{
    unlink(cert_file);
    unlink(key_file);
    unlink(other_key_file);
    unlink(locked_key_file);
}

static void serve_tls(struct http_limits limits)
{
    make_files();
    serve_with(&(struct http_options){.address = "127.0.0.1",
                                      .tls_cert_file = cert_file,
                                      .tls_key_file = key_file,
                                      .limits = limits});
    remove_files(); /* never read again */
    CHECK(strncmp(http_server_urls(t.s), "https://127.0.0.1:", 18) == 0);
}

static SSL_CTX *client_ctx;

/* A TLS client; NULL when the handshake fails. */
static SSL *tls_client(int max_version)
{
    int fd = client(), r;
    if (!client_ctx)
        client_ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_security_level(ssl, 0);
    SSL_set_min_proto_version(ssl, TLS1_VERSION);
    SSL_set_max_proto_version(ssl, max_version);
    SSL_set_fd(ssl, fd);
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while ((r = SSL_connect(ssl)) != 1 && clock_mono_ns() < end) {
        int why = SSL_get_error(ssl, r);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            break;
        turn();
    }
    ERR_clear_error();
    if (r == 1)
        return ssl;
    close(fd);
    SSL_free(ssl);
    return NULL;
}

static void tls_close(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void tls_say(SSL *ssl, const char *data, size_t n)
{
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    for (size_t done = 0; done < n && clock_mono_ns() < end;) {
        int r = SSL_write(ssl, data + done, (int)MIN(n - done, (size_t)16000));
        if (r > 0)
            done += (size_t)r;
        else
            turn();
    }
}

/* Until @wanted is in it; NULL: until the end. Owned. */
static char *tls_hear(SSL *ssl, const char *wanted)
{
    struct buf b = BUF_INIT(0);
    static char piece[32768];
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (clock_mono_ns() < end) {
        int n = SSL_read(ssl, piece, sizeof(piece));
        int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, n);
        if (n > 0)
            REQUIRE(buf_add(&b, piece, (size_t)n, NULL) == 0);
        else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            break;
        else
            turn();
        if (wanted && b.len && memmem(b.data, b.len, wanted, strlen(wanted)))
            break;
    }
    ERR_clear_error();
    REQUIRE(buf_add(&b, "", 1, NULL) == 0);
    return (char *)b.data;
}

static void tls_ask(SSL *ssl, const char *request, const char *wanted)
{
    tls_say(ssl, request, strlen(request));
    char *got = tls_hear(ssl, wanted);
    CHECK(strstr(got, wanted));
    free(got);
}

TEST(requests_are_answered_over_tls_and_the_connection_kept)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_3_VERSION);
    REQUIRE(ssl);
    for (int i = 0; i < 3; i++)
        tls_ask(ssl, GET("/hello"), "\r\n\r\nhi");
    tls_ask(ssl,
            "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "\r\n\r\nabc");
    CHECK(t.requests == 4 && stats().connections == 1);
    tls_close(ssl);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(tls_1_2_is_the_oldest_spoken)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_2_VERSION);
    REQUIRE(ssl);
    CHECK(SSL_version(ssl) == TLS1_2_VERSION);
    CHECK(strstr(SSL_get_cipher(ssl), "ECDHE") && !strstr(SSL_get_cipher(ssl), "CBC"));
    tls_ask(ssl, GET("/hello"), "hi");
    tls_close(ssl);
    CHECK(!tls_client(TLS1_1_VERSION));
    UNTIL(stats().connections == 0);
    finish();
}

TEST(a_refusal_over_tls_is_read_and_ends_properly)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_3_VERSION);
    tls_say(ssl, "GET / HTTP/1.1\r\n\r\n", 18);
    char *got = tls_hear(ssl, NULL);
    CHECK(strncmp(got, "HTTP/1.1 400 ", 13) == 0 && strstr(got, "There is no Host.\n"));
    CHECK(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
    free(got);
    tls_close(ssl);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(four_mebibytes_go_in_and_out_over_tls)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_3_VERSION);
    size_t n = 4 * MIB;
    auto_buf struct buf b = BUF_INIT(0);
    REQUIRE(buf_addf(&b, NULL, "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", n) == 0);
    size_t head = b.len;
    REQUIRE(buf_reserve(&b, n, NULL) == 0);
    for (size_t i = 0; i < n; i++)
        b.data[head + i] = (uint8_t)('a' + i % 23);
    memcpy(b.data + head + n - 9, "<the end>", 9);
    tls_say(ssl, (char *)b.data, head + n);
    char *got = tls_hear(ssl, "<the end>"), *start = strstr(got, "\r\n\r\n");
    CHECK(start && memcmp(start + 4, b.data + head, n) == 0);
    free(got);
    tls_close(ssl);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(a_tls_client_that_goes_is_noticed)
{
    serve_tls(none());
    for (size_t i = 0; i < 3; i++) {
        SSL *ssl = tls_client(TLS1_3_VERSION);
        const char *request = i == 1 ? GET("/stream") : GET("/wait") GET("/hello");
        t.waiting = NULL;
        tls_say(ssl, request, strlen(request));
        UNTIL(t.waiting);
        if (i == 2)
            SSL_shutdown(ssl); /* close_notify alone: no more requests can come */
        else
            tls_close(ssl);
        UNTIL(t.gones == i + 1);
        if (i == 2)
            tls_close(ssl);
    }
    UNTIL(stats().connections == 0);
    finish();
}

TEST(a_tls_client_is_noticed_behind_more_input_than_is_read_ahead)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_3_VERSION);
    static char junk[64 * 1024];
    tls_say(ssl, GET("/wait"), strlen(GET("/wait")));
    UNTIL(t.waiting);
    tls_say(ssl, junk, sizeof(junk));
    UNTIL(stats().buffered_bytes >= sizeof(junk));
    tls_say(ssl, junk, 10000);
    tls_close(ssl);
    UNTIL(t.gones == 1);
    finish();
}

struct watch {
    struct loop_timer *timer;
    struct pollfd peer;
};

/* Timers come after what has been read and written in a turn, and before what was put off in it. */
static void stop_when_answered(void *ctx)
{
    struct watch *w = ctx;
    if (poll(&w->peer, 1, 0) > 0)
        loop_stop(t.loop);
    else
        loop_timer_arm(w->timer, 0);
}

/* libevent puts off the callback that says what was written. LeakSanitizer looks. */
TEST(an_end_between_an_answer_and_its_callback_leaves_nothing_allocated)
{
    serve_tls(none());
    SSL *ssl = tls_client(TLS1_2_VERSION); /* whose server says nothing after the handshake */
    REQUIRE(ssl);
    tls_say(ssl, GET("/hello"), strlen(GET("/hello")));
    struct watch w = {.peer = {.fd = SSL_get_fd(ssl), .events = POLLIN}};
    w.timer = loop_timer_new(t.loop, stop_when_answered, &w, NULL);
    loop_timer_arm(w.timer, 0);
    REQUIRE(loop_run(t.loop, NULL) == 0);
    loop_timer_free(w.timer);
    CHECK(t.requests == 1);
    finish();
    tls_close(ssl);
}

TEST(a_tls_peer_that_does_not_read_costs_no_more_than_the_limit)
{
    serve_tls((struct http_limits){.max_unsent_bytes = 200000, .write_ms = 300});
    SSL *ssl = tls_client(TLS1_3_VERSION);
    tls_say(ssl, GET("/stream"), strlen(GET("/stream")));
    UNTIL(t.waiting);
    static char part[10000];
    size_t most = 0, refused = 0;
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (t.gones == 0 && clock_mono_ns() < end) { /* the kernel takes some megabytes first */
        for (int i = 0; i < 30 && t.gones == 0; i++) {
            refused += !http_stream_send(t.waiting, part, sizeof(part));
            most = MAX(most, http_stream_unsent(t.waiting));
        }
        turn();
    }
    CHECK(refused > 0 && most <= 200100);
    CHECK(t.gones == 1 && stats().timed_out == 1);
    tls_close(ssl);
    finish();
}

TEST(a_client_that_speaks_no_tls_is_told_and_closed)
{
    serve_tls(none());
    int fd = client();
    say(fd, GET("/hello"));
    char *got = hear(fd, NULL, NULL);
    CHECK(strstr(got, " 400 ") && strstr(got, "https://") && t.requests == 0);
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    SSL *ssl = tls_client(TLS1_3_VERSION); /* and disturbs nobody */
    tls_ask(ssl, GET("/hello"), "hi");
    tls_close(ssl);
    finish();
}

TEST(a_handshake_that_takes_too_long_is_given_up)
{
    serve_tls((struct http_limits){.first_byte_ms = 50});
    int fd = client();
    say(fd, "\x16\x03\x01\x02"); /* the beginning of a hello */
    char *got = hear(fd, NULL, NULL);
    free(got);
    close(fd);
    CHECK(stats().timed_out == 1);
    UNTIL(stats().connections == 0);
    finish();
}

static void fails(const char *cert, const char *key, const char *text)
{
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(NULL);
    struct http_options o = {.address = "127.0.0.1", .tls_cert_file = cert, .tls_key_file = key};
    CHECK(!http_server_new(loop, &o, on_request, NULL, NULL, &err));
    CHECK(err.code == ERR_INVALID);
    if (!strstr(err.text, text))
        printf("# %s\n", err.text);
    CHECK(strstr(err.text, text));
    loop_free(loop);
}

TEST(files_that_are_no_good_are_named)
{
    make_files();
    fails("/nonexistent/cert.pem", key_file, "/nonexistent/cert.pem: No such file");
    fails(cert_file, "/nonexistent/key.pem", "/nonexistent/key.pem: No such file");
    fails(key_file, key_file, key_file);
    fails(cert_file, cert_file, cert_file);
    fails(cert_file, NULL, cert_file); /* no key in it */
    fails(cert_file, other_key_file, "does not belong to the certificate in");
    EVP_PKEY_free(write_this(EVP_RSA_gen(2048), rsa_key_file, NULL));
    fails(cert_file, rsa_key_file, rsa_key_file); /* of another kind */
    fails(cert_file, rsa_key_file, cert_file);
    unlink(rsa_key_file);
    fails(cert_file, locked_key_file, locked_key_file); /* and nobody is asked for a passphrase */
    fails("/dev/null", key_file, "/dev/null");
    remove_files();
}

int main(void)
{
    return tap_main();
}
