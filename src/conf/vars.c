/* The table of variables: one row is a variable's documentation, its rule and where its value goes.
 * .env.example, the man page and error messages are made from it. Runs in the server at start; pure
 * data. */
#include "conf/vars.h"

#include <stddef.h>

#include "catalog/profiles.h"

#define KIB             1024ull
#define MIB             (1024 * KIB)
#define GIB             (1024 * MIB)
#define SECOND_NS       1000000000ull
#define DAY_NS          (86400 * SECOND_NS)
#define FIELD(name)     .offset = offsetof(struct conf, name)
#define DOC(n, d, a, m) .doc = {.name = (n), .default_text = (d), .allowed = (a), .meaning = (m)}
#define YES_NO          "true or false (also 1, 0, yes, no, on, off)"
#define WHOLE(from, to) "a whole number from " from " to " to
#define TIME_LIMITS     .set = set_seconds, .min = 1000000, .max = DAY_NS
#define URL_ALLOWED                                                                                \
    "an https:// address without query and fragment (http:// with a loopback host only)"
#define TIME_ALLOWED                                                                               \
    "seconds, fractions allowed, or with a unit (500ms, 30s, 5m, 1h), from 1ms to 24h"

const struct conf_var conf_vars[CONF_VARS] = {
    {DOC("SANDBOX_TIMEOUT", "30", TIME_ALLOWED,
         "Wall-clock time of one run when the call does not say. SANDBOX_DEFAULT_TIMEOUT is the "
         "same."),
     .alias = "SANDBOX_DEFAULT_TIMEOUT", FIELD(timeout_ns), TIME_LIMITS},
    {DOC("SANDBOX_MAX_TIMEOUT", "300", TIME_ALLOWED, "The longest time-out a call may ask for."),
     FIELD(max_timeout_ns), TIME_LIMITS},
    {DOC("SANDBOX_MAX_OUTPUT_SIZE", "1048576", "a size from 1 byte to 64m (bytes, 64k, 1MB)",
         "Bound of each of stdout, stderr and result."),
     .set = set_size, FIELD(max_output_bytes), .min = 1, .max = 64 * MIB},
    {DOC("SANDBOX_MAX_CODE_SIZE", "262144", "a size from 1 byte to 2m (bytes, 64k, 1MB)",
         "The longest program that is accepted."),
     .set = set_size, FIELD(max_code_bytes), .min = 1, .max = 2 * MIB},
    {DOC("SANDBOX_ENABLE_NETWORK", "false", YES_NO,
         "Permit the modules of the network profile: httpx, requests, urllib.request..."),
     .doc.is_switch = true, .set = set_profile, .min = PROFILE_NETWORK},
    {DOC("SANDBOX_ENABLE_FILESYSTEM", "false", YES_NO,
         "Permit the modules of the filesystem profile, and open(), inside a private work folder."),
     .doc.is_switch = true, .set = set_profile, .min = PROFILE_FILESYSTEM},
    {DOC("SANDBOX_ENABLE_DATA_SCIENCE", "false", YES_NO,
         "Permit the modules of the data science profile: numpy, pandas, scipy, matplotlib..."),
     .doc.is_switch = true, .set = set_profile, .min = PROFILE_DATA_SCIENCE},
    {DOC("SANDBOX_ALLOWED_IMPORTS", "", "module names separated by commas, at most 500",
         "Replaces the whole list of permitted modules. For modules outside the profiles only the "
         "kernel's walls hold."),
     .doc.example = "math,json,re", .doc.guarded = true, .set = set_modules},
    {DOC("SANDBOX_DEFAULT_MEMORY_LIMIT", "128m", "a size from 1m to 1t (65536k, 128m, 1g, bytes)",
         "Memory one run may add to the warm interpreter when the call does not say."),
     .set = set_size, FIELD(memory_bytes), .min = MIB, .max = 1024 * GIB},
    {DOC("SANDBOX_MAX_MEMORY_LIMIT", "2g", "a size from 1m to 1t (65536k, 128m, 1g, bytes)",
         "The largest memory_limit a call may ask for."),
     .set = set_size, FIELD(max_memory_bytes), .min = MIB, .max = 1024 * GIB},
    {DOC("SANDBOX_ENABLE_CONTAINER_MODE", "false", YES_NO, "Permit use_container."),
     .doc.is_switch = true, .set = set_container},
    {DOC("SANDBOX_CONTAINER_IMAGE", "python-sandbox:latest", "an image name such as name:tag",
         "The image of the container tier."),
     .set = set_image, FIELD(container_image)},
    {DOC("SANDBOX_CONTAINER_RUNTIME", "runsc", "a program's name or absolute path",
         "The OCI runtime of the container tier."),
     .doc.guarded = true, .set = set_program, FIELD(container_runtime)},
    {DOC("SANDBOX_CONTAINER_POOL_SIZE", "2", WHOLE("0", "64"),
         "How many started, unused containers wait."),
     .set = set_unsigned, FIELD(container_pool_size), .min = 0, .max = 64},
    {DOC("SANDBOX_ISOLATION", "auto", "auto, namespaces or landlock (there is no way to have none)",
         "Which walls to build: auto takes namespaces, or landlock where those are forbidden."),
     .set = set_isolation},
    {DOC("SANDBOX_MAX_CONCURRENCY", "cores x 2", WHOLE("1", "1024"),
         "How many programs may run at the same time."),
     .doc.example = "4", .set = set_unsigned, FIELD(max_concurrency), .min = 1, .max = 1024},
    {DOC("SANDBOX_CLIENT_CONCURRENCY", "SANDBOX_MAX_CONCURRENCY", WHOLE("1", "1024"),
         "How many programs of one client may run at the same time. Clients share fairly in any "
         "case; a smaller number keeps places free for those who come later."),
     .doc.example = "2", .set = set_unsigned, FIELD(client_concurrency), .min = 1, .max = 1024},
    {DOC("SANDBOX_QUEUE_SIZE", "256", WHOLE("0", "100000"),
         "How many calls may wait; beyond that the answer is `overloaded`."),
     .set = set_unsigned, FIELD(queue_size), .min = 0, .max = 100000},
    {DOC("SANDBOX_POOL_SIZE", "cores x 2", WHOLE("1", "1024"),
         "How many warm, unused workers wait for programs."),
     .doc.example = "4", .set = set_unsigned, FIELD(pool_size), .min = 1, .max = 1024},
    {DOC("SANDBOX_HOST", "127.0.0.1", "an IP address (0.0.0.0 or :: for all) or localhost",
         "Where `vivarium serve --http` listens. Anything but this machine's own addresses needs a "
         "token."),
     .set = set_host, FIELD(host)},
    {DOC("SANDBOX_PORT", "9000", WHOLE("0", "65535"),
         "The port of `vivarium serve --http`; 0 takes a free one."),
     .set = set_unsigned, FIELD(port), .min = 0, .max = 65535},
    {DOC("SANDBOX_API_TOKEN", "", "32 to 1024 visible ASCII characters without blanks",
         "Bearer token that HTTP clients must present."),
     .doc.example = "", .doc.guarded = true, .secret = true, .set = set_token, FIELD(api_token),
     .min = 32, .max = 1024},
    {DOC("SANDBOX_TOKENS_FILE", "", "an absolute path",
         "File of named, hashed bearer tokens, a line each (`vivarium token NAME` makes one)."),
     .doc.example = "/etc/vivarium/tokens", .doc.guarded = true, .set = set_path,
     FIELD(tokens_file)},
    {DOC("SANDBOX_OAUTH_ISSUER", "", URL_ALLOWED,
         "OAuth 2.1: the authorization server whose access tokens are accepted over HTTP (claim "
         "iss)."),
     .doc.example = "https://auth.example.org", .doc.guarded = true, .set = set_url,
     FIELD(oauth_issuer)},
    {DOC("SANDBOX_OAUTH_RESOURCE", "", URL_ALLOWED,
         "OAuth 2.1: this server's address as clients know it; access tokens must be made out to "
         "it "
         "(claim aud)."),
     .doc.example = "https://sandbox.example.org/mcp", .doc.guarded = true, .set = set_url,
     FIELD(oauth_resource)},
    {DOC("SANDBOX_OAUTH_JWKS", "", "an absolute path",
         "OAuth 2.1: file of the authorization server's public keys (a JWK set)."),
     .doc.example = "/etc/vivarium/jwks.json", .doc.guarded = true, .set = set_path,
     FIELD(oauth_jwks)},
    {DOC("SANDBOX_ALLOWED_HOSTS", "",
         "host names, *.domains or addresses, each with :port if wanted, separated by commas; * "
         "for "
         "any",
         "Names under which HTTP clients may address the server, besides localhost and the address "
         "it listens on. Others are refused: a web page could have made them up (DNS rebinding)."),
     .doc.example = "sandbox.example.org,vivarium:9000", .doc.guarded = true, .set = set_hosts,
     FIELD(allowed_hosts)},
    {DOC("SANDBOX_ALLOWED_ORIGINS", "",
         "origins such as https://app.example.org, separated by commas; * for any",
         "Web pages that may call the server from a browser, besides those of localhost. Pages "
         "named here may also read the answers (CORS)."),
     .doc.example = "https://app.example.org", .doc.guarded = true, .set = set_origins,
     FIELD(allowed_origins)},
    {DOC("SANDBOX_TLS_CERT", "", "an absolute path",
         "HTTPS: file of the certificate and those it depends on, PEM. Goes with "
         "SANDBOX_TLS_KEY."),
     .doc.example = "/etc/vivarium/cert.pem", .doc.guarded = true, .set = set_path,
     FIELD(tls_cert)},
    {DOC("SANDBOX_TLS_KEY", "", "an absolute path", "HTTPS: file of the private key, PEM."),
     .doc.example = "/etc/vivarium/key.pem", .doc.guarded = true, .set = set_path, FIELD(tls_key)},
    {DOC("SANDBOX_GRACE", "10",
         "seconds, fractions allowed, or with a unit (500ms, 30s, 5m, 1h), from 0 to 1h",
         "How long programs under way may go on when the HTTP server is stopped."),
     .set = set_seconds, FIELD(grace_ns), .min = 0, .max = 3600 * SECOND_NS},
    {DOC("SANDBOX_CPU_LIMIT", "the time-out",
         "seconds, fractions allowed, or with a unit (500ms, 30s, 5m, 1h), from 1ms to 24h",
         "CPU time of one run."),
     .doc.example = "30", .set = set_milliseconds, FIELD(cpu_limit_ms), .min = 1,
     .max = DAY_NS / 1000000},
    {DOC("SANDBOX_MAX_THREADS", "16", WHOLE("1", "256"), "Threads of one program."),
     .set = set_unsigned, FIELD(max_threads), .min = 1, .max = 256},
    {DOC("SANDBOX_WORK_SIZE", "64m", "a size from 64k to 16g (65536k, 128m, 1g, bytes)",
         "Size of the private work folder (filesystem profile)."),
     .set = set_size, FIELD(work_bytes), .min = 64 * KIB, .max = 16 * GIB},
    {DOC("SANDBOX_WORK_FILES", "1000", WHOLE("1", "1000000"), "Files in the work folder."),
     .set = set_unsigned, FIELD(work_files), .min = 1, .max = 1000000},
    {DOC("SANDBOX_MAX_ARTIFACTS", "32", WHOLE("0", "1000"), "Artifacts kept of one run."),
     .set = set_unsigned, FIELD(max_artifacts), .min = 0, .max = 1000},
    {DOC("SANDBOX_ARTIFACT_TTL", "15m", TIME_ALLOWED, "How long artifacts can be read."),
     FIELD(artifact_ttl_ns), TIME_LIMITS},
    {DOC("SANDBOX_ARTIFACT_SIZE", "256m", "a size from 64k to 64g (65536k, 128m, 1g, bytes)",
         "Memory for the artifacts of all clients together. When it is full, who has most of it "
         "loses the oldest."),
     .set = set_size, FIELD(artifact_bytes), .min = 64 * KIB, .max = 64 * GIB},
    {DOC("SANDBOX_RATE_LIMIT", "off on stdio, 600 over HTTP", WHOLE("0", "1000000") " (0 = off)",
         "Executions a minute for one client."),
     .doc.example = "600", .set = set_rate, .min = 0, .max = 1000000},
    {DOC("SANDBOX_NETWORK_ALLOW", "public addresses",
         "host names, *.domains, addresses or ranges, each with :port if wanted, separated by "
         "commas",
         "Where programs of the network profile may connect to."),
     .doc.example = "example.org:443,*.example.org", .set = set_targets, FIELD(network_allow)},
    {DOC("SANDBOX_NETWORK_DENY", "private and link-local ranges",
         "host names, *.domains, addresses or ranges, each with :port if wanted, separated by "
         "commas",
         "Where they may not, whatever SANDBOX_NETWORK_ALLOW says."),
     .doc.example = "10.0.0.0/8", .set = set_targets, FIELD(network_deny)},
    {DOC("SANDBOX_PYTHON", "/usr/bin/python3", "an absolute path",
         "The stock interpreter; Vivarium must have been built for its minor version."),
     .doc.guarded = true, .set = set_path, FIELD(python)},
    {DOC("SANDBOX_PYTHON_PATH", "", "absolute paths separated by colons, at most 32",
         "Further site-packages folders, read-only, e.g. of a virtual environment."),
     .doc.example = "/opt/venv/lib/python3.11/site-packages", .doc.guarded = true, .set = set_paths,
     FIELD(python_path)},
    {DOC("SANDBOX_STATE_DIR", "$XDG_STATE_HOME/vivarium or ~/.local/state/vivarium",
         "an absolute path", "Where the audit log and the history live."),
     .doc.example = "/var/lib/vivarium", .doc.guarded = true, .set = set_path, FIELD(state_dir)},
    {DOC("SANDBOX_AUDIT_LOG", "on", "on, off or required",
         "One line for each execution in the state folder's audit.jsonl; `required` refuses to run "
         "what cannot be recorded."),
     .set = set_audit},
    {DOC("SANDBOX_HISTORY", "on; off with SANDBOX_AUDIT_LOG=off", "on, off or code",
         "One row for each execution in the state folder's history.db, which `vivarium history` "
         "shows; `code` keeps the programs, too, not only their SHA-256."),
     .doc.example = "on", .set = set_history},
    {DOC("SANDBOX_HISTORY_ROWS", "100000", WHOLE("1", "10000000"),
         "How many executions the history keeps; 256 MiB are the most in any case."),
     .set = set_unsigned, FIELD(history_rows), .min = 1, .max = 10000000},
    {DOC("SANDBOX_HISTORY_DAYS", "30", WHOLE("1", "36500"), "How many days it keeps them."),
     .set = set_unsigned, FIELD(history_days), .min = 1, .max = 36500},
    {DOC("SANDBOX_LOG_LEVEL", "info", "debug, info, warning or error",
         "How much is said on stderr."),
     .set = set_log_level},
};
