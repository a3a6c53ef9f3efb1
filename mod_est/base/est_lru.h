/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_LRU_H
#define EST_LRU_H

/*
 * A bounded, thread-safe map from short keys to small values with expiry; the least recently used entry leaves when
 * it is full. Memory is taken with malloc and given back, so it stays flat however many keys pass through.
 */

#include "est_bytes.h"

#include <apr_time.h>

#define EST_LRU_KEY_MAX 64

typedef struct est_lru_t est_lru_t;

/* At most max entries. Lives until pool is cleared, which frees everything. */
est_err_t *est_lru_make(est_lru_t **out, int max, apr_pool_t *pool);
/* Copy of the value in pool, or 0 when there is none that is still valid at now */
int est_lru_get(est_lru_t *lru, est_slice_t key, apr_time_t now, est_slice_t *value, apr_pool_t *pool);
/* Replaces. Keys over EST_LRU_KEY_MAX octets are not stored (hash them first). Values are cleansed when they leave. */
void est_lru_put(est_lru_t *lru, est_slice_t key, apr_time_t expires, est_slice_t value);
void est_lru_drop(est_lru_t *lru, est_slice_t key);
void est_lru_drop_all(est_lru_t *lru);
int est_lru_size(est_lru_t *lru);

#endif
