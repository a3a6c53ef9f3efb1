/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_csr.h"

#include <openssl/err.h>
#include <string.h>

DER_MUTATOR(0, DER_MUTATOR_SIGN)

/* Every failure is the client's and leaves no error behind; what is accepted is what OpenSSL reads in all of the octets
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    pki_csr_t *csr;
    est_err_t *err = pki_csr_decode(&csr, est_slice(data, size), pool);
    if (!err) {
        err = pki_csr_verify(csr, pool);
        FUZZ_ASSERT(ERR_peek_error() == 0);
        const unsigned char *p = data;
        X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)size);
        FUZZ_ASSERT(err || req); /* the signature algorithm is looked at last */
        if (req) {
            EVP_PKEY *theirs = X509_REQ_get0_pubkey(req);
            FUZZ_ASSERT(p == data + size && theirs && EVP_PKEY_eq(theirs, csr->key->pkey) == 1);
            FUZZ_ASSERT(err || X509_REQ_verify(req, theirs) == 1);
        }
        X509_REQ_free(req);
        ERR_clear_error();

        pki_name_t *name;
        if (!pki_name_encode(&name, csr->subject->attrs, csr->subject->n_attrs, pool))
            FUZZ_ASSERT(name->n_attrs == csr->subject->n_attrs);
        FUZZ_ASSERT(pki_san_equal(&csr->san, &csr->san));
    }
    FUZZ_ASSERT(!err || est_err_row(err->code)->status == 400);
    FUZZ_ASSERT(ERR_peek_error() == 0);
    apr_pool_destroy(pool);
    return 0;
}
