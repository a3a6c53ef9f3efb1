/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_reqattr.h"

#include "pki_der.h"
#include "pki_text.h"

#include <stddef.h>
#include <string.h>

#include <apr_strings.h>

/* id-cmc-changeSubjectName (RFC 6402 2.8) */
#define CHANGE_SUBJECT_NAME "1.3.6.1.5.5.7.7.36"

/* RFC 7894 3: SINGLE VALUE DirectoryString {255}. The arc is id-aa, as in the module and the registry; the body of the
 * RFC leaves one number out. */
static const struct {
    const char *oid, *name;
    size_t member;
} challenges[] = {
    {"1.2.840.113549.1.9.16.2.56", "otpChallenge", offsetof(pki_reqattrs_t, otp)},
    {"1.2.840.113549.1.9.16.2.57", "revocationChallenge", offsetof(pki_reqattrs_t, revocation)},
    {"1.2.840.113549.1.9.16.2.58", "estIdentityLinking", offsetof(pki_reqattrs_t, identity_linking)},
};
#define N_CHALLENGES (sizeof(challenges) / sizeof(challenges[0]))

est_err_t *pki_reqattr_text(const char **out, const char *name, est_slice_t values, apr_pool_t *pool)
{
    pki_der_t v;

    if (!pki_der_next(&values, &v) || values.n)
        return EST_FAIL(pool, csr_attribute, "%s does not hold one value", name);
    if (v.tag != PKI_DER_UTF8_STRING && v.tag != PKI_DER_PRINTABLE_STRING && v.tag != PKI_DER_IA5_STRING)
        return EST_FAIL(pool, csr_attribute, "%s is not a UTF8String or PrintableString (tag 0x%02x)", name, v.tag);
    if (v.body.n < 1 || v.body.n > PKI_REQATTR_TEXT_MAX)
        return EST_FAIL(pool, csr_attribute, "%s of %d octets; allowed are 1 to %d", name, (int)v.body.n,
                        PKI_REQATTR_TEXT_MAX);
    const char *flaw = pki_text_flaw((const char *)v.body.p, v.body.n);
    if (flaw)
        return EST_FAIL(pool, csr_attribute, "%s: %s", name, flaw);
    *out = apr_pstrmemdup(pool, (const char *)v.body.p, v.body.n);
    return NULL;
}

/* ---- ChangeSubjectName ---- */

/* The contents of a GeneralNames: each name has a tag of the context, unlike the RDNs of a Name */
static int is_general_names(est_slice_t body)
{
    return body.n && (body.p[0] & 0xc0) == 0x80;
}

static est_err_t *read_subject_alt(pki_reqattrs_t *out, const pki_der_t *v, apr_pool_t *pool)
{
    pki_der_out_t *names = pki_der_out_make(v->whole.n, pool);
    apr_size_t mark = pki_der_mark(names);

    pki_der_put(names, v->body);
    pki_der_wrap(names, PKI_DER_SEQUENCE, mark); /* [1] IMPLICIT stands where its tag was */
    est_err_t *err = pki_san_decode(&out->san, pki_der_result(names), pool);
    if (!err)
        err = pki_san_check(&out->san, pool);
    return err ? EST_FAIL(pool, csr_attribute, "ChangeSubjectName: %s", err->detail) : NULL;
}

/*
 * ChangeSubjectName ::= SEQUENCE {
 *     subject     Name OPTIONAL,
 *     subjectAlt  [1] GeneralNames OPTIONAL }
 * (WITH COMPONENTS {..., subject PRESENT} | WITH COMPONENTS {..., subjectAlt PRESENT})
 *
 * RFC 6402 printed it without the tag (erratum 3943); that form is read too, since the contents tell them apart.
 */
static est_err_t *read_change(pki_reqattrs_t *out, est_slice_t values, apr_pool_t *pool)
{
    pki_der_t change, v;

    if (!pki_der_take(&values, PKI_DER_SEQUENCE, &change) || values.n)
        return EST_FAIL(pool, csr_attribute, "ChangeSubjectName does not hold one SEQUENCE");
    if (!change.body.n)
        return EST_FAIL(pool, csr_attribute, "ChangeSubjectName has neither subject nor subjectAlt");
    est_slice_t rest = change.body;
    if (pki_der_take(&rest, PKI_DER_SEQUENCE, &v) && !is_general_names(v.body)) {
        est_err_t *err = pki_name_decode(&out->subject, est_slice_dup(v.whole, pool), pool);
        if (err)
            return EST_FAIL(pool, csr_attribute, "ChangeSubjectName: %s", err->detail);
        if (out->subject->unfit)
            return EST_FAIL(pool, csr_attribute, "ChangeSubjectName: %s", out->subject->unfit);
        change.body = rest;
    }
    if (pki_der_take(&change.body, PKI_DER_CONTEXT_CONSTRUCTED(1), &v) ||
        pki_der_take(&change.body, PKI_DER_SEQUENCE, &v))
        EST_TRY(read_subject_alt(out, &v, pool));
    if (change.body.n)
        return EST_FAIL(pool, csr_attribute, "ChangeSubjectName is malformed");
    out->has_change = 1;
    return NULL;
}

/* ---- All of them ---- */

est_err_t *pki_reqattr_read(pki_reqattrs_t *out, const pki_csr_t *csr, apr_pool_t *pool)
{
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < csr->n_attrs; i++) {
        const pki_req_attr_t *attr = &csr->attrs[i];

        if (!attr->oid)
            continue;
        if (!strcmp(attr->oid, CHANGE_SUBJECT_NAME)) {
            if (out->has_change)
                return EST_FAIL(pool, csr_attribute, "two ChangeSubjectName attributes");
            EST_TRY(read_change(out, attr->values, pool));
        }
        for (size_t j = 0; j < N_CHALLENGES; j++) {
            const char **text = (const char **)((char *)out + challenges[j].member);

            if (strcmp(attr->oid, challenges[j].oid) != 0)
                continue;
            if (*text)
                return EST_FAIL(pool, csr_attribute, "two %s attributes", challenges[j].name);
            EST_TRY(pki_reqattr_text(text, challenges[j].name, attr->values, pool));
        }
    }
    return NULL;
}
