/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/*
 * A CMP CA for measurements: signs every PKCS#10 that comes as p10cr, protected by a shared secret, and records
 * nothing.
 *
 *   cmp_ca PORT CERTIFICATE KEY REFERENCE SECRET [MILLISECONDS]
 *
 * HTTP on 127.0.0.1, a thread for each connection, at most MAX_THREADS; ends with SIGTERM. MILLISECONDS: as long an
 * answer waits, for a CA that is slow. For loopback alone: it asks nothing but the secret.
 */
#include <arpa/inet.h>
#include <openssl/cmp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_THREADS 64
#define MAX_REQUEST 65536

static X509 *ca;
static EVP_PKEY *key;
static const char *reference, *secret;
static atomic_int n_threads;
static long delay; /* microseconds */

static void die(const char *what)
{
    fprintf(stderr, "cmp_ca: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* ---- issuing */

static int add_extensions(X509 *cert, const X509_REQ *request)
{
    STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions((X509_REQ *)request);
    static const char *const lines[][2] = {{"keyUsage", "critical,digitalSignature"},
                                           {"extendedKeyUsage", "clientAuth"}};
    X509V3_CTX v3;
    int ok = 1;

    X509V3_set_ctx(&v3, ca, cert, NULL, NULL, 0);
    for (size_t i = 0; ok && i < sizeof(lines) / sizeof(lines[0]); i++) {
        X509_EXTENSION *ext = X509V3_EXT_conf(NULL, &v3, lines[i][0], lines[i][1]);

        ok = ext && X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    for (int i = 0; ok && i < sk_X509_EXTENSION_num(exts); i++)
        if (OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(exts, i))) == NID_subject_alt_name)
            ok = X509_add_ext(cert, sk_X509_EXTENSION_value(exts, i), -1);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    return ok;
}

static X509 *issue(const X509_REQ *request)
{
    unsigned char serial[16];
    BIGNUM *number = NULL;
    X509 *cert = X509_new();
    int ok = cert && RAND_bytes(serial, sizeof(serial)) == 1;

    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    ok = ok && number && X509_set_version(cert, X509_VERSION_3) &&
         BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) &&
         X509_set_issuer_name(cert, X509_get_subject_name(ca)) &&
         X509_set_subject_name(cert, X509_REQ_get_subject_name(request)) &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -60) && X509_gmtime_adj(X509_getm_notAfter(cert), 86400) &&
         X509_set_pubkey(cert, X509_REQ_get0_pubkey((X509_REQ *)request)) && add_extensions(cert, request) &&
         X509_sign(cert, key, EVP_sha256()) > 0;
    BN_free(number);
    if (ok)
        return cert;
    X509_free(cert);
    return NULL;
}

static OSSL_CMP_PKISI *on_request(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id,
                                  const OSSL_CRMF_MSG *crm, const X509_REQ *request, X509 **cert,
                                  STACK_OF(X509) **chain, STACK_OF(X509) **publish)
{
    (void)server;
    (void)message;
    (void)id;
    (void)crm;
    *chain = NULL;
    *publish = NULL;
    *cert = request && X509_REQ_verify((X509_REQ *)request, X509_REQ_get0_pubkey((X509_REQ *)request)) == 1
                ? issue(request)
                : NULL;
    return *cert ? OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_accepted, 0, NULL)
                 : OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_rejection, 1 << OSSL_CMP_PKIFAILUREINFO_badRequest,
                                           "only p10cr with a good signature");
}

static int on_confirmation(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id, const ASN1_OCTET_STRING *hash,
                           const OSSL_CMP_PKISI *status)
{
    (void)server;
    (void)message;
    (void)id;
    (void)hash;
    (void)status;
    return 1;
}

static OSSL_CMP_SRV_CTX *make_server(void)
{
    OSSL_CMP_SRV_CTX *server = OSSL_CMP_SRV_CTX_new(NULL, NULL);
    OSSL_CMP_CTX *ctx;

    if (!server || !OSSL_CMP_SRV_CTX_init(server, NULL, on_request, NULL, NULL, NULL, on_confirmation, NULL))
        die("no CMP server");
    ctx = OSSL_CMP_SRV_CTX_get0_cmp_ctx(server);
    if (!OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(server, 1) ||
        !OSSL_CMP_CTX_set1_referenceValue(ctx, (const unsigned char *)reference, (int)strlen(reference)) ||
        !OSSL_CMP_CTX_set1_secretValue(ctx, (const unsigned char *)secret, (int)strlen(secret)) ||
        !OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_LOG_VERBOSITY, 0))
        die("the CMP server does not take its settings");
    return server;
}

/* ---- HTTP */

typedef struct {
    int fd;
    char buf[MAX_REQUEST];
    size_t n;
} connection_t;

static int fill(connection_t *c)
{
    ssize_t got = c->n < sizeof(c->buf) ? read(c->fd, c->buf + c->n, sizeof(c->buf) - c->n) : 0;

    if (got <= 0)
        return 0;
    c->n += (size_t)got;
    return 1;
}

/* The next request: *body in buf; the octets that it takes, 0 at the end */
static size_t next_request(connection_t *c, const unsigned char **body, size_t *length)
{
    char *end, *header;
    size_t head;

    while (!(end = memmem(c->buf, c->n, "\r\n\r\n", 4)))
        if (!fill(c))
            return 0;
    *end = '\0';
    header = strcasestr(c->buf, "\r\nContent-Length:");
    *length = header ? strtoul(header + 17, NULL, 10) : 0;
    head = (size_t)(end - c->buf) + 4;
    if (!header || *length > sizeof(c->buf) - head)
        return 0;
    while (c->n < head + *length)
        if (!fill(c))
            return 0;
    *body = (const unsigned char *)c->buf + head;
    return head + *length;
}

static int answer(int fd, const OSSL_CMP_MSG *message)
{
    unsigned char *der = NULL;
    int n = i2d_OSSL_CMP_MSG(message, &der), head;
    char *out = n > 0 ? malloc((size_t)n + 256) : NULL;
    int ok = 0;

    if (out) {
        head =
            snprintf(out, 256, "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nContent-Length: %d\r\n\r\n", n);
        memcpy(out + head, der, (size_t)n);
        ok = write(fd, out, (size_t)(head + n)) == head + n;
    }
    free(out);
    OPENSSL_free(der);
    return ok;
}

static void *serve(void *arg)
{
    connection_t *c = arg;
    OSSL_CMP_SRV_CTX *server = make_server();
    const unsigned char *body;
    size_t used, length;

    while ((used = next_request(c, &body, &length)) > 0) {
        OSSL_CMP_MSG *request = d2i_OSSL_CMP_MSG(NULL, &body, (long)length);
        OSSL_CMP_MSG *reply = request ? OSSL_CMP_SRV_process_request(server, request) : NULL;
        int ok = 0;

        if (reply && delay)
            usleep((useconds_t)delay);
        ok = reply && answer(c->fd, reply);

        OSSL_CMP_MSG_free(request);
        OSSL_CMP_MSG_free(reply);
        ERR_clear_error();
        if (!ok)
            break;
        memmove(c->buf, c->buf + used, c->n - used);
        c->n -= used;
    }
    OSSL_CMP_SRV_CTX_free(server);
    close(c->fd);
    free(c);
    atomic_fetch_sub(&n_threads, 1);
    return NULL;
}

static void listen_at(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
        die("cannot listen");
    puts("ready");
    fflush(stdout);
    for (;;) {
        connection_t *c = calloc(1, sizeof(*c));
        pthread_t thread;

        if (!c)
            die("out of memory");
        c->fd = accept(fd, NULL, NULL);
        if (c->fd < 0 || atomic_fetch_add(&n_threads, 1) >= MAX_THREADS || pthread_create(&thread, NULL, serve, c))
            die("cannot serve one connection more");
        pthread_detach(thread);
    }
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "r");

    if (!file)
        die(path);
    return file;
}

int main(int argc, char **argv)
{
    FILE *file;

    if (argc != 6 && argc != 7) {
        fputs("usage: cmp_ca PORT CERTIFICATE KEY REFERENCE SECRET [MILLISECONDS]\n", stderr);
        return 2;
    }
    file = open_file(argv[2]);
    ca = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    file = open_file(argv[3]);
    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    reference = argv[4];
    secret = argv[5];
    delay = argc == 7 ? atol(argv[6]) * 1000 : 0;
    if (!ca || !key || X509_check_private_key(ca, key) != 1)
        die("no CA");
    signal(SIGPIPE, SIG_IGN);
    listen_at(atoi(argv[1]));
}
