/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http.h"
#include "ca_http_redirect.h"
#include "ca_http_text.h"
#include "ca_settings.h"
#include "ca_tls.h"
#include "pki/pki_load.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_uri.h>
#include <curl/curl.h>
#include <openssl/err.h>

/*
 * What was sent, and what was not. A request that surely never left may go to another upstream, one that perhaps did
 * may not: so everything counts as sent once libcurl has had a connection, with TLS and the proxy's tunnel complete,
 * and passed one octet of the request on. Two cases need a closer look:
 *
 * - The peer closes a connection that is kept for the next request. libcurl sees that before it uses it again, unless
 * the end is still under way; then the request is written into nothing, and libcurl sends it once more by a new
 * connection. That is what happens after a ca_timeout, too, and here it happens at once. When the second connection
 * fails, it is a ca_timeout, for nobody knows whether the first one got through. Connections are not kept long, so that
 * the case is rare.
 * - In TLS 1.3 a client is done with its handshake before the server has looked at the client's certificate: that it is
 *   refused is heard after the request was sent. The alert says that the server has not read the request.
 */

#define MAX_IDLE_SECONDS 3L              /* of a connection; httpd's KeepAliveTimeout is 5 */
#define MAX_UNUSED apr_time_from_sec(30) /* of a handle: its connections are closed then */
#define MAX_HEADERS (128 * 1024)         /* octets, with those of 1xx */
#define FIRST_ROOM 4096

typedef struct handle_t handle_t;

struct ca_http_t {
    const char *user, *password, *proxy;
    long connect_timeout; /* ms */
    ca_tls_t *tls;
    int follows; /* redirections */
    int max_idle;
    apr_thread_mutex_t *lock; /* for all below; NULL before ca_http_start */
    handle_t **idle;          /* the one that was used last at the end */
    int n_idle;
};

/* A libcurl handle with its connections; used by one thread at a time */
struct handle_t {
    CURL *curl;
    const ca_http_t *http;
    apr_time_t since;
    int alert; /* the last fatal alert that was received */
};

/* A request that is under way */
typedef struct {
    handle_t *handle;
    apr_pool_t *pool;
    unsigned char *body;
    apr_size_t n, room, headers;
    int too_long, have_head;
    int n_tries; /* connections that the request was to be sent by */
    long size_before;
    char error[CURL_ERROR_SIZE];
    /* of its answer */
    const char *location; /* when it is a redirection, and has one */
    int n_locations;
    curl_off_t took; /* us */
} exchange_t;

/* ---- settings */

static CURLcode global_code;

static void init_library(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Once in a process, however often httpd reads its configuration: the module stays in memory */
static est_err_t *library(apr_pool_t *pool)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

    pthread_once(&once, init_library);
    if (global_code)
        return EST_FAIL(pool, internal, "libcurl: %s", curl_easy_strerror(global_code));
    if (!tls || strncmp(tls, "OpenSSL/", 8) != 0)
        return EST_FAIL(pool, config, "libcurl uses %s for TLS: the one that uses OpenSSL is needed",
                        tls ? tls : "nothing");
    return NULL;
}

static est_err_t *load_password(ca_http_t *http, const ca_config_t *config, apr_pool_t *pool)
{
    if (!config->user || !config->password)
        return EST_FAIL(pool, config, "EstCAUser and EstCAPassword are set both or not at all");
    if (!*config->user || strchr(config->user, ':'))
        return EST_FAIL(pool, config, "EstCAUser \"%s\": a user name is not empty and has no colon", config->user);
    http->user = apr_pstrdup(pool, config->user);
    return pki_load_passphrase(&http->password, config->password, pool);
}

static est_err_t *check_proxy(const char *proxy, apr_pool_t *pool)
{
    apr_uri_t uri;

    if (apr_uri_parse(pool, proxy, &uri) != APR_SUCCESS || !uri.scheme || strcmp(uri.scheme, "http") != 0 ||
        !uri.hostname || !*uri.hostname || uri.user || !uri.port_str || !ca_settings_port_is_valid(&uri) || uri.query ||
        uri.fragment || (uri.path && strcmp(uri.path, "/") != 0))
        return EST_FAIL(pool, config, "EstCAProxy is http://HOST:PORT");
    return NULL;
}

/* What goes over the wire in the clear, and what does not */
static est_err_t *check_schemes(const ca_config_t *config, apr_pool_t *pool)
{
    for (int i = 0; config->upstreams && i < config->upstreams->nelts; i++) {
        const char *url = APR_ARRAY_IDX(config->upstreams, i, const char *);
        int tls = strncmp(url, "https:", 6) == 0;

        if (tls && !config->trust)
            return EST_FAIL(pool, config, "EstCATrust is missing: whom the TLS certificate of %s must come from", url);
        if (!tls && config->user)
            return EST_FAIL(pool, config, "EstCAUser: %s would get the password without TLS", url);
    }
    return NULL;
}

est_err_t *ca_http_make(ca_http_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    ca_http_t *http = apr_pcalloc(pool, sizeof(*http));

    EST_TRY(library(pool));
    EST_TRY(check_schemes(config, pool));
    EST_TRY(ca_tls_load(&http->tls, config, pool));
    if (config->user || config->password)
        EST_TRY(load_password(http, config, pool));
    if (config->proxy)
        EST_TRY(check_proxy(config->proxy, pool));
    http->proxy = config->proxy ? apr_pstrdup(pool, config->proxy) : ""; /* "": whatever the environment says */
    http->connect_timeout = config->connect_timeout * 1000L;
    http->max_idle = config->concurrency > 0 ? config->concurrency : 1;
    *out = http;
    return NULL;
}

void ca_http_follow(ca_http_t *http)
{
    http->follows = 1;
}

est_slice_t ca_http_client_certificate(const ca_http_t *http)
{
    return ca_tls_certificate(http->tls);
}

const char *ca_http_warning(const ca_http_t *http)
{
    return ca_tls_warning(http->tls);
}

/* ---- handles */

static void free_handle(handle_t *handle)
{
    if (handle)
        curl_easy_cleanup(handle->curl);
    free(handle);
    ERR_clear_error();
}

static apr_status_t stop(void *data)
{
    ca_http_t *http = data;

    while (http->n_idle)
        free_handle(http->idle[--http->n_idle]);
    http->lock = NULL;
    return APR_SUCCESS;
}

est_err_t *ca_http_start(ca_http_t *http, apr_pool_t *pool)
{
    if (apr_thread_mutex_create(&http->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS) {
        http->lock = NULL;
        return EST_FAIL(pool, internal, "no mutex");
    }
    http->idle = apr_pcalloc(pool, (apr_size_t)http->max_idle * sizeof(handle_t *));
    http->n_idle = 0;
    apr_pool_cleanup_register(pool, http, stop, apr_pool_cleanup_null);
    return NULL;
}

static est_err_t *take_handle(handle_t **out, ca_http_t *http, apr_pool_t *pool)
{
    handle_t *handle = NULL;

    if (!http->lock)
        return EST_FAIL(pool, internal, "upstreams are asked before the process was made ready");
    apr_thread_mutex_lock(http->lock);
    if (http->n_idle)
        handle = http->idle[--http->n_idle];
    apr_thread_mutex_unlock(http->lock);
    if (!handle) {
        handle = calloc(1, sizeof(*handle));
        if (!handle)
            return EST_FAIL(pool, internal, "out of memory");
        handle->http = http;
        handle->curl = curl_easy_init();
        if (!handle->curl) {
            free(handle);
            return EST_FAIL(pool, internal, "out of memory");
        }
    }
    *out = handle;
    return NULL;
}

/* Gives it back for the next request; one that nobody has needed for a while goes, so that the connections of a busy
 * hour do not stay for ever */
static void return_handle(ca_http_t *http, handle_t *handle)
{
    handle_t *old = NULL;
    apr_time_t now = apr_time_now();

    curl_easy_reset(handle->curl); /* all but its connections, and it points into no request's pool any more */
    handle->since = now;
    apr_thread_mutex_lock(http->lock);
    if (http->n_idle == http->max_idle || (http->n_idle && http->idle[0]->since + MAX_UNUSED < now)) {
        old = http->idle[0];
        http->n_idle--;
        memmove(http->idle, http->idle + 1, (apr_size_t)http->n_idle * sizeof(handle_t *));
    }
    http->idle[http->n_idle++] = handle;
    apr_thread_mutex_unlock(http->lock);
    free_handle(old);
}

/* ---- a request */

static void on_tls(const SSL *ssl, int where, int value)
{
    handle_t *handle = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        handle->alert = value & 0xff;
}

static CURLcode on_tls_context(CURL *curl, void *ctx, void *data)
{
    handle_t *handle = data;

    (void)curl;
    if (!ca_tls_set(ctx, handle->http->tls))
        return CURLE_SSL_CERTPROBLEM;
    SSL_CTX_set_app_data((SSL_CTX *)ctx, handle);
    SSL_CTX_set_info_callback(ctx, on_tls);
    return CURLE_OK;
}

/* The connection is there, and the request is about to be sent by it */
static int on_ready(void *data, char *peer, char *own, int peer_port, int own_port)
{
    exchange_t *exchange = data;

    (void)peer;
    (void)own;
    (void)peer_port;
    (void)own_port;
    if (!exchange->n_tries++) /* what there is by now was the proxy's */
        curl_easy_getinfo(exchange->handle->curl, CURLINFO_REQUEST_SIZE, &exchange->size_before);
    exchange->handle->alert = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
    exchange_t *exchange = data;

    n *= size;
    if (n >= 5 && !memcmp(line, "HTTP/", 5))
        exchange->have_head = 0; /* of 1xx, they begin anew */
    else if (n && (*line == '\r' || *line == '\n'))
        exchange->have_head = 1;
    exchange->headers += n;
    return exchange->headers > MAX_HEADERS ? 0 : n;
}

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
    exchange_t *exchange = data;

    n *= size;
    if (n > CA_HTTP_MAX - exchange->n) {
        exchange->too_long = 1;
        return 0;
    }
    if (n > exchange->room - exchange->n) {
        apr_size_t room = exchange->room ? exchange->room : FIRST_ROOM;
        unsigned char *grown;

        while (n > room - exchange->n)
            room *= 2;
        grown = apr_palloc(exchange->pool, room);
        if (exchange->n)
            memcpy(grown, exchange->body, exchange->n);
        exchange->body = grown;
        exchange->room = room;
    }
    memcpy(exchange->body + exchange->n, p, n);
    exchange->n += n;
    return n;
}

/* libcurl asks once a second at least */
static int on_progress(void *data, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now)
{
    const atomic_int *ending = data;

    (void)total;
    (void)now;
    (void)upload_total;
    (void)upload_now;
    return atomic_load(ending);
}

#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (!code)                                                                                                     \
            code = curl_easy_setopt(curl, option, value);                                                              \
    } while (0)

/* What is the same for each request of this CA */
static CURLcode set_common(CURL *curl, const ca_http_t *http, handle_t *handle)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);     /* does not wait for a resolver that outlasts the time limit */
    SET(CURLOPT_FOLLOWLOCATION, 0L); /* it would follow to other origins as well */
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, http->proxy);
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_USERAGENT, "mod_est");
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_SECONDS);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)CA_HTTP_MAX);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAINFO, (char *)NULL); /* nobody but those of EstCATrust */
    SET(CURLOPT_CAPATH, (char *)NULL);
    SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    SET(CURLOPT_SSL_CTX_DATA, handle);
    if (http->user) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC); /* one method alone: sent without being asked */
        SET(CURLOPT_USERNAME, http->user);
        SET(CURLOPT_PASSWORD, http->password);
    }
    return code;
}

static CURLcode set_request(CURL *curl, const ca_http_ask_t *ask, exchange_t *exchange, struct curl_slist *headers,
                            long connect_timeout)
{
    CURLcode code = CURLE_OK;
    long ms = ask->timeout > 0 ? (long)((ask->timeout + 999) / 1000) : 1;

    SET(CURLOPT_URL, ask->url);
    SET(CURLOPT_PROTOCOLS_STR, strncmp(ask->url, "https:", 6) == 0 ? "https" : "http");
    SET(CURLOPT_TIMEOUT_MS, ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout);
    if (ask->content_type) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.n);
        SET(CURLOPT_POSTFIELDS, ask->body.n ? (const char *)ask->body.p : "");
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_ERRORBUFFER, exchange->error);
    SET(CURLOPT_PREREQFUNCTION, on_ready);
    SET(CURLOPT_PREREQDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_NOPROGRESS, ask->ending ? 0L : 1L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, (void *)ask->ending);
    return code;
}

/* libcurl's own Accept, and Expect, are not wanted. NULL = out of memory */
static struct curl_slist *make_headers(const ca_http_ask_t *ask, apr_pool_t *pool)
{
    const char *lines[] = {"Expect:", ask->accept ? apr_pstrcat(pool, "Accept: ", ask->accept, NULL) : "Accept:",
                           ask->content_type ? apr_pstrcat(pool, "Content-Type: ", ask->content_type, NULL) : NULL};
    struct curl_slist *list = NULL;

    for (apr_size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) && lines[i]; i++) {
        struct curl_slist *longer = curl_slist_append(list, lines[i]);

        if (!longer) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

/* ---- what became of it */

/* Was the handshake ended for the client's certificate (RFC 8446 6.2), so that the request was not read? */
static int is_refusal(const exchange_t *exchange)
{
    static const int alerts[] = {SSL_AD_HANDSHAKE_FAILURE,   SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                 SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,
                                 SSL_AD_UNKNOWN_CA,          SSL_AD_ACCESS_DENIED,       SSL_AD_DECRYPT_ERROR,
                                 SSL_AD_CERTIFICATE_REQUIRED};

    if (exchange->n_tries > 1 || exchange->headers) /* one before may have been read */
        return 0;
    for (apr_size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
        if (exchange->handle->alert == alerts[i])
            return 1;
    return 0;
}

static int is_sent(const exchange_t *exchange)
{
    long size = 0;

    if (!exchange->n_tries)
        return 0;
    curl_easy_getinfo(exchange->handle->curl, CURLINFO_REQUEST_SIZE, &size);
    return size > exchange->size_before;
}

/* OpenSSL's words for a certificate that was not accepted, where libcurl's do not have them already */
static const char *verification(CURLcode code, const exchange_t *exchange, const char *reason, apr_pool_t *pool)
{
    long result = X509_V_OK;
    const char *words;

    if (code != CURLE_PEER_FAILED_VERIFICATION ||
        curl_easy_getinfo(exchange->handle->curl, CURLINFO_SSL_VERIFYRESULT, &result) || result == X509_V_OK)
        return "";
    words = X509_verify_cert_error_string(result);
    return strstr(reason, words) ? "" : apr_psprintf(pool, " (%s)", words);
}

static est_err_t *explain(CURLcode code, const exchange_t *exchange, const ca_http_ask_t *ask, apr_pool_t *pool)
{
    const char *host = ca_http_text_host(ask->url, pool);
    const char *reason = exchange->error[0] ? exchange->error : curl_easy_strerror(code);
    int sent = is_sent(exchange);

    if (exchange->headers > MAX_HEADERS)
        return EST_FAIL(pool, ca_answer, "%s: its answer has more than %d octets of headers", host, MAX_HEADERS);
    if (exchange->too_long || code == CURLE_FILESIZE_EXCEEDED)
        return EST_FAIL(pool, ca_answer, "%s: its answer is longer than %d octets", host, CA_HTTP_MAX);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return EST_FAIL(pool, internal, "%s: its answer is not waited for any more", host);
    if (!sent && code == CURLE_OUT_OF_MEMORY)
        return EST_FAIL(pool, internal, "libcurl: %s", reason);
    if (exchange->handle->alert && (!sent || is_refusal(exchange)))
        return EST_FAIL(pool, ca_unavailable, "%s ended the TLS handshake: %s", host,
                        SSL_alert_desc_string_long(exchange->handle->alert));
    if (!sent)
        return EST_FAIL(pool, ca_unavailable, "%s: %s%s", host, reason, verification(code, exchange, reason, pool));
    switch (code) {
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, and what looks like it */
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_OUT_OF_MEMORY: /* libcurl has limits of its own for headers */
        return EST_FAIL(pool, ca_answer, "%s: no HTTP answer: %s", host, reason);
    case CURLE_OPERATION_TIMEDOUT:
        return EST_FAIL(pool, ca_timeout, "%s: the request was sent, no whole answer came: %s", host, reason);
    default:
        return EST_FAIL(pool, ca_timeout, "%s: the request was sent, its answer was lost: %s", host, reason);
    }
}

static int is_redirection(const ca_http_answer_t *answer)
{
    return answer->status >= 300 && answer->status < 400;
}

static est_err_t *read_answer(ca_http_answer_t *out, exchange_t *exchange, const ca_http_ask_t *ask, apr_pool_t *pool)
{
    CURL *curl = exchange->handle->curl;
    const char *type = NULL;
    struct curl_header *header;
    curl_off_t wait = 0;
    long status = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
    if (!exchange->have_head) /* for libcurl, the end of the connection ends headers, too */
        return EST_FAIL(pool, ca_timeout, "%s: the request was sent, its answer was lost: it ends in its headers",
                        ca_http_text_host(ask->url, pool));
    if (status < 200 || status > 999)
        return EST_FAIL(pool, ca_answer, "%s: no HTTP answer: status %ld", ca_http_text_host(ask->url, pool), status);
    out->status = (int)status;
    out->content_type = type ? apr_pstrdup(pool, type) : NULL;
    out->body = est_slice(exchange->body, exchange->n);
    out->retry_after = wait <= 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &exchange->took);
    if (is_redirection(out) && !curl_easy_header(curl, "Location", 0, CURLH_HEADER, -1, &header)) {
        exchange->location = apr_pstrdup(pool, header->value);
        exchange->n_locations = (int)header->amount;
    }
    return NULL;
}

/* Redirections aside. The exchange is empty at first */
static est_err_t *do_once(ca_http_answer_t *out, exchange_t *exchange, ca_http_t *http, const ca_http_ask_t *ask,
                          apr_pool_t *pool)
{
    struct curl_slist *headers = make_headers(ask, pool);
    handle_t *handle = NULL;
    CURLcode code;
    est_err_t *err;

    memset(out, 0, sizeof(*out));
    if (!headers)
        return EST_FAIL(pool, internal, "out of memory");
    err = take_handle(&handle, http, pool);
    if (err) {
        curl_slist_free_all(headers);
        return err;
    }
    ERR_clear_error(); /* what is left there by others would be taken for a reason of TLS */
    handle->alert = 0;
    exchange->handle = handle;
    exchange->pool = pool;
    code = set_common(handle->curl, http, handle);
    if (!code)
        code = set_request(handle->curl, ask, exchange, headers, http->connect_timeout);
    if (code) {
        err = EST_FAIL(pool, internal, "libcurl: %s", curl_easy_strerror(code));
    } else {
        code = curl_easy_perform(handle->curl);
        err = code ? explain(code, exchange, ask, pool) : read_answer(out, exchange, ask, pool);
    }
    if (code)
        free_handle(handle);
    else
        return_handle(http, handle);
    curl_slist_free_all(headers);
    ERR_clear_error();
    return err;
}

/* Who redirects a request has not carried it out, so that what counts is how the last one ends */
est_err_t *ca_http_do(ca_http_answer_t *out, ca_http_t *http, const ca_http_ask_t *ask, apr_pool_t *pool)
{
    ca_http_ask_t hop = *ask;
    ca_http_redirect_t redirect = {0};

    for (;; redirect.n_before++) {
        exchange_t *exchange = apr_pcalloc(pool, sizeof(*exchange));

        EST_TRY(do_once(out, exchange, http, &hop, pool));
        if (!http->follows || !is_redirection(out))
            return NULL;
        redirect.url = hop.url;
        redirect.status = out->status;
        redirect.location = exchange->location;
        redirect.n_locations = exchange->n_locations;
        EST_TRY(ca_http_redirect(&hop.url, &redirect, pool));
        hop.timeout -= exchange->took;
        if (hop.timeout <= 0)
            return EST_FAIL(pool, ca_unavailable, "%s: no time was left to follow its redirection",
                            ca_http_text_host(hop.url, pool));
    }
}
