/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_der.h"
#include "pki/pki_name.h"
#include "pki/pki_san.h"
#include "pki/pki_text.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

static int is_clean(const char *text)
{
    return !pki_text_flaw(text, strlen(text));
}

/* OpenSSL compares a NumericString octet by octet, with its type; it is written as another type */
static int has_numeric_string(const pki_name_t *name)
{
    for (int i = 0; i < X509_NAME_entry_count(name->x509); i++)
        if (X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name->x509, i))->type == V_ASN1_NUMERICSTRING)
            return 1;
    return 0;
}

/* A name that is read can be written, unless one of its values is too long or not of its type; then it is the same name
 */
static void check_name(est_slice_t in, apr_pool_t *pool)
{
    pki_name_t *name, *again;
    est_err_t *err = pki_name_decode(&name, in, pool);

    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    if (err)
        return;
    FUZZ_ASSERT(est_slice_equal(name->der, in) && is_clean(name->text) && pki_name_equal(name, name));
    for (int i = 0; i < name->n_attrs; i++)
        FUZZ_ASSERT(*name->attrs[i].value && is_clean(name->attrs[i].value) && is_clean(name->attrs[i].type));
    err = pki_name_check(name, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    err = pki_name_encode(&again, name->attrs, name->n_attrs, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    if (err)
        return;
    FUZZ_ASSERT(!pki_der_check(again->der, pool) && again->n_attrs == name->n_attrs);
    FUZZ_ASSERT(has_numeric_string(name) || (pki_name_equal(name, again) && pki_name_equal(again, name)));
}

/* Names that may be issued OpenSSL reads as well; written and read again they are the same */
static void check_san(est_slice_t in, apr_pool_t *pool)
{
    pki_sans_t sans, again, first = {0};
    est_err_t *err = pki_san_decode(&sans, in, pool);

    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    if (err)
        return;
    for (int i = 0; i < sans.n_names; i++)
        FUZZ_ASSERT(is_clean(sans.names[i].value) && pki_san_same(&sans.names[i], &sans.names[i]));
    est_slice_t der = pki_san_encode(&sans, pool);
    FUZZ_ASSERT(!pki_der_check(der, pool) && !pki_san_decode(&again, der, pool));
    FUZZ_ASSERT(pki_san_equal(&sans, &again) && pki_san_equal(&again, &sans));
    first.names = sans.names;
    first.n_names = sans.n_names / 2;
    FUZZ_ASSERT(pki_san_subset(&first, &sans));

    err = pki_san_check(&sans, pool);
    FUZZ_ASSERT(!err || err->code == EST_E_name_invalid);
    for (int i = 0; i < sans.n_names; i++) {
        if (sans.names[i].type == PKI_SAN_OTHER || sans.names[i].type == PKI_SAN_X400 ||
            sans.names[i].type == PKI_SAN_EDI)
            return; /* nobody looks into them, and no profile can allow them */
    }
    if (err)
        return;
    const unsigned char *p = der.p;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &p, (long)der.n);
    FUZZ_ASSERT(names && p == der.p + der.n && sk_GENERAL_NAME_num(names) == sans.n_names);
    GENERAL_NAMES_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    est_slice_t in = est_slice(data, size);

    if (!pki_der_check(in, pool)) /* which comes first everywhere */
        check_name(in, pool);
    check_san(in, pool);
    FUZZ_ASSERT(ERR_peek_error() == 0);
    apr_pool_destroy(pool);
    return 0;
}
