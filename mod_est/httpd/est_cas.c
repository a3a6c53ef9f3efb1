/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_cas.h"
#include "est_log.h"
#include "est_tls.h"

#include <apr_shm.h>
#include <apr_strings.h>
#include <stdint.h>

#define CACHE_LINE ((apr_size_t)64) /* the gates of one CA share none with another's */

int est_cas_open(est_global_t *global, apr_pool_t *pconf, server_rec *s)
{
    int status = OK;

    global->n_cas = 0;
    global->cas = apr_pcalloc(pconf, ((apr_size_t)global->ca_configs->nelts + 1) * sizeof(*global->cas));
    for (int i = 0; i < global->ca_configs->nelts; i++) {
        const ca_facts_t *facts;
        ca_t *ca;
        est_err_t *err = ca_open(&ca, &APR_ARRAY_IDX(global->ca_configs, i, ca_config_t), pconf);

        if (err) {
            est_log_error(s, EST_LOG_ERROR, err, NULL);
            status = HTTP_INTERNAL_SERVER_ERROR;
            continue;
        }
        if (ca->warning)
            est_log_error(s, EST_LOG_WARNING, EST_FAIL(pconf, config, "%s", ca->warning), NULL);
        global->cas[global->n_cas++] = ca;
        for (int k = 0; k < ca->n_keys; k++)
            est_config_reserve_key(global, ca->keys[k]);
        if (ca->driver->facts(ca, &facts, pconf))
            continue; /* an upstream's, which are not known yet */
        for (int k = 0; k < facts->n_certs; k++)
            est_config_reserve_key(global, facts->certs[k]);
    }
    return status;
}

static apr_size_t whole_lines(apr_size_t size)
{
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

void est_cas_share(est_global_t *global, apr_pool_t *pconf, server_rec *s)
{
    apr_size_t size = 0;
    apr_shm_t *shm;
    char *memory;

    for (int i = 0; i < global->n_cas; i++)
        size += whole_lines(ca_shared_size(global->cas[i]));
    if (!size)
        return;
    /* APR puts a word of its own before what it returns */
    if (apr_shm_create(&shm, size + CACHE_LINE, NULL, pconf) != APR_SUCCESS) {
        est_log_error(s, EST_LOG_WARNING, EST_FAIL(pconf, internal, "no shared memory for the gates of the CAs"),
                      "EstCAConcurrency, EstCAFailures and EstCACooldown hold for each process by itself");
        return;
    }
    memory = apr_shm_baseaddr_get(shm);
    memset(memory, 0, size + CACHE_LINE);
    memory += whole_lines((uintptr_t)memory) - (uintptr_t)memory;
    for (int i = 0; i < global->n_cas; i++)
        if (ca_shared_size(global->cas[i])) {
            ca_share(global->cas[i], memory);
            memory += whole_lines(ca_shared_size(global->cas[i]));
        }
}

void est_cas_start(const est_global_t *global, const est_env_t *env, apr_pool_t *pchild, server_rec *s)
{
    for (int i = 0; i < global->n_cas; i++) {
        ca_t *ca = global->cas[i];
        est_err_t *err = ca->driver->start(ca, env, pchild);

        if (err)
            est_log_error(s, EST_LOG_ERROR, err,
                          apr_psprintf(pchild, "<EstCA %s> issues nothing in this process", ca->name));
    }
    est_tls_clear_errors();
}
