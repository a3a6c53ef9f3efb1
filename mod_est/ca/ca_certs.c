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

/* Of a root that was rolled over, the old and the new one have issued certificates to each other (RFC 4210 4.4), so
 * there may be several ways, and circles: all are walked at once. That all but the first are CA certificates, who made
 * facts has seen to. */
const char *ca_certs_gap(const ca_facts_t *facts, apr_pool_t *pool)
{
    int n = facts->n_certs, n_seen = 1;
    int *seen = apr_pcalloc(pool, (apr_size_t)n * sizeof(*seen)); /* those that were reached, in that order */
    char *is_seen = apr_pcalloc(pool, (apr_size_t)n);

    is_seen[0] = 1;
    for (int at = 0; at < n_seen; at++) {
        X509 *cert = facts->issuers[seen[at]];

        if (is_issuer(cert, cert))
            return NULL;
        for (int i = 0; i < n; i++)
            if (!is_seen[i] && is_issuer(facts->issuers[i], cert)) {
                is_seen[i] = 1;
                seen[n_seen++] = i;
            }
    }
    return pki_cert_subject_text(facts->issuers[seen[n_seen - 1]], pool);
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

        if (pki_ossl_has_cert(chain, cert))
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

/* The facts that issuing needs, of the CA and of those above it, and the answer of cacerts, made once. chain: those
 * that issue for end entities first */
static est_err_t *fill_in(ca_facts_t **out, STACK_OF(X509) *chain, int n_issuers, apr_pool_t *pool)
{
    int n = sk_X509_num(chain);
    ca_facts_t *ca = apr_pcalloc(pool, sizeof(*ca));
    est_slice_t *certs = apr_pcalloc(pool, (apr_size_t)n * sizeof(*certs));
    pki_cert_t **facts = apr_pcalloc(pool, (apr_size_t)n * sizeof(*facts));
    X509 **issuers = apr_pcalloc(pool, (apr_size_t)n * sizeof(*issuers));

    for (int i = 0; i < n; i++) {
        est_err_t *err = pki_cert_facts(&facts[i], sk_X509_value(chain, i), pool);

        if (err)
            return EST_FAIL(pool, config, "\"%s\": %s", pki_cert_subject_text(sk_X509_value(chain, i), pool),
                            err->detail);
        certs[i] = facts[i]->der;
        issuers[i] = sk_X509_value(chain, i);
    }
    ca->cert = sk_X509_value(chain, 0);
    ca->issuers = issuers;
    ca->n_issuers = n_issuers;
    ca->issuer.certs = (const pki_cert_t *const *)facts;
    ca->issuer.n_certs = n;
    ca->certs = certs;
    ca->n_certs = n;
    ca->cacerts = pki_certs_only(certs, n, pool);
    *out = ca;
    return pki_cert_aki(&ca->issuer.aki, ca->cert, pool);
}

est_err_t *ca_certs_load(ca_facts_t **out, const ca_config_t *config, int whole, apr_pool_t *pool)
{
    STACK_OF(X509) *chain = NULL;
    const char *gap;
    X509 *cert;

    EST_TRY(load_chain(&chain, config, pool));
    cert = sk_X509_value(chain, 0);
    if (!pki_cert_is_ca(cert))
        return EST_FAIL(
            pool, config,
            "EstCACertificate %s: \"%s\" is not a CA certificate (basicConstraints CA:TRUE, keyUsage keyCertSign)",
            config->certificate, pki_cert_subject_text(cert, pool));
    EST_TRY(fill_in(out, chain, 1, pool));
    gap = whole ? ca_certs_gap(*out, pool) : NULL;
    if (gap)
        return EST_FAIL(pool, config, "EstCAChain %s has a gap: no issuer of \"%s\"",
                        config->chain ? config->chain : "(not set)", gap);
    return NULL;
}

/* ---- from a cacerts message */

/* Also those by which RFC 5280 knows none: roots of version 1, or with keyUsage alone. They are in chains still. */
static int is_any_ca(X509 *cert)
{
    int is = X509_check_ca(cert) != 0;

    ERR_clear_error();
    return is;
}

/* Is there a certificate for a CA of the name subject in which issuer stands as its issuer? */
static int certifies(STACK_OF(X509) *certs, const X509_NAME *issuer, const X509_NAME *subject)
{
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        if (!X509_NAME_cmp(X509_get_issuer_name(cert), issuer) &&
            !X509_NAME_cmp(X509_get_subject_name(cert), subject) && is_any_ca(cert))
            return 1;
    }
    return 0;
}

/* Does it sign certificates of end entities? Not when it is above another CA here: a root does not stand for all that
 * is below it. Old and new certificates of one name are issuers of each other during a rollover (RFC 4210 4.4), and so
 * are two CAs that have certified each other: neither is above the other. */
static int signs_entities(STACK_OF(X509) *certs, X509 *cert)
{
    const X509_NAME *name = X509_get_subject_name(cert);

    for (int i = 0; i < sk_X509_num(certs); i++) {
        const X509_NAME *other = X509_get_subject_name(sk_X509_value(certs, i));

        if (X509_NAME_cmp(other, name) != 0 && certifies(certs, name, other) && !certifies(certs, other, name))
            return 0;
    }
    return pki_cert_is_ca(cert);
}

/* Is that the name of a root? Its other certificates, from a root of before or of another name, make it no CA below
 * that one. */
static int is_of_root(STACK_OF(X509) *certs, X509 *cert)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    int is = 0;

    for (int i = 0; i < sk_X509_num(certs) && !is; i++) {
        X509 *other = sk_X509_value(certs, i);

        is = !X509_NAME_cmp(X509_get_subject_name(other), name) && X509_self_signed(other, 1) == 1;
    }
    ERR_clear_error();
    return is;
}

/* The one that ends last is the first: in a rollover that is the new one, and the end of what is granted is not that of
 * the old one. The order does not depend on the one in which they came. */
static int compare_issuers(const X509 *const *a, const X509 *const *b)
{
    int by = ASN1_TIME_compare(X509_get0_notAfter(*b), X509_get0_notAfter(*a));

    if (!by)
        by = ASN1_TIME_compare(X509_get0_notBefore(*b), X509_get0_notBefore(*a));
    return by ? by : X509_cmp(*a, *b);
}

static est_err_t *push_once(STACK_OF(X509) *stack, X509 *cert, apr_pool_t *pool)
{
    if (pki_ossl_has_cert(stack, cert))
        return NULL;
    if (!sk_X509_push(stack, cert))
        return EST_FAIL(pool, internal, "out of memory");
    X509_up_ref(cert);
    return NULL;
}

/* Those that sign certificates of end entities */
static est_err_t *push_issuers(STACK_OF(X509) *sorted, STACK_OF(X509) *certs, apr_pool_t *pool)
{
    int n = sk_X509_num(certs), have_below = 0;

    /* A root that has signed nothing here, next to a CA that is below another, is one of before, or of others */
    for (int i = 0; i < n; i++)
        have_below |= signs_entities(certs, sk_X509_value(certs, i)) && !is_of_root(certs, sk_X509_value(certs, i));
    for (int i = 0; i < n; i++) {
        X509 *cert = sk_X509_value(certs, i);

        if (signs_entities(certs, cert) && !(have_below && is_of_root(certs, cert)))
            EST_TRY(push_once(sorted, cert, pool));
    }
    sk_X509_set_cmp_func(sorted, compare_issuers);
    sk_X509_sort(sorted);
    sk_X509_set_cmp_func(sorted, NULL);
    return NULL;
}

est_err_t *ca_certs_sort(ca_facts_t **out, STACK_OF(X509) *certs, apr_pool_t *pool)
{
    STACK_OF(X509) *sorted = sk_X509_new_null();
    int n_issuers;

    if (!sorted)
        return EST_FAIL(pool, internal, "out of memory");
    pki_ossl_own_certs(sorted, pool);
    EST_TRY(push_issuers(sorted, certs, pool));
    n_issuers = sk_X509_num(sorted);
    if (!n_issuers)
        return EST_FAIL(pool, config, "none of %d certificates is that of a CA for end entities", sk_X509_num(certs));
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (is_any_ca(sk_X509_value(certs, i)))
            EST_TRY(push_once(sorted, sk_X509_value(certs, i), pool));
    return fill_in(out, sorted, n_issuers, pool);
}

/* ---- a CA of which nothing else is known */

typedef struct {
    ca_t ca;
    const ca_facts_t *facts;
} ca_known_t;

static est_err_t *known_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool)
{
    (void)pool;
    *out = ((ca_known_t *)ca)->facts;
    return NULL;
}

ca_t *ca_certs_only(const char *name, const ca_facts_t *facts, apr_pool_t *pool)
{
    static const ca_driver_t driver = {.name = "none", .facts = known_facts};
    ca_known_t *known = apr_pcalloc(pool, sizeof(*known));

    known->ca.driver = &driver;
    known->ca.name = name;
    known->facts = facts;
    return &known->ca;
}
