/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_tls.h"
#include "ca_settings.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"

#include <apr_strings.h>

struct ca_tls_t {
    X509_STORE *trust;
    X509 *cert;            /* NULL: no client certificate */
    STACK_OF(X509) *chain; /* cert and what is to be sent with it */
    EVP_PKEY *key;
    est_slice_t der;
    const char *warning;
};

static est_err_t *load_trust(ca_tls_t *tls, const char *path, apr_pool_t *pool)
{
    STACK_OF(X509) *certs;

    EST_TRY(pki_load_certs(&certs, path, pool));
    tls->trust = X509_STORE_new();
    if (!tls->trust)
        return EST_FAIL(pool, internal, "out of memory");
    pki_ossl_own_store(tls->trust, pool);
    X509_STORE_set_flags(tls->trust, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (!X509_STORE_add_cert(tls->trust, sk_X509_value(certs, i)))
            return EST_FAIL(pool, internal, "EstCATrust %s: %s", path, pki_ossl_reason(pool));
    return NULL;
}

static est_err_t *load_client(ca_tls_t *tls, const ca_config_t *config, apr_pool_t *pool)
{
    ca_key_file_t file = {.directive = "EstCAClientKey",
                          .path = config->client_key,
                          .passphrase_directive = "EstCAClientKeyPassphrase",
                          .passphrase = config->client_passphrase,
                          .cert_directive = "EstCAClientCertificate",
                          .cert_path = config->client_certificate,
                          .cert = NULL};

    if (!config->client_certificate || !config->client_key)
        return EST_FAIL(pool, config, "EstCAClientCertificate and EstCAClientKey are set both or not at all");
    EST_TRY(pki_load_certs(&tls->chain, config->client_certificate, pool));
    tls->cert = file.cert = sk_X509_value(tls->chain, 0);
    EST_TRY(ca_settings_key(&tls->key, &tls->warning, &file, config->name, pool));
    if (X509_cmp_current_time(X509_get0_notAfter(tls->cert)) < 0)
        tls->warning =
            apr_psprintf(pool, "EstCAClientCertificate %s of <EstCA %s> has ended: the upstreams will refuse it",
                         config->client_certificate, config->name);
    return pki_cert_der(&tls->der, tls->cert, pool);
}

int ca_tls_set(SSL_CTX *ctx, const ca_tls_t *tls)
{
    if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
        return 0;
    if (tls->trust)
        SSL_CTX_set1_cert_store(ctx, tls->trust);
    if (!tls->cert)
        return 1;
    if (SSL_CTX_use_certificate(ctx, tls->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, tls->key) != 1)
        return 0;
    for (int i = 1; i < sk_X509_num(tls->chain); i++)
        if (!SSL_CTX_add1_chain_cert(ctx, sk_X509_value(tls->chain, i)))
            return 0;
    return 1;
}

/* OpenSSL does not take every certificate that can be read: its security level has a say in keys and digests */
static est_err_t *try_tls(const ca_tls_t *tls, const ca_config_t *config, apr_pool_t *pool)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int ok = ctx && ca_tls_set(ctx, tls);

    SSL_CTX_free(ctx);
    if (ok)
        return NULL;
    return EST_FAIL(pool, config, "EstCAClientCertificate %s cannot be used: %s",
                    config->client_certificate ? config->client_certificate : "(not set)", pki_ossl_reason(pool));
}

est_err_t *ca_tls_load(ca_tls_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    ca_tls_t *tls = apr_pcalloc(pool, sizeof(*tls));

    if (config->trust)
        EST_TRY(load_trust(tls, config->trust, pool));
    if (config->client_certificate || config->client_key)
        EST_TRY(load_client(tls, config, pool));
    *out = tls;
    return try_tls(tls, config, pool);
}

est_slice_t ca_tls_certificate(const ca_tls_t *tls)
{
    return tls->der;
}

const char *ca_tls_warning(const ca_tls_t *tls)
{
    return tls->warning;
}
