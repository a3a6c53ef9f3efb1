/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_reqcode.h"

#include "pki_der.h"
#include "pki_reqattr.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/objects.h>

#define CONSTRUCTED 0x20
#define OTP_CHALLENGE "1.2.840.113549.1.9.16.2.56"

static const est_slice_t challenge_password = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07");

/* Stars for the contents of every value in in, which borrows from the octets that copy is one of */
static void mask_values(unsigned char *copy, const unsigned char *octets, est_slice_t in)
{
    pki_der_t v;

    while (pki_der_next(&in, &v)) {
        if (v.tag & CONSTRUCTED)
            mask_values(copy, octets, v.body);
        else
            memset(copy + (v.body.p - octets), '*', v.body.n);
    }
}

/* The same for whatever follows the object identifier in a SEQUENCE: Attribute and AttributeTypeAndValue alike. DER
 * that was checked is not deeper than PKI_DER_MAX_DEPTH. */
static void mask_after_oid(unsigned char *copy, const unsigned char *octets, est_slice_t in, est_slice_t oid)
{
    pki_der_t v, first;

    while (pki_der_next(&in, &v)) {
        est_slice_t rest = v.body;

        if (v.tag == PKI_DER_SEQUENCE && pki_der_take(&rest, PKI_DER_OID, &first) && est_slice_equal(first.body, oid))
            mask_values(copy, octets, rest);
        else if (v.tag & CONSTRUCTED)
            mask_after_oid(copy, octets, v.body, oid);
    }
}

/* A copy of csr whose der has the code no more */
static pki_csr_t *masked(const pki_csr_t *csr, est_slice_t oid, apr_pool_t *pool)
{
    pki_csr_t *copy = apr_pmemdup(pool, csr, sizeof(*csr));
    unsigned char *octets = apr_pmemdup(pool, csr->der.p, csr->der.n);

    mask_after_oid(octets, csr->der.p, csr->info, oid);
    copy->der = est_slice(octets, csr->der.n);
    copy->info = est_slice(octets + (csr->info.p - csr->der.p), csr->info.n);
    copy->altered = 1;
    return copy;
}

static est_err_t *take_otp(const char **code, const pki_csr_t **without, const pki_csr_t *csr, apr_pool_t *pool)
{
    pki_reqattrs_t asked;
    pki_req_attr_t *others;
    pki_csr_t *copy;

    EST_TRY(pki_reqattr_read(&asked, csr, pool));
    if (!asked.otp)
        return NULL;
    copy = masked(csr, pki_oid_from_text(OTP_CHALLENGE, pool), pool);
    copy->attrs = others = apr_palloc(pool, (apr_size_t)csr->n_attrs * sizeof(*others));
    copy->n_attrs = 0;
    for (int i = 0; i < csr->n_attrs; i++)
        if (!csr->attrs[i].oid || strcmp(csr->attrs[i].oid, OTP_CHALLENGE) != 0)
            others[copy->n_attrs++] = csr->attrs[i];
    *code = asked.otp;
    *without = copy;
    return NULL;
}

static est_err_t *take_from_subject(const char **code, const pki_csr_t **without, const pki_csr_t *csr,
                                    const char *attribute, apr_pool_t *pool)
{
    pki_attr_t others[PKI_NAME_MAX_ATTRIBUTES];
    const pki_name_t *subject = csr->subject;
    int n = 0, nid = pki_name_attr_nid(attribute);
    const ASN1_OBJECT *object = OBJ_nid2obj(nid);
    const char *found = NULL;
    pki_name_t *rest;
    pki_csr_t *copy;

    for (int i = 0; i < subject->n_attrs; i++) {
        if (subject->attrs[i].nid != nid) {
            others[n++] = subject->attrs[i];
            continue;
        }
        if (found)
            return EST_FAIL(pool, csr_attribute, "two attributes %s, of which one is an enrolment code", attribute);
        found = subject->attrs[i].value;
    }
    if (!found || !object)
        return NULL;
    EST_TRY(pki_name_encode(&rest, others, n, pool));
    copy = masked(csr, est_slice(OBJ_get0_data(object), OBJ_length(object)), pool);
    copy->subject = rest;
    *code = found;
    *without = copy;
    return NULL;
}

est_err_t *pki_reqcode_take(const char **code, const pki_csr_t **without, const pki_csr_t *csr,
                            pki_reqcode_place_t place, const char *attribute, apr_pool_t *pool)
{
    *code = NULL;
    *without = csr;
    if (place == PKI_REQCODE_OTP)
        return take_otp(code, without, csr, pool);
    if (place == PKI_REQCODE_SUBJECT)
        return take_from_subject(code, without, csr, attribute, pool);
    if (csr->challenge) {
        pki_csr_t *copy = masked(csr, challenge_password, pool);

        *code = csr->challenge;
        copy->challenge = NULL;
        *without = copy;
    }
    return NULL;
}
