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
    const char *dropped;                     /* what policy left out of the request, or NULL */
    apr_int64_t code;                        /* enrolment code that is used up by this; 0 = none */
    const char *const *vendor; /* names of the device in the vendor's certificate that was presented; NULL: none was */
    int n_vendor;
    const char *order; /* id of the approved order that this carries out, or NULL */
    /* order_open alone */
    const unsigned char *order_key; /* 32 octets */
    est_slice_t csr;                /* for those who approve, and to forward */
    int lease; /* of an upstream CA: seconds after which an exchange with it is over, come what may; 0: no upstream */
} store_issue_t;

/* What became of an order that was forwarded, when it was not a certificate */
typedef enum {
    STORE_FORWARD_WAITS,  /* upstream has it, and is asked again after retry_after */
    STORE_FORWARD_UNSURE, /* upstream may have it: it is asked again when the client comes again */
    STORE_FORWARD_UNSENT, /* nobody has it */
    STORE_FORWARD_FAILED, /* it is over: rule and reason say why */
    STORE_FORWARD_KEPT    /* upstream has it, and the exchange goes on: who takes it over after the lease needs state */
} store_forward_kind_t;

typedef struct {
    const char *order;
    int attempt; /* as order_open said: one that another process has taken over since is left alone */
    store_forward_kind_t kind;
    const char *upstream; /* NULL: as it was */
    est_slice_t state;
    int retry_after;           /* WAITS: seconds; 0 = not said: the alias's */
    const char *rule, *reason; /* FAILED */
    est_slice_t answer;        /* FAILED: the certificate that was refused; n == 0: none came */
} store_forward_t;

/* A refusal of somebody who is authenticated, for the records */
typedef struct {
    /* As in store_issue_t. NULL: one that is not recorded, and counts against the client's rate; with rule suppressed
     * all of these, and reason says how many */
    const char *id;
    int alias; /* 0: of all */
    const char *operation;
    const policy_identity_t *identity;
    const char *network;
    const char *subject; /* requested */
    const pki_sans_t *san;
    const unsigned char *spki_hash; /* 32 octets */
    const char *rule, *reason;
} store_refusal_t;

typedef enum {
    STORE_ISSUED,  /* the row is committed: the certificate may leave */
    STORE_REPLAY,  /* an earlier certificate is to be handed out: der */
    STORE_REFUSED, /* rule says which: the name of an error */
    STORE_STALE,   /* rule says what changed meanwhile: policy, client, entity, or approval: open an order first */
    STORE_PENDING, /* somebody has to approve first: retry_after */
    STORE_GO,      /* order_open: sign, and record it with order, which may be NULL */
    STORE_FORWARD  /* order_open: forward it (csr, upstream, state), and record what comes with order */
} store_outcome_kind_t;

typedef struct {
    store_outcome_kind_t kind;
    const char *rule, *detail; /* in pool; NULL when the database gave none */
    est_slice_t der;           /* REPLAY; also ISSUED when a retry found another body recorded under the same id */
    const char *order;         /* GO, FORWARD, PENDING */
    /* FORWARD: this process's until the lease is over. csr is as it was first sent, upstream NULL when it is nowhere
     * yet */
    int attempt; /* counts from 1 */
    est_slice_t csr, state;
    const char *upstream;
    int waits_for_ca; /* PENDING: nobody here has to approve */
    int retry_after;  /* PENDING, REFUSED: seconds; 0 = not said */
} store_outcome_t;

/* What a rule of the database says of a request, for an explanation */
typedef struct {
    const char *rule;         /* as in store_outcome_t, or replay, order, approval */
    const char *verdict;      /* pass, fail, n/a */
    const char *wanted, *got; /* NULL = nothing to say */
    int retry_after;          /* seconds; 0 = not said */
} store_finding_t;

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
    /* Where a certificate needs approval: finds or opens the order of issue->order_key, before anything is signed. GO,
     * PENDING, REFUSED, REPLAY, STALE */
    est_err_t *(*order_open)(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *pool);
    /* After order_open said FORWARD: what became of it, unless record_issued has it. Of an order that is over, or
     * another process's, nothing is recorded: with KEPT that is an error, store_failed */
    est_err_t *(*order_forwarded)(store_t *store, const store_forward_t *forward, apr_pool_t *pool);
    /* *retry_after: seconds that the client has to wait by its rate; 0 = none */
    est_err_t *(*record_refused)(store_t *store, int *retry_after, const store_refusal_t *refusal, apr_pool_t *pool);
    /* The client registered by this certificate, by its fingerprint or else its subject; row->id NULL when there is
     * none */
    est_err_t *(*client_by_certificate)(store_t *store, policy_client_row_t *row, const pki_cert_t *cert,
                                        apr_pool_t *pool);
    /* The end entity of that name in the alias's group; NULL when there is none */
    est_err_t *(*entity_get)(store_t *store, policy_entity_t **out, int alias, const char *name, apr_pool_t *pool);
    /* What has to be done now and then: how many certificates were revoked since they were replaced long enough ago,
     * and how many orders have expired */
    est_err_t *(*maintain)(store_t *store, int *revoked, int *expired, apr_pool_t *pool);
    /* For administrators: what record_issued and order_open would say, in their order; writes nothing */
    est_err_t *(*explain_request)(store_t *store, store_finding_t **out, int *n, const store_issue_t *issue,
                                  apr_pool_t *pool);
} store_vtable_t;

/* Implementations put this first in their own struct */
struct store_t {
    const store_vtable_t *vt;
};

#endif
