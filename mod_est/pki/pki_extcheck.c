/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_extcheck.h"
#include "pki_ext.h"
#include "pki_reqext.h"

static const est_slice_t key_usage = PKI_OID("\x55\x1d\x0f"), basic_constraints = PKI_OID("\x55\x1d\x13"),
                         crl_points = PKI_OID("\x55\x1d\x1f"), policies = PKI_OID("\x55\x1d\x20"),
                         purposes = PKI_OID("\x55\x1d\x25"), any_purpose = PKI_OID("\x55\x1d\x25\x00"),
                         info_access = PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x01");

/* 4.2.1.3: at least one bit; X.690 11.2.2: no bits behind the last that is set */
static const char *usage_flaw(est_slice_t value)
{
    pki_der_t bits;

    if (!pki_der_take(&value, PKI_DER_BIT_STRING, &bits) || value.n || bits.body.n < 2 || bits.body.n > 3)
        return "no key usage is set";
    return bits.body.p[bits.body.n - 1] >> bits.body.p[0] & 1 ? NULL : "bits behind the last that is set";
}

/* The OID of a KeyPurposeId, or the first in a PolicyInformation */
static est_slice_t item_oid(const pki_der_t *item)
{
    est_slice_t in = item->tag == PKI_DER_SEQUENCE ? item->body : item->whole;
    pki_der_t oid = {0};

    pki_der_take(&in, PKI_DER_OID, &oid);
    return oid.body;
}

/* SEQUENCE SIZE (1..MAX); 4.2.1.4: a policy MUST NOT appear twice, nor is there a sense in it for a purpose */
static const char *list_flaw(est_slice_t value)
{
    pki_der_t list, item, other;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list) || value.n || !list.body.n)
        return "is empty";
    while (pki_der_next(&list.body, &item))
        for (est_slice_t rest = list.body; pki_der_next(&rest, &other);)
            if (est_slice_equal(item_oid(&item), item_oid(&other)))
                return "the same is there twice";
    return list.body.n ? "is malformed" : NULL;
}

/* The key usages of which each purpose needs one at least: 4.2.1.12 */
static const struct {
    est_slice_t oid;
    unsigned usages;
    const char *flaw;
} needs[] = {
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x01"),
     PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_KEY_ENCIPHERMENT | PKI_USAGE_KEY_AGREEMENT,
     "serverAuth needs one of the key usages digitalSignature, keyEncipherment and keyAgreement"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x02"), PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_KEY_AGREEMENT,
     "clientAuth needs one of the key usages digitalSignature and keyAgreement"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x03"), PKI_USAGE_DIGITAL_SIGNATURE,
     "codeSigning needs the key usage digitalSignature"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x04"),
     PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_NON_REPUDIATION | PKI_USAGE_KEY_ENCIPHERMENT | PKI_USAGE_KEY_AGREEMENT,
     "emailProtection needs one of the key usages digitalSignature, nonRepudiation, keyEncipherment and keyAgreement"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x08"), PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_NON_REPUDIATION,
     "timeStamping needs one of the key usages digitalSignature and nonRepudiation"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x09"), PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_NON_REPUDIATION,
     "OCSPSigning needs one of the key usages digitalSignature and nonRepudiation"},
};

static const char *purpose_flaw(est_slice_t purpose, unsigned usage)
{
    for (apr_size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        if (est_slice_equal(purpose, needs[i].oid) && !(usage & needs[i].usages))
            return needs[i].flaw;
    return NULL;
}

const char *pki_extcheck_usage_flaw(unsigned usage, const est_slice_t *exts, int n)
{
    pki_der_t list, oid;
    const char *flaw = NULL;

    for (int i = 0; i < n && !flaw; i++) {
        pki_ext_t ext = pki_ext_parse(exts[i]);

        if (est_slice_equal(ext.oid.body, purposes) && pki_der_take(&ext.value, PKI_DER_SEQUENCE, &list))
            while (!flaw && pki_der_next(&list.body, &oid))
                flaw = purpose_flaw(oid.body, usage);
    }
    return flaw;
}

static const char *consistency_flaw(const est_slice_t *exts, int n)
{
    unsigned usage = 0;

    for (int i = 0; i < n; i++)
        usage |= pki_reqext_given_key_usage(exts[i]);
    return usage ? pki_extcheck_usage_flaw(usage, exts, n) : NULL;
}

static int has_any_purpose(est_slice_t value)
{
    pki_der_t list, purpose;

    if (pki_der_take(&value, PKI_DER_SEQUENCE, &list))
        while (pki_der_next(&list.body, &purpose))
            if (est_slice_equal(purpose.body, any_purpose))
                return 1;
    return 0;
}

const char *pki_extcheck_flaw(const est_slice_t *exts, int n)
{
    pki_ext_t ext = pki_ext_parse(exts[n - 1]);
    const char *flaw = NULL;

    if (est_slice_equal(ext.oid.body, crl_points) || est_slice_equal(ext.oid.body, info_access)) {
        if (ext.critical) /* 4.2.1.13, 4.2.2.1 */
            flaw = "must not be critical";
    } else if (est_slice_equal(ext.oid.body, key_usage)) {
        flaw = usage_flaw(ext.value);
    } else if (est_slice_equal(ext.oid.body, policies)) {
        flaw = list_flaw(ext.value);
    } else if (est_slice_equal(ext.oid.body, purposes)) {
        flaw = list_flaw(ext.value);
        if (!flaw && ext.critical && has_any_purpose(ext.value)) /* 4.2.1.12 */
            flaw = "anyExtendedKeyUsage must not be critical";
    } else if (est_slice_equal(ext.oid.body, basic_constraints)) {
        if (ext.value.n != 2) /* cA FALSE is the default, and pathLenConstraint is for CAs: an empty SEQUENCE */
            flaw = "holds more than CA:FALSE";
    }
    return flaw ? flaw : consistency_flaw(exts, n);
}
