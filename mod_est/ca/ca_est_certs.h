/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_EST_CERTS_H
#define CA_EST_CERTS_H

/*
 * The certificates of a CA behind another EST server: those of EstCACertificate, or what the server's cacerts says,
 * which is looked at again from time to time. The last good copy is used while the server is down, and is kept in a
 * file, so that it outlives a restart.
 */

#include "ca_remote.h"

/* Shared by threads */
typedef struct ca_est_certs_t ca_est_certs_t;

/* remote: where to ask; open before. The last good copy is read here. *warning: why it could not be, or NULL. Fails
 * with config or file. */
est_err_t *ca_est_certs_open(ca_est_certs_t **out, const char **warning, ca_remote_t *remote, const ca_config_t *config,
                             apr_pool_t *pool);
est_err_t *ca_est_certs_start(ca_est_certs_t *certs, apr_pool_t *pool);

/* Given by EstCACertificate: nobody is asked? */
int ca_est_certs_pinned(const ca_est_certs_t *certs);

/* Those of now. Who finds that there are none asks for them; where that is in vain, those that another process has put
 * into the file meanwhile will do. That they are old is for ca_est_certs_refresh to find; who finds it while nobody
 * calls that asks for them, meanwhile others go on with those of before. Fails with ca_unavailable while there are
 * none. */
est_err_t *ca_est_certs_get(ca_est_certs_t *certs, const ca_facts_t **out, apr_pool_t *pool);

/* ca_driver_t.refresh: asks when there are none yet, so that each process has a copy before the upstream goes down, and
 * when those that there are have got old. */
void ca_est_certs_refresh(ca_est_certs_t *certs, apr_pool_t *pool);

/* A certificate came whose issuer is not among those of before: *out gets newer ones, of upstream if nobody else has
 * them yet, or stays NULL when there are none. */
est_err_t *ca_est_certs_renew(ca_est_certs_t *certs, const ca_facts_t **out, const ca_facts_t *before,
                              const char *upstream, apr_time_t deadline, apr_pool_t *pool);

typedef struct {
    const char *upstream, *operation;
    apr_time_t deadline;
    const atomic_int *ending; /* as in ca_http_ask_t */
} ca_est_get_t;

/* GET upstream/operation, decoded. Fails with ca_unavailable, ca_answer; internal when it is given up. */
est_err_t *ca_est_get(est_slice_t *out, ca_remote_t *remote, const ca_est_get_t *get, apr_pool_t *pool);

#endif
