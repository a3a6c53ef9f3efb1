/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Every allocation of a pool is one of malloc() here, so that AddressSanitizer sees what runs over its end, and what is
 * used when the pool is gone. This apr_palloc() comes before that of libapr, also for libapr's own calls; only
 * apr_psprintf() takes memory without it.
 */
#include "fuzz.h"

#include <apr_pools.h>
#include <dlfcn.h>
#include <stddef.h>

#undef apr_palloc

typedef struct block_t block_t;
struct block_t {
    block_t *next;
    max_align_t octets[];
};

/* The blocks of one pool */
typedef struct {
    apr_pool_t *pool;
    block_t *blocks;
} owner_t;

/* More pools than that at a time have no need of one */
#define OWNERS_MAX 64
static owner_t owners[OWNERS_MAX];
static int registering;

static apr_status_t free_blocks(void *data)
{
    owner_t *owner = data;

    while (owner->blocks) {
        block_t *block = owner->blocks;

        owner->blocks = block->next;
        free(block);
    }
    owner->pool = NULL;
    return APR_SUCCESS;
}

/* The cleanup is the pool's first and so runs last: other cleanups still use the memory */
static owner_t *owner_of(apr_pool_t *pool)
{
    owner_t *empty = NULL;

    for (int i = 0; i < OWNERS_MAX; i++) {
        if (owners[i].pool == pool)
            return &owners[i];
        if (!owners[i].pool && !empty)
            empty = &owners[i];
    }
    if (empty) {
        empty->pool = pool;
        registering = 1;
        apr_pool_cleanup_register(pool, empty, free_blocks, apr_pool_cleanup_null);
        registering = 0;
    }
    return empty;
}

static void *libapr_palloc(apr_pool_t *pool, apr_size_t size)
{
    static void *(*real)(apr_pool_t *, apr_size_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "apr_palloc");
    return real(pool, size);
}

void *apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    owner_t *owner = registering ? NULL : owner_of(pool);
    block_t *block;

    if (!owner)
        return libapr_palloc(pool, size);
    block = malloc(sizeof(*block) + size);
    if (!block)
        abort();
    block->next = owner->blocks;
    owner->blocks = block;
    return block->octets;
}

apr_pool_t *fuzz_pool(void)
{
    static int initialized;
    apr_pool_t *pool;

    if (!initialized && (apr_initialize() != APR_SUCCESS || atexit(apr_terminate)))
        abort();
    initialized = 1;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
    return pool;
}
