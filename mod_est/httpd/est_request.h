/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_REQUEST_H
#define EST_REQUEST_H

/* What mod_est keeps of an httpd request: the request without httpd in it, and what became of it. */

#include "est_config.h"
#include "op/est_op.h"

typedef struct {
    est_req_t req; /* first: read_body gets back from it to the rest */
    request_rec *r;
    const est_location_t *location;
    est_service_t *service;
    int body_was_read;
    const char *authorization;     /* header as the client sent it; NULL = none */
    const char *basic_user;        /* of the Authorization header, where a password can play a role; NULL = none */
    const policy_entity_t *entity; /* client mode: whose code the password has to be; NULL = it is a client's */
    int code_verified;             /* and it is */
    int failure_counted;           /* of the password that came */
    est_err_t *bad_credentials; /* the Authorization header cannot be understood; NULL = it can, or does not matter */
    est_err_t *err;             /* what this request is refused with, once that is known */
    int logged;
} est_request_t;

/* The request's, NULL when it is not in an EST location or est_request_make was not called */
est_request_t *est_request_get(request_rec *r);
/* Gathers everything but the body. Fails with tls_required, internal, and as est_proxy_certificate does. */
est_err_t *est_request_make(est_request_t **out, request_rec *r, est_service_t *service);

/* Path behind the mount point of the location; "" when it is the mount point itself */
const char *est_request_path(const est_request_t *request);

/* 32 hex digits that name a request in the log, in an error body and in est.enrollment; NULL without random numbers */
const char *est_request_new_id(apr_pool_t *pool);

#endif
