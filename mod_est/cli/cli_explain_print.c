/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_explain.h"

#include "cli_print.h"
#include "pki/pki_ext.h"
#include "pki/pki_time.h"
#include "policy/policy_names.h"

#include <apr_strings.h>

static const char *verdict_of(const est_finding_t *finding)
{
    static const char *const verdicts[] = {
        [POLICY_PASS] = "pass", [POLICY_FAIL] = "fail", [POLICY_NOT_APPLICABLE] = "n/a"};

    return verdicts[finding->verdict];
}

static const char *outcome_of(const est_explanation_t *x)
{
    return x->err ? "refused" : x->pending ? "pending" : x->replay ? "replay" : "issued";
}

static const char *kind_of(const est_explanation_t *x)
{
    static const char *const kinds[] = {NULL, "user", "certificate", "entity", "vendor", "ra"};

    return kinds[x->identity->kind];
}

static const char *digest_of(const est_explanation_t *x)
{
    return pki_cert_digest_text(x->ca ? x->ca->cert : NULL, x->grant->digest);
}

/* --- JSON */

static json_t *text(const char *value)
{
    return value ? json_string(value) : json_null();
}

static json_t *json_of_rules(const est_explanation_t *x)
{
    json_t *rules = json_array();

    for (int i = 0; i < x->n; i++) {
        const est_finding_t *f = &x->findings[i];
        const est_err_row_t *row = f->err ? est_err_row(f->err->code) : NULL;
        json_t *rule = json_object();

        json_object_set_new(rule, "rule", text(f->rule));
        json_object_set_new(rule, "verdict", text(verdict_of(f)));
        json_object_set_new(rule, "wanted", text(f->wanted));
        json_object_set_new(rule, "got", text(f->got));
        json_object_set_new(rule, "error", text(row ? row->name : NULL));
        json_object_set_new(rule, "status", row ? json_integer(row->status) : json_null());
        json_array_append_new(rules, rule);
    }
    return rules;
}

static json_t *json_of_extensions(const cli_t *cli, const policy_grant_t *grant)
{
    json_t *array = json_array();

    for (int i = 0; i < grant->n_exts; i++) {
        pki_ext_text_t ext = pki_ext_text(grant->exts[i], cli->pool);
        json_t *object = json_object();

        json_object_set_new(object, "name", text(ext.name));
        json_object_set_new(object, "oid", text(ext.oid));
        json_object_set_new(object, "critical", json_boolean(ext.critical));
        json_object_set_new(object, "text", text(ext.text));
        json_object_set_new(object, "der", text(est_hex(grant->exts[i], cli->pool)));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *json_of_certificate(const cli_t *cli, const est_explanation_t *x)
{
    const policy_grant_t *grant = x->grant;
    json_t *object = json_object(), *san = json_array();

    if (!grant) {
        json_decref(object);
        json_decref(san);
        return json_null();
    }
    for (int i = 0; i < grant->san.n_names; i++)
        json_array_append_new(san, text(pki_san_text(&grant->san.names[i], cli->pool)));
    json_object_set_new(object, "subject", text(grant->subject->text));
    json_object_set_new(object, "san", san);
    json_object_set_new(object, "not_before", text(pki_time_text(grant->not_before, cli->pool)));
    json_object_set_new(object, "not_after", text(pki_time_text(grant->not_after, cli->pool)));
    json_object_set_new(object, "spki_hash", text(est_hex(est_slice(grant->spki_hash, PKI_SHA256_SIZE), cli->pool)));
    json_object_set_new(object, "digest", text(digest_of(x)));
    json_object_set_new(object, "extensions", json_of_extensions(cli, grant));
    json_object_set_new(object, "entity", text(grant->entity));
    json_object_set_new(object, "dropped", text(grant->dropped));
    return object;
}

static est_err_t *print_json(const cli_t *cli, const est_explain_ask_t *ask, const est_explanation_t *x)
{
    json_t *report = json_object(), *identity = json_object();

    json_object_set_new(identity, "kind", text(kind_of(x)));
    json_object_set_new(identity, "name", text(x->identity->name));
    json_object_set_new(report, "alias", text(ask->alias));
    json_object_set_new(report, "operation", text(ask->operation));
    json_object_set_new(report, "outcome", text(outcome_of(x)));
    json_object_set_new(report, "status", json_integer(x->status));
    json_object_set_new(report, "error", text(x->err ? est_err_row(x->err->code)->name : NULL));
    json_object_set_new(report, "text", text(x->text));
    json_object_set_new(report, "retry_after", x->pending ? json_integer(x->pending) : json_null());
    json_object_set_new(report, "replay", text(x->replay));
    json_object_set_new(report, "identity", identity);
    json_object_set_new(report, "rules", json_of_rules(x));
    json_object_set_new(report, "certificate", json_of_certificate(cli, x));
    return cli_print_json_out(cli, report);
}

/* --- for people */

static est_err_t *print_rules(const cli_t *cli, const est_explanation_t *x)
{
    static const char *const names[] = {"rule", "verdict", "wanted", "got", NULL};
    store_pg_table_t *table = cli_print_table_make(names, cli->pool);

    for (int i = 0; i < x->n; i++) {
        const est_finding_t *f = &x->findings[i];

        cli_print_table_add(
            table, (const char *const[]){f->rule, f->counts ? "FAIL" : verdict_of(f), f->wanted, f->got}, cli->pool);
    }
    return cli_print_table(cli, table);
}

static void print_line(const cli_t *cli, const char *name, const char *value)
{
    if (value)
        printf("  %-12s %s\n", name, cli_print_shown(value, cli->pool));
}

static void print_certificate(const cli_t *cli, const est_explanation_t *x)
{
    const policy_grant_t *grant = x->grant;
    const char *digest = digest_of(x);

    print_line(cli, "subject", grant->subject->text);
    print_line(cli, "san", policy_names_text(&grant->san, cli->pool));
    print_line(cli, "not before", pki_time_text(grant->not_before, cli->pool));
    print_line(cli, "not after", pki_time_text(grant->not_after, cli->pool));
    print_line(cli, "key",
               apr_pstrcat(cli->pool, "SHA-256 ", est_hex(est_slice(grant->spki_hash, 32), cli->pool), NULL));
    print_line(cli, "digest", digest ? digest : x->ca ? "the one of the CA's key" : "what fits the CA's key");
    print_line(cli, "entity", grant->entity);
    for (int i = 0; i < grant->n_exts; i++) {
        pki_ext_text_t ext = pki_ext_text(grant->exts[i], cli->pool);

        print_line(cli, i ? "" : "extensions",
                   apr_psprintf(cli->pool, "%s%s: %s", ext.name, ext.critical ? " (critical)" : "", ext.text));
    }
    if (!x->ca)
        print_line(cli, "", "authorityKeyIdentifier: what the CA's certificate says");
    print_line(cli, "left out", grant->dropped);
}

/* Else for the CA that has its order */
static int waits_for_people(const est_explanation_t *x)
{
    for (int i = 0; i < x->n; i++)
        if (x->findings[i].verdict == POLICY_FAIL && !strcmp(x->findings[i].rule, "approval"))
            return 1;
    return 0;
}

static void print_outcome(const cli_t *cli, const est_explanation_t *x)
{
    if (x->err) {
        printf("would be refused: %d %s\n", x->status, cli_print_shown(x->text, cli->pool));
        return;
    }
    if (x->pending)
        printf("would wait for %s: 202, Retry-After %d; then would be issued\n",
               waits_for_people(x) ? "approval" : "the CA that has its order", x->pending);
    else if (x->replay)
        printf("would be answered once more with %s; a new one would be\n", cli_print_shown(x->replay, cli->pool));
    else
        printf("would be issued\n");
    if (x->grant)
        print_certificate(cli, x);
}

est_err_t *cli_explain_print(const cli_t *cli, const est_explain_ask_t *ask, const est_explanation_t *explanation)
{
    if (cli->json)
        return print_json(cli, ask, explanation);
    EST_TRY(print_rules(cli, explanation));
    printf("\n");
    print_outcome(cli, explanation);
    return NULL;
}
