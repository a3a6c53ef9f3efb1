/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp_trust.h"
#include "pki/pki_ossl.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#define DATA 0 /* index of an object's data that OpenSSL leaves to the application */

static int is_for_cmp(X509 *cert)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    int found = 0;

    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
        found |= OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i)) == NID_cmcCA;
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

static int is_key_of(X509 *cert, est_slice_t spki)
{
    unsigned char *octets = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &octets);
    int same = n > 0 && est_slice_equal(spki, est_slice(octets, (apr_size_t)n));

    OPENSSL_free(octets);
    return same;
}

/* Is one of those above the signer the CA, or a CA above it? By their keys, as each may have several certificates */
static int is_below_ca(STACK_OF(X509) *chain, const ca_facts_t *facts)
{
    for (int i = 1; i < sk_X509_num(chain); i++)
        for (int k = 0; k < facts->issuer.n_certs; k++)
            if (is_key_of(sk_X509_value(chain, i), facts->issuer.certs[k]->spki))
                return 1;
    return 0;
}

/* CAs that sign their messages with the key of their certificates often have no digitalSignature in keyUsage: whoever
 * is in the file of those who are trusted need not have it */
static int may_sign(X509 *signer, STACK_OF(X509) *chain, const ca_cmp_settings_t *settings)
{
    const X509_NAME *name = X509_get_subject_name(signer);

    if (pki_ossl_has_cert(settings->trusted, signer))
        return 1;
    if (!(X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE))
        return 0;
    return !is_below_ca(chain, settings->facts) || !X509_NAME_cmp(name, settings->recipient) ||
           !X509_NAME_cmp(name, X509_get_subject_name(settings->facts->cert)) || is_for_cmp(signer);
}

/* X509_STORE_CTX_verify_cb */
static int verify(int ok, X509_STORE_CTX *ctx)
{
    ca_cmp_trust_t *trust = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(ctx), DATA);
    X509 *signer = X509_STORE_CTX_get0_cert(ctx);

    if (!ok || X509_STORE_CTX_get_error_depth(ctx) > 0)
        return ok;
    if (may_sign(signer, X509_STORE_CTX_get0_chain(ctx), trust->settings))
        return 1;
    trust->stranger = pki_cert_subject_text(signer, trust->pool);
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

X509_STORE *ca_cmp_trust_store(ca_cmp_trust_t *trust)
{
    STACK_OF(X509) *trusted = trust->settings->trusted;
    X509_STORE *store = X509_STORE_new();
    int done =
        store && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) && X509_STORE_set_ex_data(store, DATA, trust);

    for (int i = 0; done && i < sk_X509_num(trusted); i++)
        done = X509_STORE_add_cert(store, sk_X509_value(trusted, i));
    if (!done) {
        X509_STORE_free(store);
        return NULL;
    }
    X509_STORE_set_verify_cb(store, verify);
    return store;
}
