/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_local.h"
#include "ca_certs.h"
#include "ca_settings.h"
#include "ca_token.h"
#include "pki/pki_time.h"
#include "pki/pki_token_uri.h"

#include <apr_strings.h>
#include <openssl/x509v3.h>

typedef struct {
    ca_t ca;
    ca_facts_t *facts;
    pki_signer_t *signer; /* of a key in a file */
    ca_token_t *token;    /* of one in a token; NULL: it is in a file */
} ca_local_t;

static est_err_t *open_file(ca_local_t *local, const ca_config_t *config, apr_pool_t *pool)
{
    X509 *cert = local->facts->cert;
    ca_key_file_t file = {.directive = "EstCAKey",
                          .path = config->key,
                          .passphrase_directive = "EstCAKeyPassphrase",
                          .passphrase = config->passphrase,
                          .cert_directive = "EstCACertificate",
                          .cert_path = config->certificate,
                          .cert = cert};
    EVP_PKEY *key;

    if (config->key_module)
        return EST_FAIL(pool, config, "EstCAKeyModule is for keys in tokens, and EstCAKey is no pkcs11: URI");
    EST_TRY(ca_settings_key(&key, &local->ca.warning, &file, config->name, pool));
    return pki_signer_make(&local->signer, cert, key, pool);
}

static est_err_t *open_all(ca_local_t *local, const ca_config_t *config, apr_pool_t *pool)
{
    ca_t *ca = &local->ca;
    X509 *cert;

    if (!config->certificate)
        return EST_FAIL(pool, config, "EstCACertificate is missing");
    if (!config->key)
        return EST_FAIL(pool, config, "EstCAKey is missing");
    EST_TRY(ca_settings_check(config, ca_local_driver.name, pool));
    EST_TRY(ca_certs_load(&local->facts, config, 1, pool));
    cert = local->facts->cert;
    if (pki_token_is_uri(config->key))
        EST_TRY(ca_token_open(&local->token, ca, config, cert, pool));
    else
        EST_TRY(open_file(local, config, pool));
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        ca->warning =
            apr_psprintf(pool, "the certificate of <EstCA %s> begins %s: what is issued is valid from then on",
                         config->name, pki_time_text(local->facts->issuer.certs[0]->not_before, pool));
    else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        ca->warning = apr_psprintf(pool, "the certificate of <EstCA %s> ended %s: nothing can be issued", config->name,
                                   pki_time_text(local->facts->issuer.certs[0]->not_after, pool));
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

const ca_driver_t ca_local_driver = {"local", 0, local_open, local_start, local_facts, local_issue, NULL};
