/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_reqext.h"
#include "pki_der.h"
#include "pki_ext.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>

/* The bits of a keyUsage value (contents of extnValue), -1 when malformed */
static int usage_bits(est_slice_t value)
{
    pki_der_t bits;
    int usage = 0;

    if (!pki_der_take(&value, PKI_DER_BIT_STRING, &bits) || value.n || bits.body.n < 2 || bits.body.n > 3 ||
        bits.body.p[0] > 7)
        return -1;
    for (apr_size_t i = 0; i < (bits.body.n - 1) * 8; i++) {
        if (bits.body.p[1 + i / 8] & (0x80 >> (i % 8)))
            usage |= 1 << i;
    }
    return usage;
}

static pki_reqext_kind_t judge_key_usage(const char **what, est_slice_t value)
{
    int usage = usage_bits(value);

    if (usage < 0)
        return PKI_REQEXT_MALFORMED;
    if (usage & (PKI_USAGE_KEY_CERT_SIGN | PKI_USAGE_CRL_SIGN)) {
        *what = usage & PKI_USAGE_KEY_CERT_SIGN ? "keyCertSign" : "cRLSign";
        return PKI_REQEXT_POWER;
    }
    return PKI_REQEXT_PLAIN;
}

/* Purposes that make whoever holds the certificate speak for others */
static const struct {
    est_slice_t oid;
    const char *name;
} powers[] = {
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1b"), "id-kp-cmcCA"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1c"), "id-kp-cmcRA"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1d"), "id-kp-cmcArchive"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x08"), "timeStamping"},
    {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x09"), "OCSPSigning"},
    {PKI_OID("\x55\x1d\x25\x00"), "anyExtendedKeyUsage"},
};

const char *pki_reqext_purpose_power(est_slice_t purpose)
{
    for (apr_size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++)
        if (est_slice_equal(purpose, powers[i].oid))
            return powers[i].name;
    return NULL;
}

static pki_reqext_kind_t judge_purposes(const char **what, est_slice_t value)
{
    const char *power;
    pki_der_t list, oid;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list) || value.n || !list.body.n)
        return PKI_REQEXT_MALFORMED;
    while (list.body.n) {
        if (!pki_der_take(&list.body, PKI_DER_OID, &oid))
            return PKI_REQEXT_MALFORMED;
        power = pki_reqext_purpose_power(oid.body);
        if (power) {
            *what = power;
            return PKI_REQEXT_POWER;
        }
    }
    return PKI_REQEXT_PLAIN;
}

static pki_reqext_kind_t judge_basic_constraints(const char **what, est_slice_t value)
{
    pki_der_t seq, ca;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &seq) || value.n)
        return PKI_REQEXT_MALFORMED;
    if (!seq.body.n)
        return PKI_REQEXT_PLAIN;
    if (!pki_der_take(&seq.body, PKI_DER_BOOLEAN, &ca) || ca.body.n != 1)
        return PKI_REQEXT_MALFORMED;
    if (ca.body.p[0] || seq.body.n) {
        *what = "CA:TRUE";
        return PKI_REQEXT_POWER;
    }
    return PKI_REQEXT_PLAIN; /* cA FALSE written out: not DER, but clear and left out anyway */
}

/* Features ::= SEQUENCE OF INTEGER (RFC 7633 4.1) */
static int is_features(est_slice_t value)
{
    pki_der_t list, number;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list) || value.n || !list.body.n)
        return 0;
    while (pki_der_take(&list.body, PKI_DER_INTEGER, &number))
        ;
    return !list.body.n;
}

const char *pki_reqext_name(const pki_req_ext_t *ext)
{
    return ext->nid == NID_undef ? ext->oid : OBJ_nid2sn(ext->nid);
}

pki_reqext_kind_t pki_reqext_judge(const char **what, const pki_req_ext_t *ext)
{
    *what = "malformed";
    switch (ext->nid) {
    case NID_key_usage:
        return judge_key_usage(what, ext->value);
    case NID_ext_key_usage:
        return judge_purposes(what, ext->value);
    case NID_basic_constraints:
        return judge_basic_constraints(what, ext->value);
    case NID_name_constraints:
    case NID_policy_constraints:
    case NID_policy_mappings:
    case NID_inhibit_any_policy:
    case NID_ct_precert_poison:
        *what = OBJ_nid2sn(ext->nid);
        return PKI_REQEXT_POWER;
    case NID_undef:
        *what = ext->oid;
        return PKI_REQEXT_UNKNOWN;
    case NID_subject_alt_name:
        *what = OBJ_nid2sn(ext->nid);
        return PKI_REQEXT_PLAIN;
    default:
        if (ext->nid == NID_tlsfeature && !is_features(ext->value))
            return PKI_REQEXT_MALFORMED;
        /* Known, and still only the profile gives it: who marks it critical wants no certificate without it */
        *what = OBJ_nid2sn(ext->nid);
        return ext->critical ? PKI_REQEXT_UNKNOWN : PKI_REQEXT_PLAIN;
    }
}

unsigned pki_reqext_key_usage(const pki_req_ext_t *ext)
{
    int usage = ext->nid == NID_key_usage ? usage_bits(ext->value) : 0;

    return usage > 0 ? (unsigned)usage : 0;
}

/* A whole Extension as if it were asked for; nid NID_undef when it is none. oid stays NULL. */
static pki_req_ext_t given(est_slice_t extension)
{
    pki_ext_t parts = pki_ext_parse(extension);
    pki_req_ext_t ext = {.nid = NID_undef, .critical = parts.critical, .value = parts.value};
    ASN1_OBJECT *object;

    if (!parts.value.p)
        return ext;
    object = d2i_ASN1_OBJECT(NULL, &parts.oid.whole.p, (long)parts.oid.whole.n);
    ext.nid = object ? OBJ_obj2nid(object) : NID_undef;
    ASN1_OBJECT_free(object);
    return ext;
}

unsigned pki_reqext_given_key_usage(est_slice_t extension)
{
    pki_req_ext_t ext = given(extension);

    return pki_reqext_key_usage(&ext);
}

/* X.690 11.2.2: a BIT STRING with named bits ends with its last bit that is set */
est_slice_t pki_reqext_with_key_usage(est_slice_t extension, unsigned usage, apr_pool_t *pool)
{
    unsigned char value[5] = {PKI_DER_BIT_STRING, 2};
    int last = 0;

    for (int i = 0; i < 9; i++) {
        if (usage & 1u << i) {
            value[3 + i / 8] |= (unsigned char)(0x80 >> (i % 8));
            last = i;
        }
    }
    value[1] = (unsigned char)(2 + last / 8);
    value[2] = (unsigned char)(7 - last % 8);
    return pki_ext_encode("2.5.29.15", pki_ext_parse(extension).critical, est_slice(value, (apr_size_t)value[1] + 2),
                          pool);
}

/* id-kp-cmcCA lets its holder sign answers in the CA's name (RFC 6402 2.10). The other purposes are the profile's to
 * give. */
static int has_cmc_ca(est_slice_t value)
{
    static const est_slice_t cmc_ca = PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1b");
    pki_der_t list, oid;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list))
        return 0;
    while (pki_der_take(&list.body, PKI_DER_OID, &oid))
        if (est_slice_equal(oid.body, cmc_ca))
            return 1;
    return 0;
}

/* Bits 5 to 7 of nsCertType, which some software still reads: SSL, S/MIME and object signing CA */
static int has_netscape_ca(est_slice_t value)
{
    pki_der_t bits;

    return pki_der_take(&value, PKI_DER_BIT_STRING, &bits) && bits.body.n >= 2 && (bits.body.p[1] & 0x07);
}

int pki_reqext_given_ca_power(const char **what, est_slice_t extension)
{
    pki_req_ext_t ext = given(extension);

    if (ext.nid == NID_ext_key_usage) {
        *what = "id-kp-cmcCA";
        return has_cmc_ca(ext.value);
    }
    if (ext.nid == NID_netscape_cert_type) {
        *what = "nsCertType of a CA";
        return has_netscape_ca(ext.value);
    }
    return ext.nid != NID_undef && pki_reqext_judge(what, &ext) == PKI_REQEXT_POWER;
}
