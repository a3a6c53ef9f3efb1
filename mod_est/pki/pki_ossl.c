/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_ossl.h"

#include <apr_strings.h>
#include <openssl/err.h>

#define OWN(type, arg, fn, call)                                                                                       \
    static apr_status_t free_##fn(void *p)                                                                             \
    {                                                                                                                  \
        call;                                                                                                          \
        return APR_SUCCESS;                                                                                            \
    }                                                                                                                  \
    type *pki_ossl_own_##fn(type *arg, apr_pool_t *pool)                                                               \
    {                                                                                                                  \
        apr_pool_cleanup_register(pool, arg, free_##fn, apr_pool_cleanup_null);                                        \
        return arg;                                                                                                    \
    }

OWN(EVP_PKEY, pkey, pkey, EVP_PKEY_free(p))
OWN(X509, cert, x509, X509_free(p))
OWN(X509_NAME, name, name, X509_NAME_free(p))
OWN(X509_STORE, store, store, X509_STORE_free(p))
OWN(STACK_OF(X509), certs, certs, sk_X509_pop_free(p, X509_free))

int pki_ossl_has_cert(const STACK_OF(X509) *certs, const X509 *cert)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (!X509_cmp(sk_X509_value(certs, i), cert))
            return 1;
    return 0;
}

const char *pki_ossl_reason(apr_pool_t *pool)
{
    const char *first = ERR_reason_error_string(ERR_peek_error());
    const char *last = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    if (!first && !last)
        return "no reason given";
    if (!first || !last || first == last)
        return apr_pstrdup(pool, first ? first : last);
    return apr_psprintf(pool, "%s, %s", first, last);
}
