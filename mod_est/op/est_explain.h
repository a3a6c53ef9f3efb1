/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_EXPLAIN_H
#define EST_EXPLAIN_H

/* What would become of a request: the judgement of the operations that issue, by the same functions, to its end, though
 * a rule has failed. Nothing is signed and nothing written. */

#include "est_op.h"
#include "policy/policy_decide.h"

/* The request that is asked about. Passwords and codes are taken to be right: there are none here. */
typedef struct {
    const char *alias, *operation; /* as in the path */
    est_slice_t body;
    const char *user;        /* who would log in, or NULL */
    const char *entity;      /* client mode: whose code would come, or NULL */
    X509 *leaf;              /* the client's certificate, or NULL */
    STACK_OF(X509) *chain;   /* what else it would send; may be NULL */
    const char *network;     /* address it would come from, or NULL: of no network that a client is bound to */
    apr_sockaddr_t *address; /* the same */
    apr_time_t now;
} est_explain_ask_t;

typedef struct {
    const char *rule;
    policy_verdict_t verdict;
    const char *wanted, *got; /* for people; NULL = nothing to say */
    const est_err_t *err;     /* FAIL; NULL: the request has to wait */
    int counts;               /* FAIL: this is what the client hears of */
} est_finding_t;

typedef struct {
    const est_finding_t *findings; /* in the order in which the server asks */
    int n;
    const policy_alias_t *alias; /* NULL: there is none */
    const policy_identity_t *identity;
    const est_err_t *err; /* why it is refused; NULL: it is not */
    int status;           /* of the answer */
    const char *text;     /* what the client is told, NULL unless it is refused */
    int pending; /* seconds after which it would ask again, since somebody has to approve, or the CA to answer; 0 = it
                    need not wait */
    const char *replay;          /* says which certificate would be handed out once more, or NULL */
    const policy_grant_t *grant; /* the certificate that would be made; NULL: none */
    const ca_facts_t *ca;        /* that would sign; NULL: not known */
} est_explanation_t;

/* service: its store is one that can explain, its guard is not used; no CA in it: rules that need the CA say so, and a
 * certificate that is under none of the alias's anchors is taken for one of the CA's. Fails on trouble of our own
 * alone, and with config where what is asked makes no sense at the alias. */
est_err_t *est_explain(est_explanation_t *out, const est_explain_ask_t *ask, const est_service_t *service,
                       apr_pool_t *pool);

#endif
