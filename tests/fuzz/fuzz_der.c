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
#include <openssl/x509v3.h>
#include <string.h>

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

/* Written again from what was read: the same octets */
static void rebuild(pki_der_out_t *out, est_slice_t in)
{
    pki_der_t v, all[16];
    int n = 0;
    while (n < 16 && pki_der_next(&in, &v))
        all[n++] = v;
    pki_der_put(out, in);
    while (n-- > 0) {
        apr_size_t mark = pki_der_mark(out);
        if ((all[n].tag & 0x1f) == 0x1f) { /* long tags are not written here */
            pki_der_put(out, all[n].whole);
            continue;
        }
        if (all[n].tag & 0x20)
            rebuild(out, all[n].body);
        else
            pki_der_put(out, all[n].body);
        pki_der_wrap(out, all[n].tag, mark);
    }
}

static void check_oid(est_slice_t in, apr_pool_t *pool)
{
    const char *text = pki_oid_to_text(in, pool);
    est_slice_t back = text ? pki_oid_from_text(text, pool) : in;
    FUZZ_ASSERT(back.n == 0 || est_slice_equal(back, in)); /* n 0: more arcs than are written */
}

/* A name that is accepted encodes to a name that is equal */
static void check_name(est_slice_t in, apr_pool_t *pool)
{
    pki_name_t *name, *again;
    if (pki_name_decode(&name, in, pool))
        return;
    FUZZ_ASSERT(!pki_text_flaw(name->text, strlen(name->text)));
    est_err_t *err = pki_name_check(name, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    if (!pki_name_encode(&again, name->attrs, name->n_attrs, pool))
        FUZZ_ASSERT(!pki_der_check(again->der, pool));
}

/* Names that are accepted OpenSSL reads as well, and encoding and decoding changes nothing more */
static void check_san(est_slice_t in, apr_pool_t *pool)
{
    pki_sans_t sans, again;
    est_err_t *err;
    if (pki_san_decode(&sans, in, pool))
        return;
    err = pki_san_check(&sans, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    est_slice_t der = pki_san_encode(&sans, pool);
    const unsigned char *p = der.p;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &p, (long)der.n);
    int unread = 0; /* OpenSSL looks into these, and we do not: they are never issued */
    for (int i = 0; i < sans.n_names; i++)
        unread |= sans.names[i].type == PKI_SAN_OTHER || sans.names[i].type == PKI_SAN_X400 ||
                  sans.names[i].type == PKI_SAN_EDI;
    FUZZ_ASSERT(unread || (names && sk_GENERAL_NAME_num(names) == sans.n_names));
    ERR_clear_error();
    GENERAL_NAMES_free(names);
    FUZZ_ASSERT(!pki_san_decode(&again, der, pool) && pki_san_equal(&sans, &again));
}

static void check_cert(est_slice_t in, apr_pool_t *pool)
{
    const unsigned char *p = in.p;
    X509 *x509 = d2i_X509(NULL, &p, (long)in.n);
    pki_cert_t *cert;
    if (x509 && !pki_cert_facts(&cert, x509, pool))
        FUZZ_ASSERT(cert->der.n > 0 && cert->spki.n > 0);
    X509_free(x509);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    est_slice_t in = est_slice(data, size);
    est_err_t *err = pki_der_check(in, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_der_invalid);
    if (!err) {
        pki_der_out_t *out = pki_der_out_make(0, pool);
        rebuild(out, in);
        FUZZ_ASSERT(est_slice_equal(pki_der_result(out), in));
    }
    check_oid(in, pool);
    check_name(in, pool);
    check_san(in, pool);
    check_cert(in, pool);
    pki_key_t *key;
    err = pki_key_decode(&key, in, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_key_rejected);
    if (!err)
        err = pki_key_check_quality(key, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_key_rejected);
    FUZZ_ASSERT(ERR_peek_error() == 0);
    apr_pool_destroy(pool);
    return 0;
}
