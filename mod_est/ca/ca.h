/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_H
#define CA_H

/*
 * Certificate authorities: a driver table, a row per way of having a certificate signed. local signs with a key that
 * this server or its token holds; remote drivers (est, cmp) forward the request to an upstream CA.
 */

#include "base/est_env.h"
#include "ca_gate.h"
#include "pki/pki_cert.h"
#include "pki/pki_path.h"

#include <apr_tables.h>
#include <stdatomic.h>

typedef struct ca_t ca_t;
typedef struct ca_request_t ca_request_t;

/* The members of an <EstCA> block; NULL = not given. Numbers are what the directives' defaults say when not given. */
typedef struct {
    const char *name;
    const char *driver, *certificate, *chain;
    /* local */
    const char *key;        /* a file, or a pkcs11: URI (RFC 7512) */
    const char *passphrase; /* of the key file, or the token's PIN: file:PATH or exec:PROGRAM */
    const char *key_module; /* PKCS#11 module; NULL: p11-kit's proxy, which knows those of the system */
    /* est, cmp */
    const apr_array_header_t *upstreams; /* of const char *: URLs, the preferred one first; NULL = none */
    const char *trust;                   /* PEM: whom the upstreams' TLS certificates must come from */
    const char *client_certificate, *client_key, *client_passphrase; /* TLS client certificate */
    const char *user, *password;                                     /* Basic; password as passphrase */
    const char *proxy;                                               /* http://host:port; NULL: none, whatever the
                                                                        environment says */
    const char *cache;                    /* est: file with the last good copy of the upstream's cacerts */
    const apr_array_header_t *extensions; /* of const char *: OIDs of extensions that the CA adds of its own accord */
    int timeout, connect_timeout;         /* seconds: of a whole exchange, fail-over included; of a connection */
    int refresh;                          /* est: seconds between two looks at the upstream's cacerts */
    /* est, cmp, and local where the key is in a token */
    int concurrency; /* requests at one upstream, or token, at the same time, of all processes of this httpd */
    int failures;    /* in a row, after which an upstream or token is left alone */
    int cooldown;    /* seconds, for a first time; doubles each time up to CA_GATE_MAX_COOLDOWN */
    /* cmp */
    const char *cmp_request;                                /* p10cr, ir or cr; NULL = p10cr */
    const char *cmp_confirm;                                /* implicit or explicit; NULL = implicit */
    const char *cmp_renewal;                                /* kur or same; NULL = kur, with p10cr same */
    const char *cmp_recipient;                              /* DN, as in "/CN=CA/O=Example"; NULL: the CA's subject */
    const char *cmp_certificate, *cmp_key, *cmp_passphrase; /* protection by signature */
    const char *cmp_reference, *cmp_secret;                 /* protection by a shared secret; secret as passphrase */
    const char *cmp_trust; /* PEM: whom the signers of the CA's messages must come from; NULL: certificate and chain */
    const char *where;     /* "file:line" of the block, for messages */
} ca_config_t;

/* What is known of a CA's certificates. Immutable; a remote CA's may be followed by newer ones, and then stay as they
 * are as long as the process. */
typedef struct {
    X509 *cert;           /* its own, the first of issuers */
    X509 *const *issuers; /* those that sign certificates of end entities: more than one during a rollover */
    int n_issuers;
    pki_issuer_t issuer;      /* of cert, for those who judge */
    const est_slice_t *certs; /* what cacerts returns: itself first, then the chain to the root, DER */
    int n_certs;
    est_slice_t cacerts; /* the certs-only message of these, DER */
} ca_facts_t;

/* Asked of each certificate that an upstream returns, before anything is done with it: NULL when it is what was
 * granted, else an error, ca_wrong. der lives as long as pool. */
typedef est_err_t *ca_check_t(const ca_request_t *request, est_slice_t der, apr_pool_t *pool);

/* Told by a driver in the midst of an exchange, before it sends what changes the certificate's fate: upstream has the
 * request, and whoever has state can go on from there. On record when it returns NULL; else nothing may be sent. */
typedef est_err_t *ca_keep_t(const ca_request_t *request, const char *upstream, est_slice_t state, apr_pool_t *pool);

/* What is to be signed. Borrowed by the driver for the call. */
struct ca_request_t {
    const pki_tbs_t *tbs; /* what policy granted: local signs it; remote drivers may describe it (cmp: ir, cr, kur) */
    const ca_facts_t *facts; /* that it was granted with */
    apr_time_t now;
    /* remote drivers */
    est_slice_t csr; /* PKCS#10, DER, as it was first sent: it is forwarded unchanged (est; cmp: p10cr) */
    X509 *holder;    /* the certificate that is renewed; NULL: none */
    ca_check_t *check;
    ca_keep_t *keep;      /* NULL: nothing is written down */
    const void *granted;  /* check's and keep's own: a driver may copy the request, so that it is part of nothing */
    const char *upstream; /* where the request is already, or may be: NULL, or what an answer said before */
    est_slice_t state;    /* n == 0, or what an answer said before */
    /* Not 0: no client waits for it, which a driver asks of its own accord. It is given up when the process ends, and
     * that it fails does not close a gate: upstreams that nobody needs are not left alone longer and longer. */
    int background;
};

/* What became of it. Also filled in when the driver fails: then upstream != NULL says that the request may have been
 * received there, der which certificate was returned (ca_wrong; ca_refused and ca_answer: to its confirmation).
 * Everything in pool. */
typedef struct {
    est_slice_t der;      /* the certificate; n == 0: it waits */
    int retry_after;      /* it waits: seconds after which to ask again; 0 = the upstream did not say */
    const char *upstream; /* URL of the upstream that has it; NULL: nobody has it */
    est_slice_t state;    /* what the driver needs to go on, in any process; n == 0: nothing */
} ca_answer_t;

typedef struct {
    const char *name; /* of EstCADriver */
    /* Forwards: the request is recorded before it leaves (ca_request_t.upstream, state), and may have to wait */
    int remote;
    /* Loads and checks everything that needs no network and no token: fails with config or file. Called in the parent,
     * at configuration check. Everything lives in pool. */
    est_err_t *(*open)(ca_t **out, const ca_config_t *config, apr_pool_t *pool);
    /* In each process that is to sign, once, before the first request; pool is the process's, env lives as long. What
     * is not there yet (token, upstream) is no error: it may come. */
    est_err_t *(*start)(ca_t *ca, const est_env_t *env, apr_pool_t *pool);
    /* Those of now. Fails with ca_unavailable while there are none yet. */
    est_err_t *(*facts)(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool);
    /*
     * Has it signed; the request was judged before. Fails with
     *   ca_failed       the key does not sign (local)
     *   ca_unavailable  nothing was sent: token or upstreams cannot be reached, or are left alone for a while
     *   ca_busy         nothing was sent: as many requests as may be are there
     *   ca_timeout      sent, and no answer in time: it may have been carried out
     *   ca_refused      the upstream says no; the detail has its words
     *   ca_answer       the upstream's answer makes no sense
     *   ca_wrong        the certificate that came is not what was granted: answer->der
     *   alias_broken    requests of this kind cannot be forwarded
     */
    est_err_t *(*issue)(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *pool);
    /* NULL, or: looks at what facts says, for a first time and then when it is time to, so that no request has to wait
     * for that. Called every second or so, by one thread of a process that has started; returns at once when nothing is
     * due, else within ca_t.lease. What fails is logged and tried again later. pool is for the call alone. */
    void (*refresh)(ca_t *ca, apr_pool_t *pool);
} ca_driver_t;

/* Drivers put this first in their own struct. Shared by threads; what changes is the driver's to guard. */
struct ca_t {
    const ca_driver_t *driver;
    const char *name;
    int lease;     /* seconds after which an exchange with an upstream is over, come what may; 0: local */
    int unchanged; /* the client's PKCS#10 itself goes to the upstream: its signature must fit */
    const char *const *extensions; /* OIDs of extensions that an upstream adds of its own accord, NULL behind the last;
                                      NULL: none */
    int n_gates;                   /* upstreams, or tokens, that are guarded by a gate (ca_gate.h) */
    void *gates;                   /* n_gates of them, of this process; ca_share puts them elsewhere */
    const char *const *guarded;    /* what the first of them stand before, for people: URLs, or a key's URI, without
                                      secrets; NULL behind the last; NULL: nothing */
    const ca_gate_rules_t *rules;  /* of these */
    const est_slice_t *keys; /* certificates, DER, of further keys that the server holds (TLS client, CMP): reserved */
    int n_keys;
    const char *warning;      /* worth a line in the log at start, or NULL */
    const atomic_int *ending; /* NULL, or: 1 once the process ends, gracefully too; refresh is not to delay that */
};

/* Finds the driver by config->driver (default local) and opens it */
est_err_t *ca_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool);

/* err, which may be NULL, with the block that it happened in: for drivers' open */
est_err_t *ca_in_block(est_err_t *err, const ca_config_t *config, apr_pool_t *pool);

/* Octets of shared memory that the gates of ca take; 0: it has none. ca_share has them there from now on: before the
 * first request, and before the process forks. memory is zero, aligned for any type, and lives as long as ca. */
apr_size_t ca_shared_size(const ca_t *ca);
void ca_share(ca_t *ca, void *memory);

/* One gate of a CA, and what it may have */
typedef struct {
    const char *name; /* what it stands before: an upstream's URL, or the pkcs11: URI of a key */
    ca_gate_look_t look;
    int places, failures; /* EstCAConcurrency, EstCAFailures */
} ca_gate_status_t;

/* Returns how many *out has, which is in pool: 0 for a key in a file. Asks nobody, waits for nobody, changes nothing.
 */
int ca_status(const ca_gate_status_t **out, const ca_t *ca, apr_time_t now, apr_pool_t *pool);

#endif
