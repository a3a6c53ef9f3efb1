/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ONCE_H
#define EST_ONCE_H

/*
 * Dear work that several threads of a process want at the same time is done by one of them while the others wait. No
 * more than so many works are under way, and no more than so many threads are busy with them or wait: else whoever
 * sends the same few requests many times over would have all threads. What comes of a work is kept elsewhere
 * (est_lru.h).
 */

#include "est_bytes.h"

#define EST_ONCE_KEY 32 /* octets of a key: a digest of all that makes two works the same */

typedef struct est_once_t est_once_t;

typedef enum {
    EST_ONCE_MINE, /* the caller works, and says est_once_end() whatever comes of it */
    EST_ONCE_DONE, /* another thread did, and the caller has waited for it: look what came of it, or begin again */
    EST_ONCE_FULL  /* there is no room: nothing was waited for */
} est_once_turn_t;

/* At most max works at a time, and max_threads threads that work or wait. Lives until pool is cleared; no thread may be
 * in it then. */
est_err_t *est_once_make(est_once_t **out, int max, int max_threads, apr_pool_t *pool);
est_once_turn_t est_once_begin(est_once_t *once, const unsigned char key[EST_ONCE_KEY]);
void est_once_end(est_once_t *once, const unsigned char key[EST_ONCE_KEY]);

#endif
