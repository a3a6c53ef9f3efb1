/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl check: what is wrong, or looks as if it were */

#include "cli_check.h"

#include "base/est_bytes.h"
#include "cli_commands.h"
#include "cli_print.h"
#include "pki/pki_cert.h"
#include "pki/pki_load.h"
#include "pki/pki_time.h"
#include "store/store_pg.h"

#include <apr_strings.h>
#include <string.h>

#define SOON apr_time_from_sec((apr_time_t)30 * 86400)

/* As --json and people read them */
static const char *const severities[] = {"notice", "warning", "error"};

void cli_check_add(cli_findings_t *findings, cli_severity_t severity, const char *check, const char *object,
                   const char *finding, apr_pool_t *pool)
{
    findings->n[severity]++;
    cli_print_table_add(findings->table, (const char *const[]){severities[severity], check, object, finding}, pool);
}

/* --- the database part */

/* Those that a statement has found: its columns are severity, check, object, finding */
static est_err_t *add_found(cli_t *cli, cli_findings_t *findings, const char *statement, const char *const *params,
                            int n)
{
    store_pg_table_t *table;

    EST_TRY(cli_sql(&table, cli, statement, params, n));
    if (table->n_columns != findings->table->n_columns)
        return EST_FAIL(cli->pool, internal, "%s gives no findings", statement);
    for (int r = 0; r < table->n_rows; r++) {
        const char *const *row = table->cells + r * table->n_columns;
        cli_severity_t severity = CLI_NOTICE;

        while (severity < CLI_FAULT && strcmp(severities[severity], row[0]) != 0)
            severity++;
        cli_check_add(findings, severity, row[1], row[2], row[3], cli->pool);
    }
    return NULL;
}

static est_err_t *check_version(cli_t *cli, cli_findings_t *findings)
{
    const char *known = apr_itoa(cli->pool, STORE_PG_SCHEMA_VERSION);

    return add_found(cli, findings, "check_version", &known, 1);
}

static est_err_t *check_database(cli_t *cli, cli_findings_t *findings)
{
    static const char *const statements[] = {"check_rights",  "check_aliases", "check_profiles", "check_groups",
                                             "check_clients", "check_codes",   "check_orders"};

    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        EST_TRY(add_found(cli, findings, statements[i], NULL, 0));
    return NULL;
}

/* --- trust anchors, of which the database knows only the octets */

static const char *anchor_finding(cli_severity_t *severity, X509 *cert, apr_time_t now, apr_pool_t *pool)
{
    apr_time_t begins, ends;

    *severity = CLI_WARNING;
    if (!pki_time_from_asn1(&begins, X509_get0_notBefore(cert)) || !pki_time_from_asn1(&ends, X509_get0_notAfter(cert)))
        return "has times that cannot be read";
    if (ends <= now)
        return apr_pstrcat(pool, "ended at ", pki_time_text(ends, pool), ": certificates under it are refused", NULL);
    if (begins > now)
        return apr_pstrcat(pool, "is not valid before ", pki_time_text(begins, pool), NULL);
    if (!pki_cert_is_ca(cert))
        return "is not the certificate of a CA: none is under it";
    *severity = CLI_NOTICE;
    return ends <= now + SOON ? apr_pstrcat(pool, "ends soon, at ", pki_time_text(ends, pool), NULL) : NULL;
}

static void check_anchor(cli_findings_t *findings, const char *object, const char *hex, apr_pool_t *pool)
{
    apr_size_t n = 0;
    const unsigned char *der = est_unhex(hex, &n, pool);
    cli_severity_t severity;
    const char *finding;
    X509 *cert;

    if (!der || pki_load_der(&cert, est_slice(der, n), pool))
        cli_check_add(findings, CLI_FAULT, "anchor", object, "is no certificate: the alias answers 503", pool);
    else if ((finding = anchor_finding(&severity, cert, apr_time_now(), pool)))
        cli_check_add(findings, severity, "anchor",
                      apr_pstrcat(pool, object, ": ", pki_cert_subject_text(cert, pool), NULL), finding, pool);
}

static est_err_t *check_anchors(cli_t *cli, cli_findings_t *findings)
{
    store_pg_table_t *table;

    EST_TRY(cli_sql(&table, cli, "check_anchors", NULL, 0));
    for (int r = 0; r < table->n_rows; r++) {
        const char *const *row = table->cells + r * table->n_columns;

        check_anchor(findings, apr_psprintf(cli->pool, "%s of alias %s", row[1], row[0]), row[4], cli->pool);
    }
    return NULL;
}

/* --- the command */

static est_err_t *(*const parts[])(cli_t *cli, cli_findings_t *findings) = {check_database, check_anchors,
                                                                            cli_check_policy};

static est_err_t *check(cli_t *cli)
{
    static const char *const names[] = {"severity", "check", "object", "finding", NULL};
    int fit;
    cli_findings_t findings = {.table = cli_print_table_make(names, cli->pool)};

    EST_TRY(check_version(cli, &findings));
    /* Of another version the tables may be other ones */
    fit = !findings.n[CLI_FAULT];
    for (size_t i = 0; fit && i < sizeof(parts) / sizeof(*parts); i++)
        EST_TRY(parts[i](cli, &findings));
    EST_TRY(cli_print_table(cli, findings.table));
    if (!cli->json && !cli->quiet)
        printf("%s%d errors, %d warnings, %d notices\n", findings.table->n_rows ? "\n" : "", findings.n[CLI_FAULT],
               findings.n[CLI_WARNING], findings.n[CLI_NOTICE]);
    cli->findings = findings.n[CLI_FAULT] > 0;
    return NULL;
}

static const cli_option_t options[] = {
    {"cas", "LIST", "names of the <EstCA>s of httpd: aliases that name others are errors"}, {NULL, NULL, NULL}};

const cli_command_t cli_check = {
    .name = "check",
    .operands = "",
    .summary = "Look for what is wrong with the database and the policy in it",
    .text =
        "Prints a finding a line, with its severity: error, warning or notice. The exit status is 1 when there are\n"
        "errors: of what certainly is refused, or fails. Nothing is changed.",
    .options = options,
    .run = check};
