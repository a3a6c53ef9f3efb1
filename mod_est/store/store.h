/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_H
#define STORE_H

/*
 * Where policy is read and issuing is recorded. The vtable is implemented by store_pg over PostgreSQL and by fakes in
 * tests. Every function fails with store_unavailable (no connection, time-out), store_failed (the server refused a
 * statement) or not_durable; details are for the log only.
 */

#include "policy/policy_access.h"
#include "policy/policy_snapshot.h"

typedef struct store_t store_t;

/* Everything record_issued writes and checks; the members are the function's parameters (docs/sql.md) */
typedef struct {
    const char *id; /* request id: 32 hex digits, made once per request, the same on every retry */
    int alias;
    apr_int64_t policy_version;
    const char *operation;
    const policy_identity_t *identity;
    const char *network; /* textual IP address of the client */
    const char *entity;
    const unsigned char *idem_key; /* 32 octets, or NULL: no idempotency */
    int idem_seconds;
    const char *ca, *issuer;
    const unsigned char *issuer_hash; /* 32 octets */
    est_slice_t serial;               /* INTEGER contents of the new certificate */
    const char *subject;
    const pki_sans_t *san;
    const unsigned char *spki_hash; /* 32 octets */
    apr_time_t not_before, not_after;
    est_slice_t der;
    const unsigned char *modulus_hash; /* PKI_KEY_MODULUS_HASH_SIZE octets (pki_key.h); NULL: the key is not RSA */
    const unsigned char *holder_issuer_hash; /* 32 octets, of the certificate presented; NULL: none */
} store_issue_t;

typedef enum {
    STORE_ISSUED,  /* the row is committed: the certificate may leave */
    STORE_REPLAY,  /* an earlier certificate is to be handed out: der */
    STORE_REFUSED, /* rule says which: certificate_revoked, certificate_unknown, key_blocked, name_refused */
    STORE_STALE    /* rule says what changed meanwhile: policy, client */
} store_outcome_kind_t;

typedef struct {
    store_outcome_kind_t kind;
    const char *rule, *detail; /* in pool; NULL when the database gave none */
    est_slice_t der;           /* REPLAY; also ISSUED when a retry found another body recorded under the same id */
} store_outcome_t;

typedef enum { STORE_HOLDER_VALID, STORE_HOLDER_REVOKED, STORE_HOLDER_UNKNOWN } store_holder_t;

typedef struct {
    /* All policy tables in one read-only transaction; pool becomes the snapshot's own */
    est_err_t *(*load_policy)(store_t *store, policy_snapshot_t **out, apr_pool_t *pool);
    est_err_t *(*policy_version)(store_t *store, apr_int64_t *out, apr_pool_t *pool);
    /* row->id NULL when there is no such client */
    est_err_t *(*client_get)(store_t *store, policy_client_row_t *row, const char *user, apr_pool_t *pool);
    est_err_t *(*record_issued)(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *pool);
    /* Status of a presented certificate at an alias */
    est_err_t *(*holder_status)(store_t *store, store_holder_t *out, int alias, const pki_cert_t *cert,
                                apr_pool_t *pool);
} store_vtable_t;

/* Implementations put this first in their own struct */
struct store_t {
    const store_vtable_t *vt;
};

#endif
