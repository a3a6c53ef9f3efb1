/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_issued.h"
#include "pki/pki_issued.h"
#include "pki/pki_time.h"
#include "policy_names.h"

#include <apr_strings.h>
#include <string.h>

/* The CA's clock is not ours, and it may begin a while after we have judged */
#define TOLERANCE apr_time_from_sec(600)

static const est_slice_t basic_constraints = PKI_OID("\x55\x1d\x13"), key_usage = PKI_OID("\x55\x1d\x0f"),
                         ext_key_usage = PKI_OID("\x55\x1d\x25");

/* What is judged: the certificate, and the grant with its extensions taken apart */
typedef struct {
    const policy_grant_t *grant;
    pki_issued_t cert;
    pki_ext_t granted[POLICY_MAX_EXTS];
    const char *const *extra;
    apr_pool_t *pool;
} check_t;

static const pki_ext_t *in_cert(const check_t *c, est_slice_t oid)
{
    return pki_issued_ext(c->cert.exts, c->cert.n_exts, oid);
}

static const pki_ext_t *in_grant(const check_t *c, est_slice_t oid)
{
    return pki_issued_ext(c->granted, c->grant->n_exts, oid);
}

/* ---- names and time */

static est_err_t *check_names(const check_t *c)
{
    const pki_cert_t *facts = c->cert.facts;

    if (!pki_name_equal(facts->subject, c->grant->subject))
        return EST_FAIL(c->pool, ca_wrong, "subject \"%s\"; granted: \"%s\"", facts->subject->text,
                        c->grant->subject->text);
    if (!pki_san_equal(&facts->san, &c->grant->san))
        return EST_FAIL(c->pool, ca_wrong, "alternative names %s; granted: %s", policy_names_text(&facts->san, c->pool),
                        policy_names_text(&c->grant->san, c->pool));
    return NULL;
}

static est_err_t *check_time(const check_t *c)
{
    const pki_cert_t *facts = c->cert.facts;

    if (facts->not_after <= facts->not_before)
        return EST_FAIL(c->pool, ca_wrong, "it ends %s, before it begins", pki_time_text(facts->not_after, c->pool));
    if (facts->not_after > c->grant->not_after + TOLERANCE)
        return EST_FAIL(c->pool, ca_wrong,
                        "valid until %s; granted: until %s (the profile's validity must not be shorter than the CA's)",
                        pki_time_text(facts->not_after, c->pool), pki_time_text(c->grant->not_after, c->pool));
    return NULL;
}

/* ---- powers */

/* BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }: of an end entity, the
 * SEQUENCE is empty, though there are CAs that write the FALSE */
static est_err_t *check_constraints(const check_t *c)
{
    const pki_ext_t *ext = in_cert(c, basic_constraints);
    est_slice_t empty = PKI_DER_LITERAL("\x30\x00"), no = PKI_DER_LITERAL("\x30\x03\x01\x01\x00");

    if (ext && !est_slice_equal(ext->value, empty) && !est_slice_equal(ext->value, no))
        return EST_FAIL(c->pool, ca_wrong, "basicConstraints of a CA");
    return NULL;
}

/* KeyUsage ::= BIT STRING (RFC 5280 4.2.1.3), as a number with bit 0 as its highest; -1: malformed */
static int usages_of(const pki_ext_t *ext)
{
    est_slice_t value = ext->value;
    pki_der_t bits;

    if (!pki_der_take(&value, PKI_DER_BIT_STRING, &bits) || value.n || bits.body.n < 2 || bits.body.n > 3 ||
        bits.body.p[0] > 7)
        return -1;
    return bits.body.p[1] << 8 | (bits.body.n == 3 ? bits.body.p[2] : 0);
}

#define KEY_CERT_SIGN (0x8000 >> 5)
#define CRL_SIGN (0x8000 >> 6)

static est_err_t *check_usages(const check_t *c)
{
    const pki_ext_t *ext = in_cert(c, key_usage), *granted = in_grant(c, key_usage);
    int usages;

    if (!ext)
        return granted ? EST_FAIL(c->pool, ca_wrong, "no keyUsage, which was granted: that is every usage") : NULL;
    usages = usages_of(ext);
    if (usages < 0)
        return EST_FAIL(c->pool, ca_wrong, "malformed keyUsage");
    if (usages & (KEY_CERT_SIGN | CRL_SIGN))
        return EST_FAIL(c->pool, ca_wrong, "keyUsage of a CA");
    if (granted && (usages & ~usages_of(granted)))
        return EST_FAIL(c->pool, ca_wrong, "key usages %s are more than were granted",
                        est_hex(ext->value, c->pool));
    return NULL;
}

static int has_purpose(const pki_ext_t *ext, est_slice_t purpose)
{
    est_slice_t value = ext->value;
    pki_der_t list, oid;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list))
        return 0;
    while (list.body.n && pki_der_take(&list.body, PKI_DER_OID, &oid))
        if (est_slice_equal(oid.body, purpose))
            return 1;
    return 0;
}

/* Purposes that give power over others, and are in no certificate whose profile has not said so */
static int is_power(est_slice_t purpose)
{
    static const est_slice_t powers[] = {
        PKI_OID("\x55\x1d\x25\x00"),                 /* anyExtendedKeyUsage */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x08"), /* timeStamping */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x09"), /* OCSPSigning */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1b"), /* cmcCA */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1c"), /* cmcRA */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1d"), /* cmcArchive */
    };

    for (apr_size_t i = 0; i < sizeof(powers) / sizeof(powers[0]); i++)
        if (est_slice_equal(purpose, powers[i]))
            return 1;
    return 0;
}

static est_err_t *check_purposes(const check_t *c)
{
    const pki_ext_t *ext = in_cert(c, ext_key_usage), *granted = in_grant(c, ext_key_usage);
    est_slice_t value;
    pki_der_t list, oid;

    if (!ext)
        return granted ? EST_FAIL(c->pool, ca_wrong, "no extendedKeyUsage, which was granted: that is every purpose")
                       : NULL;
    value = ext->value; /* well-formed, or pki_cert_facts() had refused it */
    pki_der_take(&value, PKI_DER_SEQUENCE, &list);
    while (list.body.n && pki_der_take(&list.body, PKI_DER_OID, &oid))
        if (granted ? !has_purpose(granted, oid.body) : is_power(oid.body))
            return EST_FAIL(c->pool, ca_wrong, "purpose %s (extendedKeyUsage) was not granted",
                            pki_oid_to_text(oid.body, c->pool));
    return NULL;
}

/* ---- extensions */

/* Those that are the CA's to choose: who it is, where to find it, and what its certificates stand for. None of them
 * widens what the certificate may be used for */
static int is_the_cas(est_slice_t oid)
{
    static const est_slice_t own[] = {
        PKI_OID("\x55\x1d\x0e"),                                 /* subjectKeyIdentifier */
        PKI_OID("\x55\x1d\x23"),                                 /* authorityKeyIdentifier */
        PKI_OID("\x55\x1d\x1f"),                                 /* cRLDistributionPoints */
        PKI_OID("\x55\x1d\x2e"),                                 /* freshestCRL */
        PKI_OID("\x55\x1d\x12"),                                 /* issuerAltName */
        PKI_OID("\x55\x1d\x20"),                                 /* certificatePolicies */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x01"),             /* authorityInfoAccess */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x0b"),             /* subjectInfoAccess */
        PKI_OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"),     /* signed certificate timestamps */
        PKI_OID("\x60\x86\x48\x01\x86\xf8\x42\x01\x0d"),         /* Netscape comment */
    };

    for (apr_size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (est_slice_equal(oid, own[i]))
            return 1;
    return 0;
}

/* Judged by functions of their own */
static int is_judged(est_slice_t oid)
{
    return est_slice_equal(oid, basic_constraints) || est_slice_equal(oid, key_usage) ||
           est_slice_equal(oid, ext_key_usage) || est_slice_equal(oid, pki_san_oid);
}

static int is_extra(const check_t *c, const char *oid)
{
    for (int i = 0; c->extra && c->extra[i]; i++)
        if (!strcmp(c->extra[i], oid))
            return 1;
    return 0;
}

/* Those that bind whoever looks at CA certificates: no end entity has them, whatever a configuration says */
static int is_for_cas(est_slice_t oid)
{
    static const est_slice_t never[] = {
        PKI_OID("\x55\x1d\x1e"), /* nameConstraints */
        PKI_OID("\x55\x1d\x21"), /* policyMappings */
        PKI_OID("\x55\x1d\x24"), /* policyConstraints */
        PKI_OID("\x55\x1d\x36"), /* inhibitAnyPolicy */
    };

    for (apr_size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (est_slice_equal(oid, never[i]))
            return 1;
    return 0;
}

static est_err_t *check_extension(const check_t *c, const pki_ext_t *ext)
{
    const pki_ext_t *granted = in_grant(c, ext->oid.body);
    const char *oid = pki_oid_to_text(ext->oid.body, c->pool);

    if (is_judged(ext->oid.body))
        return NULL;
    if (!oid || is_for_cas(ext->oid.body))
        return EST_FAIL(c->pool, ca_wrong, "extension %s, which is for CA certificates", oid ? oid : "(malformed)");
    if (is_the_cas(ext->oid.body))
        return NULL;
    if (granted)
        return est_slice_equal(granted->value, ext->value)
                   ? NULL
                   : EST_FAIL(c->pool, ca_wrong, "extension %s has another value than was granted", oid);
    if (ext->critical)
        return EST_FAIL(c->pool, ca_wrong, "critical extension %s was not granted", oid);
    if (!is_extra(c, oid))
        return EST_FAIL(c->pool, ca_wrong,
                        "extension %s was not granted; if this CA adds it to all certificates, EstCAExtensions can say so",
                        oid);
    return NULL;
}

/* What was granted and is not there: a restriction that is missing is a power. OCSP must-staple (RFC 7633) is one that
 * is never critical */
static est_err_t *check_missing(const check_t *c)
{
    static const est_slice_t tls_feature = PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x18");

    for (int i = 0; i < c->grant->n_exts; i++) {
        const pki_ext_t *granted = &c->granted[i];

        if ((granted->critical || est_slice_equal(granted->oid.body, tls_feature)) && !is_judged(granted->oid.body) &&
            !is_the_cas(granted->oid.body) && !in_cert(c, granted->oid.body))
            return EST_FAIL(c->pool, ca_wrong, "extension %s, which was granted, is missing",
                            pki_oid_to_text(granted->oid.body, c->pool));
    }
    return NULL;
}

est_err_t *policy_issued_check(const policy_grant_t *grant, est_slice_t spki, est_slice_t der, const char *const *extra,
                               apr_pool_t *pool)
{
    check_t c = {.grant = grant, .extra = extra, .pool = pool};

    EST_TRY(pki_issued_read(&c.cert, der, pool));
    for (int i = 0; i < grant->n_exts; i++)
        c.granted[i] = pki_ext_parse(grant->exts[i]);
    if (!est_slice_equal(c.cert.facts->spki, spki))
        return EST_FAIL(pool, ca_wrong, "it is for another key than that of the request");
    EST_TRY(check_names(&c));
    EST_TRY(check_time(&c));
    EST_TRY(check_constraints(&c));
    EST_TRY(check_usages(&c));
    EST_TRY(check_purposes(&c));
    for (int i = 0; i < c.cert.n_exts; i++)
        EST_TRY(check_extension(&c, &c.cert.exts[i]));
    return check_missing(&c);
}
