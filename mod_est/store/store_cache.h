/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

/*
 * What a process remembers of the store: the policy snapshot and the rows of registered clients. Changes arrive by
 * notification (store_pg_listen) or, where nobody listens, are asked for at most every STORE_CACHE_POLL.
 */

#include "base/est_env.h"
#include "base/est_lru.h"
#include "store.h"

#define STORE_CACHE_POLL APR_TIME_C(500000) /* microseconds */
#define STORE_CACHE_CLIENT_TTL apr_time_from_sec(300)
#define STORE_CACHE_CERTIFICATE_TTL apr_time_from_sec(60)

typedef struct store_cache_t store_cache_t;

/* store and env are borrowed. The cache lives until pool is cleared. */
est_err_t *store_cache_make(store_cache_t **out, store_t *store, const est_env_t *env, apr_pool_t *pool);

/* A snapshot read elsewhere (by the parent process, before the fork), to start with; it is never confirmed. It must
 * live longer than the cache. */
void store_cache_seed(store_cache_t *cache, const policy_snapshot_t *snapshot);

/* The current snapshot, held until pool is cleared. The first call, and each call when nobody listens and the last
 * confirmation is older than STORE_CACHE_POLL, asks the store; when that fails, an older snapshot is still handed out,
 * and with none at all policy_unavailable is returned. max_age, microseconds, 0 = none: fail with policy_unavailable
 * when the snapshot was last confirmed longer ago. */
est_err_t *store_cache_policy(store_cache_t *cache, const policy_snapshot_t **out, apr_interval_time_t max_age,
                              apr_pool_t *pool);

/* The same for a request that changes nothing: while another thread asks, and for 5 seconds after asking has failed,
 * the snapshot at hand will do, however old. */
est_err_t *store_cache_policy_at_hand(store_cache_t *cache, const policy_snapshot_t **out, apr_pool_t *pool);

/* The client's row, from memory or the store; *out NULL when there is no such client (remembered for 5 seconds). */
est_err_t *store_cache_client(store_cache_t *cache, policy_client_t **out, const char *user, apr_pool_t *pool);
/* The same of the client that is registered by a certificate (store_vtable_t.client_by_certificate). Remembered for
 * STORE_CACHE_CERTIFICATE_TTL, that there is none for a second, and neither beyond a change of any client: who is known
 * by a certificate does not follow from a user's name. */
est_err_t *store_cache_client_by_certificate(store_cache_t *cache, policy_client_t **out, const pki_cert_t *cert,
                                             apr_pool_t *pool);
void store_cache_drop_client(store_cache_t *cache, const char *user); /* NULL: all */

/* Loads the snapshot anew: after `stale`, and by the listener */
est_err_t *store_cache_reload(store_cache_t *cache, apr_pool_t *pool);
/* The listener's: version is what the database says now. Reloads when it is another one than ours, and confirms. */
est_err_t *store_cache_confirm(store_cache_t *cache, apr_int64_t version, apr_pool_t *pool);
void store_cache_set_listening(store_cache_t *cache, int listening);

#endif
