/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_cert.h"
#include "pki/pki_certs.h"

#include <openssl/err.h>

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

/* What an upstream CA sends is refused, or a few certificates, of which we can make such a message ourselves */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    STACK_OF(X509) *certs, *again;
    est_err_t *err = pki_certs_read(&certs, est_slice(data, size), pool);

    FUZZ_ASSERT(!err || err->code == EST_E_ca_answer);
    FUZZ_ASSERT(ERR_peek_error() == 0);
    if (!err) {
        est_slice_t ders[PKI_CERTS_MAX];
        int n = sk_X509_num(certs), writable = 1;

        FUZZ_ASSERT(n > 0 && n <= PKI_CERTS_MAX);
        for (int i = 0; i < n && writable; i++)
            writable = !pki_cert_der(&ders[i], sk_X509_value(certs, i), pool);
        if (writable) {
            FUZZ_ASSERT(!pki_certs_read(&again, pki_certs_only(ders, n, pool), pool));
            FUZZ_ASSERT(sk_X509_num(again) == n);
        }
        for (int i = 0; i < n; i++)
            FUZZ_ASSERT(pki_cert_subject_text(sk_X509_value(certs, i), pool));
        ERR_clear_error();
    }
    apr_pool_destroy(pool);
    return 0;
}
