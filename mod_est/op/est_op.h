/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_OP_H
#define EST_OP_H

/*
 * EST without a web server: a request and an answer as plain data, the service they meet, and the table of operations.
 * httpd/ fills the one and sends the other; tests do the same without httpd.
 */

#include "ca/ca.h"
#include "policy/policy_access.h"
#include "store/store_cache.h"

/* Methods as bits, so that a row of the table can list several */
enum { EST_METHOD_OTHER = 0, EST_METHOD_GET = 1, EST_METHOD_HEAD = 2, EST_METHOD_POST = 4 };

typedef struct est_req_t est_req_t;
typedef struct est_op_t est_op_t;

/* What the processes of this httpd know together, as pointers, since httpd/ has the memory that they share */
typedef struct {
    /* 1 when secret fits the bcrypt hash; hash NULL: the cost of one, and 0. Fails with busy when too many are verified
     * at the same time. secret is not kept. */
    est_err_t *(*verify)(int *good, const char *secret, const char *hash, const est_req_t *req);
    /* Failed attempts to name a secret, by address and who was claimed to be: fails with too_many_failures */
    est_err_t *(*check_failures)(const est_req_t *req, const char *who);
    void (*add_failure)(const est_req_t *req, const char *who);
    /* May one more refusal be recorded in the database? */
    int (*may_record)(const est_req_t *req);
    /* Seconds for which who (key: a digest) is to be refused without a question to the database; 0 = none */
    int (*limited)(est_slice_t key, apr_time_t now);
    void (*limit)(est_slice_t key, apr_time_t until);
} est_guard_t;

/* What all requests of a process share. Everything is borrowed and lives as long as the process. */
typedef struct {
    const est_env_t *env;
    store_t *store;       /* NULL: no EstDatabase */
    store_cache_t *cache; /* NULL with it */
    ca_t *const *cas;
    int n_cas;
    apr_interval_time_t policy_max_age;                    /* EstPolicyMaxAge; 0 = none */
    est_lru_t *paths;                                      /* verdicts on certificate paths */
    const unsigned char (*reserved_keys)[PKI_SHA256_SIZE]; /* as in policy_request_t */
    int n_reserved_keys;
    const est_guard_t *guard; /* NULL: nothing is limited, and no secret verified */
} est_service_t;

typedef struct {
    int status;
    const char *content_type; /* NULL: no body */
    const char *body;
    apr_size_t length;
    int transfer_encoding; /* send Content-Transfer-Encoding: base64 */
    int no_store;          /* send Cache-Control: no-store */
    int retry_after;       /* send Retry-After: seconds; 0 = do not */
    /* for the log and the environment; NULL = does not apply */
    const char *serial, *summary;
} est_resp_t;

/* An operation: a row of the table in est_serve.c */
struct est_op_t {
    const char *name; /* last segment of the path */
    policy_op_t op;
    unsigned methods;
    const char *media_type; /* of the request's body; NULL: there is none */
    est_err_t *(*serve)(est_resp_t *resp, est_req_t *req, est_service_t *service);
};

struct est_req_t {
    apr_pool_t *pool;
    apr_time_t now;
    const char *id; /* 32 hex digits; also the key of its row in est.enrollment */

    /* from the transport */
    unsigned method;
    const char *content_type, *content_encoding;
    int has_user_agent;
    const char *base64;       /* "line" or "wrap" forces line breaks of the answer; NULL otherwise */
    const char *network;      /* textual address of the client */
    apr_sockaddr_t *address;  /* the same */
    int behind_proxy;         /* a trusted proxy ended the client's TLS connection, so that there is no binding to it */
    X509 *leaf;               /* TLS client certificate, NULL = none; borrowed from the connection */
    STACK_OF(X509) *chain;    /* what else the client sent; may be NULL */
    const char *leaf_refused; /* why the transport's own verification says no, or NULL */
    int strict_body;          /* EstStrictBody */
    /* Channel binding value of this connection (RFC 7030 3.5), n == 0 when it has none. Asked for only when it
     * matters, since it costs a key derivation. */
    est_slice_t (*binding)(const est_req_t *req);
    /* Reads the whole body, bounded, at most once */
    est_err_t *(*read_body)(est_slice_t *out, est_req_t *req);

    /* from est_route */
    const est_op_t *op;
    const policy_snapshot_t *snapshot;
    const policy_alias_t *alias; /* NULL: no policy can be had, and the operation does without */

    /* from est_auth */
    policy_credentials_t cred;
    int cert_checked;
    const char *claimed; /* est_entity: whose code is to be verified, as the request says; NULL = nobody's */
    int holder_checked;  /* cacerts that wants credentials: the certificate was looked up, with this result */
    est_err_t *holder_refused;
    policy_identity_t identity;
    int granted; /* Require est has granted: for this operation and alias alone */
    const est_op_t *granted_op;
    int granted_alias;
};

/* The row of an operation's name, NULL when there is none */
const est_op_t *est_op_find(const char *name);

#endif
