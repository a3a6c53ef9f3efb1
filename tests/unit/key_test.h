/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef KEY_TEST_H
#define KEY_TEST_H

/* SubjectPublicKeyInfos, for the tests of pki_key.c */

#include "x509_test.h"

#include "pki/pki_key.h"

#include <openssl/err.h>

#define RSA_ALGORITHM "300d06092a864886f70d0101010500"
#define P256_ALGORITHM "301306072a8648ce3d020106082a8648ce3d030107"
#define ED25519_ALGORITHM "300506032b6570"
#define ED448_ALGORITHM "300506032b6571"

static inline est_slice_t generated(EVP_PKEY *key)
{
    assert_non_null(key);
    est_slice_t spki = spki_of(key);
    EVP_PKEY_free(key);
    return spki;
}

static inline est_slice_t make_spki(est_slice_t algorithm, est_slice_t bits)
{
    return tlv(0x30, join(2, algorithm, tlv(0x03, join(2, hex("00"), bits))));
}

static inline est_err_t *decode(est_slice_t spki)
{
    pki_key_t *key;
    est_err_t *err = pki_key_decode(&key, spki, pool);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

#endif
