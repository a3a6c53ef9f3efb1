/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_refresh.h"
#include "est_tls.h"

#include <mod_watchdog.h>
#include <stdatomic.h>

#define WATCHDOG "est-refresh"
#define EVERY apr_time_from_sec(1)

typedef struct {
    const est_global_t *global;
    atomic_int begun;  /* the CAs have started: mod_watchdog's thread may be there before that */
    atomic_int ending; /* so is the process */
} refresh_t;

static refresh_t *the_refresh; /* of this configuration; NULL: there is nothing to look at */

/*
 * pool is emptied after each call. When a child ends, mod_watchdog says so (STOPPING: from its own thread when the end
 * is graceful and requests go on, else from the thread that ends the child) and joins its own, before anything of the
 * child's pool goes: it does so in a pre-cleanup. So this is never at work with what has gone, and what the end has to
 * wait for gives up within a second or so (ca_t.ending).
 */
static apr_status_t run(int state, void *data, apr_pool_t *pool)
{
    refresh_t *refresh = data;

    if (state == AP_WATCHDOG_STATE_STOPPING)
        atomic_store(&refresh->ending, 1);
    if (state != AP_WATCHDOG_STATE_RUNNING || !atomic_load(&refresh->begun))
        return APR_SUCCESS;
    for (int i = 0; i < refresh->global->n_cas && !atomic_load(&refresh->ending); i++) {
        ca_t *ca = refresh->global->cas[i];

        if (ca->driver->refresh)
            ca->driver->refresh(ca, pool);
    }
    est_tls_clear_errors();
    return APR_SUCCESS;
}

static int has_any(const est_global_t *global)
{
    for (int i = 0; i < global->n_cas; i++)
        if (global->cas[i]->driver->refresh)
            return 1;
    return 0;
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    the_refresh = NULL;
    return APR_SUCCESS;
}

void est_refresh_register(const est_global_t *global, apr_pool_t *pconf)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    refresh_t *refresh = apr_pcalloc(pconf, sizeof(*refresh));
    ap_watchdog_t *watchdog = NULL;

    refresh->global = global;
    if (!has_any(global) || !get || !add || get(&watchdog, WATCHDOG, 0, 0, pconf) != APR_SUCCESS ||
        add(watchdog, EVERY, refresh, run) != APR_SUCCESS)
        return;
    for (int i = 0; i < global->n_cas; i++)
        global->cas[i]->ending = &refresh->ending;
    the_refresh = refresh;
    apr_pool_cleanup_register(pconf, NULL, forget, apr_pool_cleanup_null);
}

void est_refresh_begin(void)
{
    if (the_refresh)
        atomic_store(&the_refresh->begun, 1);
}
