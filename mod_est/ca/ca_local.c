/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_local.h"
#include "ca_certs.h"
#include "pki/pki_load.h"
#include "pki/pki_time.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

typedef struct {
    ca_t ca;
    ca_facts_t *facts;
    pki_signer_t *signer;
} ca_local_t;

static est_err_t *open_all(ca_local_t *local, const ca_config_t *config, apr_pool_t *pool)
{
    ca_t *ca = &local->ca;
    const char *passphrase = NULL;
    EVP_PKEY *key;
    X509 *cert;
    int loose = 0;

    if (!config->certificate)
        return EST_FAIL(pool, config, "EstCACertificate is missing");
    if (!config->key)
        return EST_FAIL(pool, config, "EstCAKey is missing");
    EST_TRY(ca_certs_load(&local->facts, config, 1, pool));
    if (config->passphrase)
        EST_TRY(pki_load_passphrase(&passphrase, config->passphrase, pool));
    EST_TRY(pki_load_key(&key, config->key, passphrase, &loose, pool));
    cert = local->facts->cert;
    if (X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        return EST_FAIL(pool, config, "EstCAKey %s does not fit EstCACertificate %s", config->key, config->certificate);
    }
    EST_TRY(pki_signer_make(&local->signer, cert, key, pool));
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
    (void)ca;
    (void)env;
    (void)pool;
    return NULL;
}

static est_err_t *local_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool)
{
    (void)pool;
    *out = ((ca_local_t *)ca)->facts;
    return NULL;
}

static est_err_t *local_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *pool)
{
    return pki_cert_sign(&answer->der, request->tbs, ((ca_local_t *)ca)->signer, pool);
}

const ca_driver_t ca_local_driver = {"local", 0, local_open, local_start, local_facts, local_issue};
