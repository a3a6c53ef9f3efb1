/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca.h"
#include "ca_cmp.h"
#include "ca_est.h"
#include "ca_local.h"

#include <apr_strings.h>
#include <string.h>

static const ca_driver_t *const drivers[] = {&ca_local_driver, &ca_est_driver, &ca_cmp_driver};

est_err_t *ca_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    const char *name = config->driver ? config->driver : ca_local_driver.name;

    for (apr_size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (!strcmp(drivers[i]->name, name))
            return drivers[i]->open(out, config, pool);
    return ca_in_block(EST_FAIL(pool, config, "there is no EstCADriver \"%s\" (known: local, est, cmp)", name), config,
                       pool);
}

est_err_t *ca_in_block(est_err_t *err, const ca_config_t *config, apr_pool_t *pool)
{
    if (err)
        err->detail = apr_psprintf(pool, "<EstCA %s> at %s: %s", config->name, config->where, est_err_text(err));
    return err;
}

apr_size_t ca_shared_size(const ca_t *ca)
{
    return (apr_size_t)ca->n_gates * ca_gate_size();
}

void ca_share(ca_t *ca, void *memory)
{
    ca->gates = memory;
}

int ca_status(const ca_gate_status_t **out, const ca_t *ca, apr_time_t now, apr_pool_t *pool)
{
    ca_gate_status_t *all = apr_pcalloc(pool, (apr_size_t)(ca->n_gates + 1) * sizeof(*all));
    int n = 0;

    for (; ca->guarded && ca->guarded[n]; n++) {
        all[n].name = ca->guarded[n];
        all[n].places = ca->rules->places;
        all[n].failures = ca->rules->failures;
        ca_gate_look(&all[n].look, (const ca_gate_t *)((const char *)ca->gates + (apr_size_t)n * ca_gate_size()),
                     ca->rules, now);
    }
    *out = all;
    return n;
}
