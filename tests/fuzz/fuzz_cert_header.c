/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "pki/pki_certhdr.h"
#include "pki/pki_der.h"

#include <openssl/err.h>
#include <string.h>

/* Written again from what was read */
static void check_der(X509 *cert, apr_pool_t *pool)
{
    unsigned char *der = NULL;
    int n = i2d_X509(cert, &der);

    FUZZ_ASSERT(n > 0 && !pki_der_check(est_slice(der, (size_t)n), pool));
    OPENSSL_free(der);
}

/* The first octet chooses the form; the rest is the header, and behind a newline that of the chain */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pki_certhdr_form_t forms[] = {PKI_CERTHDR_RFC9440, PKI_CERTHDR_PEM, PKI_CERTHDR_XFCC};
    apr_pool_t *pool = fuzz_pool();
    char *text = apr_pcalloc(pool, size + 1), *value = size ? text + 1 : text, *newline;
    STACK_OF(X509) *chain = NULL;
    X509 *leaf = NULL;
    est_err_t *err;

    if (size)
        memcpy(text, data, size);
    newline = strchr(value, '\n');
    if (newline)
        *newline++ = '\0'; /* no header has one */
    err = pki_certhdr_decode(&leaf, &chain, forms[size ? data[0] % 3 : 0], value, newline, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_proxy_certificate);
    FUZZ_ASSERT(ERR_peek_error() == 0);
    if (!err) {
        FUZZ_ASSERT(leaf && chain && sk_X509_num(chain) <= PKI_CERTHDR_MAX_CHAIN);
        check_der(leaf, pool);
        for (int i = 0; i < sk_X509_num(chain); i++)
            check_der(sk_X509_value(chain, i), pool);
    }
    apr_pool_destroy(pool);
    return 0;
}
