/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl explain: what would become of a request */

#include "cli_explain.h"

#include "ca/ca_certs.h"
#include "cli_commands.h"
#include "cli_policy.h"
#include "cli_text.h"
#include "pki/pki_load.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REQUEST 1048576
#define BEGIN "-----BEGIN "

/* A file that cannot be read is a mistake of who runs this, and no refusal */
static est_err_t *as_usage(est_err_t *err)
{
    if (err && err->code == EST_E_file)
        err->code = EST_E_config;
    return err;
}

/* Nor is what the database does not do */
static est_err_t *as_trouble(est_err_t *err)
{
    if (err && err->code != EST_E_config)
        err->code = EST_E_store_unavailable;
    return err;
}

/* --- what is asked */

/* What "openssl req -text" writes in front of the PEM no client sends */
static est_slice_t without_text(est_slice_t body)
{
    const char *begin = strstr((const char *)body.p, "\n" BEGIN);

    if (!begin || body.p[0] == 0x30 || !strncmp((const char *)body.p, BEGIN, strlen(BEGIN)))
        return body;
    begin++;
    return est_slice(begin, body.n - (apr_size_t)(begin - (const char *)body.p));
}

static est_err_t *read_certificate(est_explain_ask_t *ask, const cli_t *cli)
{
    STACK_OF(X509) *certs;

    if (!cli_option(cli, "cert"))
        return NULL;
    EST_TRY(as_usage(pki_load_certs(&certs, cli_option(cli, "cert"), cli->pool)));
    ask->leaf = sk_X509_value(certs, 0);
    ask->chain = certs; /* with the leaf, which helps nobody there */
    return NULL;
}

static est_err_t *read_ask(est_explain_ask_t *ask, const cli_t *cli)
{
    const char *csr = cli_option(cli, "csr"), *operation = cli_option(cli, "operation");

    ask->alias = cli_option(cli, "alias") ? cli_option(cli, "alias") : POLICY_DEFAULT_ALIAS;
    ask->operation = operation ? operation : "simpleenroll";
    ask->user = cli_option(cli, "user");
    ask->entity = cli_option(cli, "entity");
    ask->network = cli_option(cli, "network");
    ask->now = apr_time_now();
    if (!csr)
        return EST_FAIL(cli->pool, config, "--csr FILE is missing; see estctl explain --help");
    if (strcmp(ask->operation, "simpleenroll") != 0 && strcmp(ask->operation, "simplereenroll") != 0)
        return EST_FAIL(cli->pool, config, "--operation %s is neither simpleenroll nor simplereenroll", ask->operation);
    if (ask->user && ask->entity)
        return EST_FAIL(cli->pool, config, "--user and --entity: a request has one login");
    /* What nobody is called is in no network */
    if (apr_sockaddr_info_get(&ask->address, ask->network ? ask->network : "::", APR_UNSPEC, 0, 0, cli->pool) !=
            APR_SUCCESS ||
        (ask->network && ask->network[strspn(ask->network, "0123456789abcdefABCDEF.:")]))
        return EST_FAIL(cli->pool, config, "--network %s is no address", ask->network);
    EST_TRY(as_usage(cli_text_octets(&ask->body, csr, MAX_REQUEST, cli->pool)));
    ask->body = without_text(ask->body);
    return read_certificate(ask, cli);
}

/* --- the service that the request would meet */

static est_err_t *read_ca(ca_facts_t **out, const cli_t *cli)
{
    const char *path = cli_option(cli, "ca") ? cli_option(cli, "ca") : getenv("EST_CA_CERTIFICATE");
    ca_config_t config = {.certificate = path, .where = "--ca"};

    *out = NULL;
    if (!path || !*path)
        return NULL;
    return as_usage(ca_certs_load(out, &config, 0, cli->pool));
}

/* httpd reserves the keys of its TLS servers too, which are not known here */
static void reserve_keys(est_service_t *service, const ca_facts_t *ca, apr_pool_t *pool)
{
    unsigned char(*keys)[PKI_SHA256_SIZE] = apr_palloc(pool, (apr_size_t)ca->issuer.n_certs * sizeof(*keys));

    for (int i = 0; i < ca->issuer.n_certs; i++)
        pki_sha256(keys[i], ca->issuer.certs[i]->spki);
    service->reserved_keys = (const unsigned char(*)[PKI_SHA256_SIZE])keys;
    service->n_reserved_keys = ca->issuer.n_certs;
}

/* The CA that is given is the alias's, whatever that calls it */
static est_err_t *add_ca(est_service_t *service, const char *alias_name, cli_t *cli)
{
    const policy_snapshot_t *snapshot;
    const policy_alias_t *alias;
    ca_t **cas = apr_palloc(cli->pool, sizeof(*cas));
    ca_facts_t *facts;

    EST_TRY(read_ca(&facts, cli));
    if (!facts)
        return NULL;
    EST_TRY(as_trouble(store_cache_policy(service->cache, &snapshot, 0, cli->pool)));
    alias = policy_snapshot_alias(snapshot, alias_name);
    cas[0] = ca_certs_only(alias && alias->ca ? alias->ca : "", facts, cli->pool);
    service->cas = cas;
    service->n_cas = 1;
    reserve_keys(service, facts, cli->pool);
    return NULL;
}

static est_err_t *explain(cli_t *cli)
{
    est_explain_ask_t ask = {0};
    est_explanation_t explanation;
    est_service_t service = {0};

    EST_TRY(read_ask(&ask, cli));
    EST_TRY(cli_policy_open(&service, cli));
    EST_TRY(add_ca(&service, ask.alias, cli));
    EST_TRY(as_trouble(est_explain(&explanation, &ask, &service, cli->pool)));
    cli->findings = explanation.err != NULL;
    return cli_explain_print(cli, &ask, &explanation);
}

static const cli_option_t options[] = {
    {"alias", "NAME", "alias that the request is sent to (default: est)"},
    {"csr", "FILE", "the request as a client sends it: PEM, base64 or DER (\"-\": standard input)"},
    {"operation", "NAME", "simpleenroll or simplereenroll (default: simpleenroll)"},
    {"cert", "FILE", "the client's certificate in PEM; others that it would send may follow"},
    {"user", "USER", "who logs in; the password is taken to be right"},
    {"entity", "NAME", "end entity that brings its enrolment code, taken to be right"},
    {"network", "ADDRESS", "address that the request comes from"},
    {"ca", "FILE", "certificate of the alias's CA in PEM, its chain behind it (default: EST_CA_CERTIFICATE)"},
    {NULL, NULL, NULL}};

const cli_command_t cli_explain = {
    .name = "explain",
    .operands = "",
    .summary = "Say what the server would make of a request, and why",
    .text =
        "The policy in the database is asked rule by rule, as httpd asks it, though one has failed, and what it would\n"
        "issue is shown. Nothing is signed and nothing is written. Passwords, enrolment codes and channel bindings\n"
        "are taken to be right. The exit status is 0 when a certificate would be issued, or the request would wait\n"
        "for approval, and 1 when it would be refused.",
    .options = options,
    .run = explain};
