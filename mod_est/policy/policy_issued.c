/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_issued.h"
#include "pki/pki_issued.h"
#include "pki/pki_reqext.h"
#include "pki/pki_time.h"
#include "policy_names.h"

#include <apr_strings.h>
#include <string.h>

/* The CA's clock is not ours, and it may begin a while after we have judged */
#define TOLERANCE apr_time_from_sec(600)

static const est_slice_t basic_constraints = PKI_OID("\x55\x1d\x13"), key_usage = PKI_OID("\x55\x1d\x0f"),
                         ext_key_usage = PKI_OID("\x55\x1d\x25"), any_purpose = PKI_OID("\x55\x1d\x25\x00");

/* What is judged: the certificate, and the grant with its extensions taken apart */
typedef struct {
    const policy_grant_t *grant;
    pki_issued_t cert;
    pki_ext_t granted[POLICY_MAX_EXTS];
    const char *const *extra;
    apr_pool_t *pool;
} check_t;

static int is_in(est_slice_t oid, const est_slice_t *list, apr_size_t n)
{
    for (apr_size_t i = 0; i < n; i++)
        if (est_slice_equal(oid, list[i]))
            return 1;
    return 0;
}
#define IS_IN(oid, list) is_in((oid), (list), sizeof(list) / sizeof((list)[0]))

static const pki_ext_t *in_cert(const check_t *c, est_slice_t oid)
{
    return pki_issued_ext(c->cert.exts, c->cert.n_exts, oid);
}

static const pki_ext_t *in_grant(const check_t *c, est_slice_t oid)
{
    return pki_issued_ext(c->granted, c->grant->n_exts, oid);
}

/* An object identifier for a message; those with huge numbers have no dotted form here */
static const char *oid_text(const check_t *c, est_slice_t oid)
{
    const char *text = pki_oid_to_text(oid, c->pool);

    return text ? text : est_hex(oid, c->pool);
}

/* "tlsfeature (1.3.6.1.5.5.7.1.24)", or the OID alone */
static const char *ext_text(const check_t *c, const pki_ext_t *ext)
{
    const char *oid = oid_text(c, ext->oid.body), *name = pki_ext_text(ext->whole, c->pool).name;

    return *name && strcmp(name, oid) ? apr_pstrcat(c->pool, name, " (", oid, ")", NULL) : oid;
}

/* ---- key, names and time */

/* Octet for octet, or the same key in another of its encodings: CAs write parameters of RSA keys as they like */
static est_err_t *check_key(const check_t *c, est_slice_t spki)
{
    est_slice_t got = c->cert.facts->spki;
    pki_key_t *key, *wanted;

    if (est_slice_equal(got, spki))
        return NULL;
    if (!pki_key_decode(&key, got, c->pool) && !pki_key_decode(&wanted, spki, c->pool) &&
        est_slice_equal(key->spki, wanted->spki))
        return NULL;
    return EST_FAIL(c->pool, ca_wrong, "it is for another key than that of the request");
}

/* The first name of a that is not in b; NULL: there is none */
static const pki_san_t *beyond(const pki_sans_t *a, const pki_sans_t *b)
{
    for (int i = 0; i < a->n_names; i++) {
        pki_sans_t one = {&a->names[i], 1};

        if (!pki_san_subset(&one, b))
            return &a->names[i];
    }
    return NULL;
}

static est_err_t *check_names(const check_t *c)
{
    const pki_cert_t *facts = c->cert.facts;
    const pki_sans_t *granted = &c->grant->san;
    const pki_san_t *name;

    if (!pki_name_equal(facts->subject, c->grant->subject))
        return EST_FAIL(c->pool, ca_wrong, "subject \"%s\"; granted: \"%s\"", facts->subject->text,
                        c->grant->subject->text);
    name = beyond(&facts->san, granted);
    if (name)
        return EST_FAIL(c->pool, ca_wrong, "subjectAltName %s was not granted; granted: %s",
                        pki_san_text(name, c->pool), policy_names_text(granted, c->pool));
    name = beyond(granted, &facts->san);
    if (name)
        return EST_FAIL(c->pool, ca_wrong, "subjectAltName %s was granted, and is not there; there: %s",
                        pki_san_text(name, c->pool), policy_names_text(&facts->san, c->pool));
    return NULL;
}

static est_err_t *check_time(const check_t *c)
{
    const pki_cert_t *facts = c->cert.facts;

    if (facts->not_after <= facts->not_before)
        return EST_FAIL(c->pool, ca_wrong, "it ends %s, before it begins", pki_time_text(facts->not_after, c->pool));
    /* One of old, perhaps, that the CA has given once more */
    if (facts->not_after <= c->grant->not_before)
        return EST_FAIL(c->pool, ca_wrong, "it has ended %s already", pki_time_text(facts->not_after, c->pool));
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
    static const est_slice_t empty = PKI_DER_LITERAL("\x30\x00"), no = PKI_DER_LITERAL("\x30\x03\x01\x01\x00");
    const pki_ext_t *ext = in_cert(c, basic_constraints);

    if (ext && !est_slice_equal(ext->value, empty) && !est_slice_equal(ext->value, no))
        return EST_FAIL(c->pool, ca_wrong, "basicConstraints holds more than CA:FALSE");
    return NULL;
}

static const char *usage_text(const check_t *c, unsigned bits)
{
    const char *names = policy_profile_usage_names(bits, c->pool);

    return names ? names : "(unknown bits)";
}

/* Those of a CA have been looked for. Without the extension, every usage is allowed. */
static est_err_t *check_usages(const check_t *c)
{
    const unsigned narrow = PKI_USAGE_ENCIPHER_ONLY | PKI_USAGE_DECIPHER_ONLY;
    const pki_ext_t *ext = in_cert(c, key_usage), *granted = in_grant(c, key_usage);
    unsigned has, may = ~0u;

    if (granted)
        may = pki_reqext_given_key_usage(granted->whole);
    if (!ext)
        return granted
                   ? EST_FAIL(c->pool, ca_wrong, "no keyUsage, which is every usage; granted: %s", usage_text(c, may))
                   : NULL;
    has = pki_reqext_given_key_usage(ext->whole);
    if (!has)
        return EST_FAIL(c->pool, ca_wrong, "keyUsage is malformed, or empty");
    if (has & ~may)
        return EST_FAIL(c->pool, ca_wrong, "key usage %s was not granted; granted: %s", usage_text(c, has & ~may),
                        usage_text(c, may));
    /* RFC 5280 4.2.1.3: these two are no usages, they make another one narrower */
    if (granted && (has & PKI_USAGE_KEY_AGREEMENT) && (may & ~has & narrow))
        return EST_FAIL(c->pool, ca_wrong, "keyAgreement without %s; granted: %s", usage_text(c, may & ~has & narrow),
                        usage_text(c, may));
    return NULL;
}

static int has_purpose(const pki_ext_t *ext, est_slice_t purpose)
{
    est_slice_t value = ext->value;
    pki_der_t list, oid;

    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list))
        return 0;
    while (pki_der_take(&list.body, PKI_DER_OID, &oid))
        if (est_slice_equal(oid.body, purpose))
            return 1;
    return 0;
}

/* Purposes that give power over others, and are in no certificate whose profile has not said so by name */
static int is_power(est_slice_t purpose)
{
    static const est_slice_t microsoft[] = {
        PKI_OID("\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x01"),     /* certificate request agent: asks in others' names */
        PKI_OID("\x2b\x06\x01\x04\x01\x82\x37\x15\x05"),         /* CA exchange */
        PKI_OID("\x2b\x06\x01\x04\x01\x82\x37\x15\x06"),         /* key recovery agent */
        PKI_OID("\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x04\x01"), /* recovery of encrypted files */
    };

    return pki_reqext_purpose_power(purpose) || IS_IN(purpose, microsoft);
}

/* A certificate without the extension is for every purpose, and so is one with anyExtendedKeyUsage (RFC 5280 4.2.1.12):
 * a grant of that kind allows each that is no power */
static est_err_t *check_purposes(const check_t *c)
{
    const pki_ext_t *ext = in_cert(c, ext_key_usage), *granted = in_grant(c, ext_key_usage);
    int any = !granted || has_purpose(granted, any_purpose);
    est_slice_t value;
    pki_der_t list, oid;

    if (!ext)
        return any ? NULL
                   : EST_FAIL(c->pool, ca_wrong, "no extendedKeyUsage, which is every purpose; granted: %s",
                              pki_ext_text(granted->whole, c->pool).text);
    value = ext->value;
    if (!pki_der_take(&value, PKI_DER_SEQUENCE, &list)) /* well-formed, or pki_cert_facts() had refused it */
        return EST_FAIL(c->pool, ca_wrong, "extendedKeyUsage is malformed");
    while (pki_der_take(&list.body, PKI_DER_OID, &oid))
        if (!(granted && has_purpose(granted, oid.body)) && (!any || is_power(oid.body)))
            return EST_FAIL(c->pool, ca_wrong, "purpose %s (extendedKeyUsage) was not granted; granted: %s",
                            oid_text(c, oid.body),
                            granted ? pki_ext_text(granted->whole, c->pool).text : "any but those with powers");
    return NULL;
}

/* ---- extensions */

/* Those that are the CA's to choose: who it is, where to find it, and what its certificates stand for. None of them
 * widens what the certificate may be used for. */
static int is_the_cas(est_slice_t oid)
{
    static const est_slice_t own[] = {
        PKI_OID("\x55\x1d\x0e"),                             /* subjectKeyIdentifier */
        PKI_OID("\x55\x1d\x23"),                             /* authorityKeyIdentifier */
        PKI_OID("\x55\x1d\x1f"),                             /* cRLDistributionPoints */
        PKI_OID("\x55\x1d\x2e"),                             /* freshestCRL */
        PKI_OID("\x55\x1d\x12"),                             /* issuerAltName */
        PKI_OID("\x55\x1d\x20"),                             /* certificatePolicies */
        PKI_OID("\x55\x1d\x10"),                             /* privateKeyUsagePeriod */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x01"),         /* authorityInfoAccess */
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x0b"),         /* subjectInfoAccess */
        PKI_OID("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"), /* signed certificate timestamps */
        PKI_OID("\x60\x86\x48\x01\x86\xf8\x42\x01\x0d"),     /* Netscape comment */
    };

    return IS_IN(oid, own);
}

/* Judged by functions of their own, critical or not: everybody knows them */
static int is_judged(est_slice_t oid)
{
    return est_slice_equal(oid, basic_constraints) || est_slice_equal(oid, key_usage) ||
           est_slice_equal(oid, ext_key_usage) || est_slice_equal(oid, pki_san_oid);
}

static int is_extra(const check_t *c, const pki_ext_t *ext)
{
    const char *oid = oid_text(c, ext->oid.body);

    for (int i = 0; c->extra && c->extra[i]; i++)
        if (!strcmp(c->extra[i], oid))
            return 1;
    return 0;
}

/* One that the profile has, and nobody else has a say in */
static est_err_t *check_granted(const check_t *c, const pki_ext_t *ext, const pki_ext_t *granted)
{
    if (!est_slice_equal(granted->value, ext->value))
        return EST_FAIL(c->pool, ca_wrong, "extension %s is \"%s\"; granted: \"%s\"", ext_text(c, ext),
                        pki_ext_text(ext->whole, c->pool).text, pki_ext_text(granted->whole, c->pool).text);
    if (granted->critical && !ext->critical)
        return EST_FAIL(c->pool, ca_wrong, "extension %s is not critical, as was granted", ext_text(c, ext));
    return NULL;
}

static est_err_t *check_extension(const check_t *c, const pki_ext_t *ext)
{
    const pki_ext_t *granted = in_grant(c, ext->oid.body);
    int is_known = is_judged(ext->oid.body) || is_the_cas(ext->oid.body) || granted;
    const char *what;

    if (pki_reqext_given_ca_power(&what, ext->whole))
        return EST_FAIL(c->pool, ca_wrong, "%s, which no end entity is given", what);
    if (is_known && pki_der_check(ext->value, c->pool))
        return EST_FAIL(c->pool, ca_wrong, "extension %s is malformed", ext_text(c, ext));
    if (is_judged(ext->oid.body))
        return NULL;
    /* Who does not know it would have to refuse the certificate */
    if (ext->critical && !(granted && granted->critical))
        return EST_FAIL(c->pool, ca_wrong, "critical extension %s was not granted", ext_text(c, ext));
    if (is_the_cas(ext->oid.body))
        return NULL;
    if (granted)
        return check_granted(c, ext, granted);
    if (!is_extra(c, ext))
        return EST_FAIL(c->pool, ca_wrong,
                        "extension %s was not granted; if this CA adds it to all certificates, EstCAExtensions can say "
                        "so",
                        ext_text(c, ext));
    return NULL;
}

/* What was granted and is not there: a restriction that is missing is a power. These restrict without being critical.
 */
static int restricts(const pki_ext_t *ext)
{
    static const est_slice_t restrictions[] = {
        PKI_OID("\x2b\x06\x01\x05\x05\x07\x01\x18"),     /* TLS feature: OCSP must-staple (RFC 7633) */
        PKI_OID("\x60\x86\x48\x01\x86\xf8\x42\x01\x01"), /* Netscape certificate type */
        PKI_OID("\x2b\x06\x01\x04\x01\x82\x37\x15\x0a"), /* Microsoft's application policies */
    };

    return ext->critical || IS_IN(ext->oid.body, restrictions);
}

static est_err_t *check_missing(const check_t *c)
{
    for (int i = 0; i < c->grant->n_exts; i++) {
        const pki_ext_t *granted = &c->granted[i];

        if (restricts(granted) && !is_judged(granted->oid.body) && !is_the_cas(granted->oid.body) &&
            !in_cert(c, granted->oid.body))
            return EST_FAIL(c->pool, ca_wrong, "extension %s was granted, and is not there", ext_text(c, granted));
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
    EST_TRY(check_key(&c, spki));
    EST_TRY(check_names(&c));
    EST_TRY(check_time(&c));
    for (int i = 0; i < c.cert.n_exts; i++)
        EST_TRY(check_extension(&c, &c.cert.exts[i]));
    EST_TRY(check_constraints(&c));
    EST_TRY(check_usages(&c));
    EST_TRY(check_purposes(&c));
    return check_missing(&c);
}
