/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_certs.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

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
    return pki_cert_aki(&ca->issuer.aki, ca->cert, pool);
}

est_err_t *ca_certs_load(ca_t *ca, const ca_config_t *config, int whole, apr_pool_t *pool)
{
    STACK_OF(X509) *chain;

    EST_TRY(load_chain(&chain, config, pool));
    ca->cert = sk_X509_value(chain, 0);
    if (!pki_cert_is_ca(ca->cert))
        return EST_FAIL(
            pool, config,
            "EstCACertificate %s: \"%s\" is not a CA certificate (basicConstraints CA:TRUE, keyUsage keyCertSign)",
            config->certificate, pki_cert_subject_text(ca->cert, pool));
    if (whole)
        EST_TRY(check_chain(chain, config, pool));
    return fill_in(ca, chain, pool);
}
