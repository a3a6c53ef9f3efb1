/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_SESSION_H
#define CA_CMP_SESSION_H

/* One CMP transaction (RFC 4210, RFC 9480, RFC 9483), by OpenSSL's client: request, polling, confirmation. */

#include "ca.h"

/* The settings of an <EstCA> block, immutable, shared by threads. Either cert and key, or reference and secret. */
typedef struct {
    int request;          /* OSSL_CMP_P10CR, OSSL_CMP_IR or OSSL_CMP_CR */
    int updates;          /* renewals of the CA's own certificates are sent as kur */
    int confirms;         /* implicit confirmation is not asked for: the CA is told of each certificate what we think */
    X509_NAME *recipient; /* to whom messages are addressed */
    X509 *cert;           /* protection by signature; NULL: by a shared secret */
    EVP_PKEY *key;
    STACK_OF(X509) *extra; /* sent along with cert: its chain; NULL = none */
    est_slice_t reference, secret;
    const ca_facts_t *facts;
    STACK_OF(X509) *trusted; /* whom the signers of answers must come from */
} ca_cmp_settings_t;

typedef struct ca_cmp_wire_t ca_cmp_wire_t;

/* How messages get there and back, and what of the transaction others than the CA are told */
struct ca_cmp_wire_t {
    /* message and answer: a PKIMessage each, DER, the answer in pool. Fails with ca_unavailable when message was not
     * sent, with ca_timeout, ca_answer and ca_refused (by what carries the messages) otherwise. */
    est_err_t *(*send)(ca_cmp_wire_t *wire, est_slice_t *answer, est_slice_t message, apr_pool_t *pool);
    /* Before a certificate is confirmed: the state to go on from. What fails here is not confirmed. */
    est_err_t *(*keep)(ca_cmp_wire_t *wire, est_slice_t state, apr_pool_t *pool);
    /* This certificate is not confirmed yet, for that reason of the CA's or of the way there: the client is told to
     * come again */
    void (*unconfirmed)(ca_cmp_wire_t *wire, est_slice_t der, const char *why, apr_pool_t *pool);
    /* The CA does not know any more whether this certificate was confirmed, and another one is about to be asked for */
    void (*lost)(ca_cmp_wire_t *wire, est_slice_t der, apr_pool_t *pool);
};

/*
 * Starts a transaction, or goes on with the one that state has (n == 0: none): it comes from answer->state of before,
 * of any process; when the CA knows that one no more, another is begun. Fills in answer but for upstream, and fails, as
 * ca_driver_t.issue does. A transaction that was accepted is never lost: when the way breaks after that, it waits.
 *
 * Confirmation (certConf, answered by pkiConf; RFC 4210 5.3.18, RFC 9483 4.1.1), where the CA has not done without:
 * From certConf on the certificate counts at the CA, and without one the CA takes it back after a while. So the state
 * is on record before certConf leaves, and the certificate is the client's after pkiConf alone. In between, that is
 * when pkiConf does not come in time, what comes is no CMP message (of a server in front of the CA), or the process
 * ends, the order goes on from the certificate: certConf is sent again. Then
 *
 * - pkiConf, or the error certConfirmed: it is confirmed, and the client gets it.
 *
 * - badRequest or badRecipientNonce: the CA has forgotten the transaction. One that keeps to RFC 4210 would have said
 *   certConfirmed, so that it was not confirmed, and is taken back: another one is asked for, and wire->lost told of
 *   the first.
 *
 * A certificate handed out before pkiConf might be one that the CA revokes, and one asked for anew before the CA has
 * said that there is none might be the second. One that is wrong is rejected once, and the order is over: a CA that
 * does not hear it takes it back as one that nobody has confirmed. A poll that gets an error of HTTP ends the order,
 * too: there is no certificate yet that could be lost.
 */
est_err_t *ca_cmp_session(ca_answer_t *answer, est_slice_t state, const ca_cmp_settings_t *settings,
                          ca_cmp_wire_t *wire, const ca_request_t *request, apr_pool_t *pool);

#endif
