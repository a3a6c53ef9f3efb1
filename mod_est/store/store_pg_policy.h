/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_POLICY_H
#define STORE_PG_POLICY_H

/* Reading policy: tables into rows, rows into a snapshot. */

#include "policy/policy_snapshot.h"
#include "store_pg_conn.h"

/* The version in the result of statement policy_version */
est_err_t *store_pg_policy_version_of(apr_int64_t *out, const PGresult *result, apr_pool_t *pool);
est_err_t *store_pg_policy_version(apr_int64_t *out, store_pg_conn_t *conn, apr_time_t deadline, apr_pool_t *pool);

/* All tables in one REPEATABLE READ, READ ONLY transaction, so that the version fits what was read. snapshot_pool
 * becomes the snapshot's; pool is for what is needed on the way. After an error conn may be inside of a transaction
 * still. */
est_err_t *store_pg_policy_load(policy_snapshot_t **out, store_pg_conn_t *conn, apr_time_t deadline,
                                apr_pool_t *snapshot_pool, apr_pool_t *pool);

#endif
