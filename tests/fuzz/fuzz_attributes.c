/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_der.h"
#include "pki/pki_reqattr.h"
#include "pki/pki_reqext.h"
#include "pki/pki_text.h"

#include <openssl/err.h>
#include <string.h>

#define CA_BITS (PKI_USAGE_KEY_CERT_SIGN | PKI_USAGE_CRL_SIGN)

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

/* The attributes, in a request that is fine otherwise but for its signature */
static est_slice_t request_with(est_slice_t attributes, apr_pool_t *pool)
{
    static const est_slice_t head =
        PKI_DER_LITERAL("\x02\x01\x00\x30\x00\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
                        "\x08\xd6\x14\x4f\xd6\x64\x96\xb0\x4a\x25\x85\x6b\x37\x97\x3f\x4e\x2e\x2b\xa9\x5c\xd9\xb0\x22"
                        "\x91\xc6\x34\x77\x8e"
                        "\x15\xa6\x9e\x52");
    static const est_slice_t tail =
        PKI_DER_LITERAL("\x30\x05\x06\x03\x2b\x65\x70\x03\x09\x00\x01\x02\x03\x04\x05\x06\x07\x08");
    pki_der_out_t *out = pki_der_out_make(attributes.n + 128, pool);

    pki_der_put(out, tail);
    apr_size_t info = pki_der_mark(out);
    pki_der_put(out, attributes);
    pki_der_wrap(out, PKI_DER_CONTEXT_CONSTRUCTED(0), info);
    pki_der_put(out, head);
    pki_der_wrap(out, PKI_DER_SEQUENCE, info);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return pki_der_result(out);
}

static void check_text(const char *text)
{
    FUZZ_ASSERT(!text || (*text && strlen(text) <= PKI_REQATTR_TEXT_MAX && !pki_text_flaw(text, strlen(text))));
}

static void check_extensions(const pki_csr_t *csr)
{
    for (int i = 0; i < csr->n_exts; i++) {
        const char *what = NULL;
        pki_reqext_kind_t kind = pki_reqext_judge(&what, &csr->exts[i]);

        FUZZ_ASSERT(what || kind == PKI_REQEXT_PLAIN);
        FUZZ_ASSERT(kind == PKI_REQEXT_POWER || !(pki_reqext_key_usage(&csr->exts[i]) & CA_BITS));
        for (int j = 0; j < i; j++)
            FUZZ_ASSERT(strcmp(csr->exts[i].oid, csr->exts[j].oid) != 0);
    }
}

/* The input is the contents of a request's attributes. Whatever is wrong with them is the client's fault, and what is
 * handed on is text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    pki_reqattrs_t attrs;
    pki_csr_t *csr;
    est_err_t *err = pki_csr_decode(&csr, request_with(est_slice(data, size), pool), pool);

    if (!err) {
        check_text(csr->challenge);
        check_extensions(csr);
        err = pki_reqattr_read(&attrs, csr, pool);
        FUZZ_ASSERT(!err || err->code == EST_E_csr_attribute);
    }
    FUZZ_ASSERT(!err || est_err_row(err->code)->status == 400);
    if (!err) {
        check_text(attrs.otp);
        check_text(attrs.revocation);
        check_text(attrs.identity_linking);
        FUZZ_ASSERT(attrs.has_change == (attrs.subject || attrs.san.n_names));
        FUZZ_ASSERT(!attrs.subject || !pki_text_flaw(attrs.subject->text, strlen(attrs.subject->text)));
    }
    FUZZ_ASSERT(ERR_peek_error() == 0);
    apr_pool_destroy(pool);
    return 0;
}
