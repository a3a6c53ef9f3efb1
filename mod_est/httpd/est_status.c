/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_status.h"
#include "est_config.h"

#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <mod_status.h>

/* What one page is made with */
typedef struct {
    request_rec *r;
    int named; /* what stands behind a gate is named, as clients are: with ExtendedStatus On */
    int tables;
} page_t;

static const char *state_word(const ca_gate_look_t *look)
{
    static const char *const words[] = {
        [CA_GATE_IS_OPEN] = "open", [CA_GATE_IS_CLOSED] = "closed", [CA_GATE_IS_HALF_OPEN] = "half-open"};

    return words[look->state];
}

/* ---- for programs: ?auto */

static void say_ca(const page_t *page, const ca_t *ca, const ca_gate_status_t *gates, int n)
{
    request_rec *r = page->r;

    ap_rprintf(r, "EstCA[%s]Driver: %s\nEstCA[%s]Gates: %d\n", ca->name, ca->driver->name, ca->name, n);
    for (int i = 0; i < n; i++) {
        const char *key = apr_psprintf(r->pool, "EstCA[%s]Gate[%d]", ca->name, i);

        if (page->named)
            ap_rprintf(r, "%sName: %s\n", key, gates[i].name);
        ap_rprintf(r, "%sState: %s\n%sWaitSeconds: %d\n", key, state_word(&gates[i].look), key, gates[i].look.wait);
        ap_rprintf(r, "%sRequests: %d\n%sRequestsMax: %d\n", key, gates[i].look.inside, key, gates[i].places);
        ap_rprintf(r, "%sFailures: %d\n%sFailuresMax: %d\n", key, gates[i].look.failures, key, gates[i].failures);
    }
}

/* ---- for people */

static void put_cells(const page_t *page, const char *const *cells)
{
    int n = 0;

    ap_rputs(page->tables ? "<tr>" : "<p>", page->r);
    for (; cells[n]; n++)
        ap_rvputs(page->r,
                  page->tables ? "<td>"
                  : n          ? "; "
                               : "",
                  ap_escape_html(page->r->pool, cells[n]), page->tables ? "</td>" : "", NULL);
    ap_rputs(page->tables ? "</tr>\n" : "</p>\n", page->r);
}

static void show_ca(const page_t *page, const ca_t *ca, const ca_gate_status_t *gates, int n)
{
    apr_pool_t *pool = page->r->pool;

    if (!n) {
        const char *cells[] = {ca->name, ca->driver->name, "a key in a file", NULL};

        put_cells(page, cells);
    }
    for (int i = 0; i < n; i++) {
        const ca_gate_look_t *look = &gates[i].look;
        const char *cells[] = {ca->name,
                               ca->driver->name,
                               page->named ? gates[i].name : apr_psprintf(pool, "Gate[%d]", i),
                               look->state == CA_GATE_IS_CLOSED
                                   ? apr_psprintf(pool, "closed, tried again in %d s", look->wait)
                                   : state_word(look),
                               apr_psprintf(pool, "%d of %d requests", look->inside, gates[i].places),
                               apr_psprintf(pool, "%d of %d failures", look->failures, gates[i].failures),
                               NULL};

        put_cells(page, cells);
    }
}

/* ---- both */

/* mod_status calls it for each page, whatever ExtendedStatus says */
static int show(request_rec *r, int flags)
{
    const est_global_t *global = est_config_global(r->server);
    page_t page = {r, flags & AP_STATUS_EXTENDED, !(flags & AP_STATUS_NOTABLE)};
    int is_short = flags & AP_STATUS_SHORT;
    apr_time_t now = apr_time_now();

    if (!global->n_cas)
        return DECLINED;
    if (!is_short)
        ap_rputs("<hr />\n<h2>EST: certification authorities</h2>\n", r);
    if (!is_short && page.tables)
        ap_rputs("<table border=\"0\"><tr><th>EstCA</th><th>driver</th><th>upstream or token</th><th>gate</th>"
                 "<th>there now</th><th>in a row</th></tr>\n",
                 r);
    for (int i = 0; i < global->n_cas; i++) {
        const ca_gate_status_t *gates;
        int n = ca_status(&gates, global->cas[i], now, r->pool);

        if (is_short)
            say_ca(&page, global->cas[i], gates, n);
        else
            show_ca(&page, global->cas[i], gates, n);
    }
    if (!is_short && page.tables)
        ap_rputs("</table>\n", r);
    return OK;
}

void est_status_register_hooks(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, show, NULL, NULL, APR_HOOK_MIDDLE);
}
