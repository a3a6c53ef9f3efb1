/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ISSUED_TEST_H
#define ISSUED_TEST_H

/* What was granted, and certificates that a CA makes of it: as it was told, but for what a row changes. */

#include "policy_test.h"

#include "policy/policy_issued.h"

#include <openssl/err.h>

#define MINUTE apr_time_from_sec(60)
#define SUBJECT "C=DE,O=Example,CN=Dev 7"
#define UNTIL (TEST_NOW + 365 * TEST_DAY)

/* What is granted, and what a CA makes of it that does as it is told; rows change some of them */
static const char *const base[] = {
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=clientAuth,serverAuth",
    "subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid:always",
    "certificatePolicies=1.2.3.4",
    "tlsfeature=status_request",
    "1.2.3.4.5=ASN1:UTF8String:seven",
};
#define N_BASE (sizeof(base) / sizeof(base[0]))
#define MAX_CHANGES 4

/* Made once for each test */
static struct {
    EVP_PKEY *ca_key, *key;
    X509 *ca;
} t;

static inline void make_ca_and_key(void)
{
    t.ca_key = make_key("P-256");
    t.key = make_key("P-256");
    t.ca = make_ca("CN=CA", t.ca_key, NULL, NULL);
}

static inline int same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return n == strcspn(b, "=") && !strncmp(a, b, n);
}

/* base with changes: "name=value" takes the place of the one of that name, or is added; "name=" takes it away; "+name="
 * is added to it */
static inline int apply(const char **out, const char *const *changes)
{
    int n = 0;

    for (size_t i = 0; i < N_BASE; i++) {
        const char *ext = base[i];

        for (int j = 0; j < MAX_CHANGES && changes[j]; j++)
            if (same_name(base[i], changes[j]))
                ext = NULL;
        if (ext)
            out[n++] = ext;
    }
    for (int j = 0; j < MAX_CHANGES && changes[j]; j++) {
        const char *ext = changes[j] + (changes[j][0] == '+');

        if (strchr(ext, '=')[1])
            out[n++] = ext;
    }
    assert_true(n <= X509_TEST_EXTS);
    return n;
}

static inline policy_grant_t *make_grant(const char *const *changes)
{
    policy_grant_t *grant = apr_pcalloc(pool, sizeof(*grant));
    const char *exts[X509_TEST_EXTS + 1];
    X509 *subject = make_cert(&(cert_spec_t){.subject = SUBJECT, .key = t.key});
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, t.ca, subject, NULL, NULL, 0);
    grant->entity = "dev7";
    grant->subject = name_of(SUBJECT);
    grant->not_before = TEST_NOW - 5 * MINUTE;
    grant->not_after = UNTIL;
    grant->n_exts = apply(exts, changes);
    for (int i = 0; i < grant->n_exts; i++) {
        grant->exts[i] = ext_der(&ctx, exts[i]);
        if (!strncmp(exts[i], "subjectAltName=", 15))
            grant->san = sans_of(exts[i] + 15);
    }
    return grant;
}

/* What a CA makes; members left out are those of the base */
typedef struct {
    const char *label;
    const char *part; /* of the error; NULL: it is within the grant */
    const char *cert[MAX_CHANGES];
    const char *grant[MAX_CHANGES];
    const char *subject;
    apr_time_t from, until;
    void (*tamper)(X509 *cert);
    EVP_PKEY *key;
    const char *extra[2];
} row_t;

static inline est_slice_t make_issued(const row_t *row)
{
    cert_spec_t spec = {.subject = row->subject ? row->subject : SUBJECT,
                        .key = row->key ? row->key : t.key,
                        .issuer = t.ca,
                        .issuer_key = t.ca_key,
                        .from = row->from ? row->from : TEST_NOW - 60 * MINUTE,
                        .until = row->until ? row->until : UNTIL};
    X509 *cert;

    apply(spec.exts, row->cert);
    cert = make_cert(&spec);
    if (row->tamper) {
        row->tamper(cert);
        assert_true(X509_sign(cert, t.ca_key, EVP_sha256()) > 0);
    }
    return cert_der(cert);
}

static inline est_err_t *check(const row_t *row)
{
    const char *extra[3] = {row->extra[0], row->extra[1], NULL};
    est_slice_t der = make_issued(row);
    est_err_t *err =
        policy_issued_check(make_grant(row->grant), spki_of(t.key), der, row->extra[0] ? extra : NULL, pool);

    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

static inline void check_rows(const row_t *rows, size_t n)
{
    make_ca_and_key();
    for (size_t i = 0; i < n; i++) {
        if (rows[i].part)
            ASSERT_ROW(check(&rows[i]), EST_E_ca_wrong, rows[i].part, rows[i].label);
        else
            est_test_ok(check(&rows[i]), rows[i].label, __FILE__, __LINE__);
    }
}
#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

static inline est_err_t *check_der(est_slice_t der)
{
    static const char *const none[MAX_CHANGES];
    est_err_t *err = policy_issued_check(make_grant(none), spki_of(t.key), der, NULL, pool);

    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

#endif
