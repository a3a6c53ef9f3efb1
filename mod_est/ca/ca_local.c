/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_local.h"
#include "ca_certs.h"
#include "ca_token.h"
#include "pki/pki_load.h"
#include "pki/pki_time.h"
#include "pki/pki_token_uri.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

typedef struct {
    ca_t ca;
    ca_facts_t *facts;
    pki_signer_t *signer; /* of a key in a file */
    ca_token_t *token;    /* of one in a token; NULL: it is in a file */
} ca_local_t;

/* What belongs to the drivers that forward */
static est_err_t *refuse_foreign(const ca_config_t *config, apr_pool_t *pool)
{
    const struct {
        const char *directive;
        const void *value;
    } rows[] = {
        {"EstCAUpstream", config->upstreams},
        {"EstCATrust", config->trust},
        {"EstCAClientCertificate", config->client_certificate},
        {"EstCAClientKey", config->client_key},
        {"EstCAClientKeyPassphrase", config->client_passphrase},
        {"EstCAUser", config->user},
        {"EstCAPassword", config->password},
        {"EstCAProxy", config->proxy},
        {"EstCACacheFile", config->cache},
        {"EstCAExtensions", config->extensions},
        {"EstCACmpRequest", config->cmp_request},
        {"EstCACmpRecipient", config->cmp_recipient},
        {"EstCACmpCertificate", config->cmp_certificate},
        {"EstCACmpKey", config->cmp_key},
        {"EstCACmpKeyPassphrase", config->cmp_passphrase},
        {"EstCACmpReference", config->cmp_reference},
        {"EstCACmpSecret", config->cmp_secret},
        {"EstCACmpTrust", config->cmp_trust},
    };

    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].value)
            return EST_FAIL(pool, config, "%s makes no sense with EstCADriver local", rows[i].directive);
    if (config->key_module && !pki_token_is_uri(config->key))
        return EST_FAIL(pool, config, "EstCAKeyModule is for keys in tokens, and EstCAKey is no pkcs11: URI");
    return NULL;
}

/* A key in a file. *loose: others than its owner can read it. */
static est_err_t *open_file(ca_local_t *local, int *loose, const ca_config_t *config, apr_pool_t *pool)
{
    const char *passphrase = NULL;
    X509 *cert = local->facts->cert;
    EVP_PKEY *key;

    if (config->passphrase)
        EST_TRY(pki_load_passphrase(&passphrase, config->passphrase, pool));
    EST_TRY(pki_load_key(&key, config->key, passphrase, loose, pool));
    if (X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        return EST_FAIL(pool, config, "EstCAKey %s does not fit EstCACertificate %s", config->key, config->certificate);
    }
    return pki_signer_make(&local->signer, cert, key, pool);
}

static est_err_t *open_all(ca_local_t *local, const ca_config_t *config, apr_pool_t *pool)
{
    ca_t *ca = &local->ca;
    X509 *cert;
    int loose = 0;

    if (!config->certificate)
        return EST_FAIL(pool, config, "EstCACertificate is missing");
    if (!config->key)
        return EST_FAIL(pool, config, "EstCAKey is missing");
    EST_TRY(refuse_foreign(config, pool));
    EST_TRY(ca_certs_load(&local->facts, config, 1, pool));
    cert = local->facts->cert;
    if (pki_token_is_uri(config->key))
        EST_TRY(ca_token_open(&local->token, ca, config, cert, pool));
    else
        EST_TRY(open_file(local, &loose, config, pool));
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        ca->warning =
            apr_psprintf(pool, "the certificate of <EstCA %s> begins %s: what is issued is valid from then on",
                         config->name, pki_time_text(local->facts->issuer.certs[0]->not_before, pool));
    else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        ca->warning = apr_psprintf(pool, "the certificate of <EstCA %s> ended %s: nothing can be issued", config->name,
                                   pki_time_text(local->facts->issuer.certs[0]->not_after, pool));
    else if (loose)
        ca->warning = apr_psprintf(pool, "EstCAKey %s of <EstCA %s> can be read by others than its owner: chmod 600 it",
                                   config->key, config->name);
    return NULL;
}

static est_err_t *local_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    ca_local_t *local = apr_pcalloc(pool, sizeof(*local));

    local->ca.driver = &ca_local_driver;
    local->ca.name = apr_pstrdup(pool, config->name);
    EST_TRY(ca_in_block(open_all(local, config, pool), config, pool));
    *out = &local->ca;
    return NULL;
}

static est_err_t *local_start(ca_t *ca, const est_env_t *env, apr_pool_t *pool)
{
    ca_local_t *local = (ca_local_t *)ca;

    return local->token ? ca_token_start(local->token, env, pool) : NULL;
}

static est_err_t *local_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool)
{
    (void)pool;
    *out = ((ca_local_t *)ca)->facts;
    return NULL;
}

static est_err_t *local_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *pool)
{
    ca_local_t *local = (ca_local_t *)ca;

    return local->token ? ca_token_sign(&answer->der, request->tbs, local->token, pool)
                        : pki_cert_sign(&answer->der, request->tbs, local->signer, pool);
}

const ca_driver_t ca_local_driver = {"local", 0, local_open, local_start, local_facts, local_issue};
