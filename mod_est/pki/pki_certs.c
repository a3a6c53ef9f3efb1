/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_certs.h"

#include "pki_ossl.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>

/* With an empty one some say that there is none */
static int has_content(PKCS7 *contents)
{
    if (!contents || !contents->type)
        return 1;
    if (PKCS7_type_is_data(contents))
        return contents->d.data && ASN1_STRING_length(contents->d.data) > 0;
    return contents->d.ptr != NULL;
}

static const char *flaw_of(const PKCS7 *message)
{
    const PKCS7_SIGNED *sign;

    if (!PKCS7_type_is_signed((PKCS7 *)message) || !(sign = message->d.sign))
        return "it is no SignedData";
    if (has_content(sign->contents))
        return "it has a content, certs-only messages have none";
    if (sk_PKCS7_SIGNER_INFO_num(sign->signer_info) > 0)
        return "it is signed, certs-only messages are not";
    if (sk_X509_num(sign->cert) <= 0)
        return "it holds no certificate";
    return NULL;
}

static est_err_t *take(STACK_OF(X509) **out, const PKCS7 *message, apr_pool_t *pool)
{
    const char *flaw = flaw_of(message);

    if (flaw)
        return EST_FAIL(pool, ca_answer, "not a certs-only message: %s", flaw);
    if (sk_X509_num(message->d.sign->cert) > PKI_CERTS_MAX)
        return EST_FAIL(pool, ca_answer, "the message holds %d certificates, more than %d",
                        sk_X509_num(message->d.sign->cert), PKI_CERTS_MAX);
    *out = X509_chain_up_ref(message->d.sign->cert);
    if (!*out)
        return EST_FAIL(pool, internal, "out of memory");
    pki_ossl_own_certs(*out, pool);
    return NULL;
}

est_err_t *pki_certs_read(STACK_OF(X509) **out, est_slice_t message, apr_pool_t *pool)
{
    const unsigned char *p = message.p;
    PKCS7 *read;
    est_err_t *err;

    if (!message.n || message.n > INT_MAX)
        return EST_FAIL(pool, ca_answer, "not a certs-only message: %s", message.n ? "too long" : "it is empty");
    read = d2i_PKCS7(NULL, &p, (long)message.n);
    if (!read)
        return EST_FAIL(pool, ca_answer, "not a certs-only message: %s", pki_ossl_reason(pool));
    if (p != message.p + message.n)
        err = EST_FAIL(pool, ca_answer, "not a certs-only message: octets follow it");
    else
        err = take(out, read, pool);
    PKCS7_free(read);
    ERR_clear_error();
    return err;
}
