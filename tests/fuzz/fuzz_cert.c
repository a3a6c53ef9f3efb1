/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_cert.h"
#include "pki/pki_der.h"
#include "pki/pki_text.h"

#include <openssl/err.h>
#include <string.h>

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

/* A client's certificate is what OpenSSL made of it when it gets to us. Whatever it is, it is refused or its facts are
 * those of OpenSSL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    const unsigned char *p = data;
    X509 *x509 = d2i_X509(NULL, &p, (long)size);
    pki_cert_t *cert;

    ERR_clear_error();
    if (x509) {
        est_err_t *err = pki_cert_facts(&cert, x509, pool);

        FUZZ_ASSERT(!err || err->code == EST_E_certificate_refused);
        FUZZ_ASSERT(ERR_peek_error() == 0);
        if (!err) {
            const char *text = cert->subject->text;

            FUZZ_ASSERT(!pki_text_flaw(text, strlen(text)) && !pki_der_check(cert->der, pool));
            FUZZ_ASSERT(X509_NAME_cmp(cert->subject->x509, X509_get_subject_name(x509)) == 0);
            FUZZ_ASSERT(est_slice_equal(cert->serial, pki_cert_serial(cert->der)));
            FUZZ_ASSERT(pki_san_equal(&cert->san, &cert->san));
        }
        FUZZ_ASSERT(pki_cert_subject_text(x509, pool));
        pki_cert_is_ca(x509);
        ERR_clear_error();
    }
    /* of our own certificates only, but robust all the same */
    FUZZ_ASSERT(pki_cert_serial_text(est_slice(data, size), pool));
    X509_free(x509);
    apr_pool_destroy(pool);
    return 0;
}
