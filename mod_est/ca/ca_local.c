/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_local.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"
#include "pki/pki_time.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

typedef struct {
    ca_t ca;
    pki_signer_t *signer;
} ca_local_t;

/* err with the block it happened in; the text of pki_load says the file */
static est_err_t *in_block(est_err_t *err, const ca_config_t *config, apr_pool_t *pool)
{
    if (err)
        err->detail = apr_psprintf(pool, "<EstCA %s> at %s: %s", config->name, config->where,
                                   err->detail ? err->detail : est_err_row(err->code)->text);
    return err;
}

static int is_issuer(X509 *issuer, X509 *cert)
{
    int yes = X509_check_issued(issuer, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(issuer)) == 1;

    ERR_clear_error();
    return yes;
}

/* Devices get the whole way from an issued certificate to a root (RFC 7030 4.1.3): every step must be there. Of a root
 * that was rolled over, the old and the new one have issued certificates to each other (RFC 4210 4.4), so there may be
 * several ways, and circles: all are walked at once. That all but the first are CA certificates, load_chain has seen
 * to. */
static est_err_t *check_chain(STACK_OF(X509) *chain, const ca_config_t *config, apr_pool_t *pool)
{
    int n = sk_X509_num(chain), n_seen = 1;
    int *seen = apr_pcalloc(pool, (apr_size_t)n * sizeof(*seen)); /* those that were reached, in that order */
    char *is_seen = apr_pcalloc(pool, (apr_size_t)n);

    is_seen[0] = 1;
    for (int at = 0; at < n_seen; at++) {
        X509 *cert = sk_X509_value(chain, seen[at]);

        if (is_issuer(cert, cert))
            return NULL;
        for (int i = 0; i < n; i++)
            if (!is_seen[i] && is_issuer(sk_X509_value(chain, i), cert)) {
                is_seen[i] = 1;
                seen[n_seen++] = i;
            }
    }
    return EST_FAIL(pool, config, "EstCAChain %s has a gap: no issuer of \"%s\"",
                    config->chain ? config->chain : "(not set)",
                    pki_cert_subject_text(sk_X509_value(chain, seen[n_seen - 1]), pool));
}

static int has(STACK_OF(X509) *stack, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(stack); i++)
        if (X509_cmp(sk_X509_value(stack, i), cert) == 0)
            return 1;
    return 0;
}

/* The CA itself, then its chain file, each certificate once */
static est_err_t *load_chain(STACK_OF(X509) **out, const ca_config_t *config, apr_pool_t *pool)
{
    STACK_OF(X509) *own, *file = NULL, *chain;

    EST_TRY(pki_load_certs(&own, config->certificate, pool));
    if (config->chain)
        EST_TRY(pki_load_certs(&file, config->chain, pool));
    chain = sk_X509_new_null();
    if (!chain)
        return EST_FAIL(pool, internal, "out of memory");
    *out = pki_ossl_own_certs(chain, pool);
    for (int i = 0; i < sk_X509_num(own) + (file ? sk_X509_num(file) : 0); i++) {
        X509 *cert = i < sk_X509_num(own) ? sk_X509_value(own, i) : sk_X509_value(file, i - sk_X509_num(own));

        if (has(chain, cert))
            continue;
        if (i && !pki_cert_is_ca(cert))
            return EST_FAIL(pool, config, "%s: \"%s\" is not a CA certificate",
                            i < sk_X509_num(own) ? config->certificate : config->chain,
                            pki_cert_subject_text(cert, pool));
        if (!sk_X509_push(chain, cert))
            return EST_FAIL(pool, internal, "out of memory");
        X509_up_ref(cert);
    }
    return NULL;
}

/* The facts that issuing needs, of the CA and of those above it, and the answer of cacerts, made once */
static est_err_t *fill_in(ca_t *ca, STACK_OF(X509) *chain, apr_pool_t *pool)
{
    int n = sk_X509_num(chain);
    est_slice_t *certs = apr_pcalloc(pool, (apr_size_t)n * sizeof(*certs));
    pki_cert_t **facts = apr_pcalloc(pool, (apr_size_t)n * sizeof(*facts));

    for (int i = 0; i < n; i++) {
        est_err_t *err = pki_cert_facts(&facts[i], sk_X509_value(chain, i), pool);

        if (err)
            return EST_FAIL(pool, config, "\"%s\": %s", pki_cert_subject_text(sk_X509_value(chain, i), pool),
                            err->detail);
        certs[i] = facts[i]->der;
    }
    ca->issuer.certs = (const pki_cert_t *const *)facts;
    ca->issuer.n_certs = n;
    pki_sha256(ca->issuer_hash, facts[0]->subject->der);
    ca->certs = certs;
    ca->n_certs = n;
    ca->cacerts = pki_certs_only(certs, n, pool);
    return NULL;
}

static est_err_t *open_all(ca_local_t *local, const ca_config_t *config, apr_pool_t *pool)
{
    ca_t *ca = &local->ca;
    const char *passphrase = NULL;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
    int loose = 0;

    if (!config->certificate)
        return EST_FAIL(pool, config, "EstCACertificate is missing");
    if (!config->key)
        return EST_FAIL(pool, config, "EstCAKey is missing");
    EST_TRY(load_chain(&chain, config, pool));
    ca->cert = sk_X509_value(chain, 0);
    if (!pki_cert_is_ca(ca->cert))
        return EST_FAIL(
            pool, config,
            "EstCACertificate %s: \"%s\" is not a CA certificate (basicConstraints CA:TRUE, keyUsage keyCertSign)",
            config->certificate, pki_cert_subject_text(ca->cert, pool));
    EST_TRY(check_chain(chain, config, pool));
    if (config->passphrase)
        EST_TRY(pki_load_passphrase(&passphrase, config->passphrase, pool));
    EST_TRY(pki_load_key(&key, config->key, passphrase, &loose, pool));
    if (X509_check_private_key(ca->cert, key) != 1) {
        ERR_clear_error();
        return EST_FAIL(pool, config, "EstCAKey %s does not fit EstCACertificate %s", config->key, config->certificate);
    }
    EST_TRY(pki_signer_make(&local->signer, ca->cert, key, pool));
    ca->issuer.aki = pki_signer_aki(local->signer);
    EST_TRY(fill_in(ca, chain, pool));
    if (X509_cmp_current_time(X509_get0_notBefore(ca->cert)) > 0)
        ca->warning =
            apr_psprintf(pool, "the certificate of <EstCA %s> begins %s: what is issued is valid from then on",
                         config->name, pki_time_text(ca->issuer.certs[0]->not_before, pool));
    else if (X509_cmp_current_time(X509_get0_notAfter(ca->cert)) < 0)
        ca->warning = apr_psprintf(pool, "the certificate of <EstCA %s> ended %s: nothing can be issued", config->name,
                                   pki_time_text(ca->issuer.certs[0]->not_after, pool));
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
    EST_TRY(in_block(open_all(local, config, pool), config, pool));
    *out = &local->ca;
    return NULL;
}

static est_err_t *local_issue(ca_t *ca, est_slice_t *der, const pki_tbs_t *tbs, apr_pool_t *pool)
{
    return pki_cert_sign(der, tbs, ((ca_local_t *)ca)->signer, pool);
}

const ca_driver_t ca_local_driver = {"local", local_open, local_issue};
