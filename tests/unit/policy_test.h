/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_TEST_H
#define POLICY_TEST_H

/* Rows of the policy tables that are good as they stand, for tests to change one thing in. */

#include "x509_test.h"

#include "pki/pki_name.h"
#include "policy/policy_snapshot.h"

/* Everything allowed: any CN and O, any DNS name, one year, P-256 or RSA */
#define GOOD_PROFILE                                                                                                   \
    {                                                                                                                  \
        .id = "1", .name = "device", .validity = "31536000", .backdate = "300", .latest_end = NULL,                    \
        .beyond_ca = "cap", .keys = "ec:P-256\nrsa:2048-4096", .digest = "default", .subject_other = "refuse",         \
        .san_other = "refuse", .dns_wildcards = "f"                                                                    \
    }
#define GOOD_SUBJECT(type)                                                                                             \
    {                                                                                                                  \
        .attribute = type, .required = "f", .pattern = "**", .max_count = "1", .on_violation = "refuse"                \
    }
#define GOOD_SAN(kind)                                                                                                 \
    {                                                                                                                  \
        .type = kind, .required = "f", .pattern = "**", .max_count = "10", .on_violation = "refuse", .source = "csr"   \
    }
#define GOOD_GROUP                                                                                                     \
    {                                                                                                                  \
        .id = "1", .name = "devices", .names = "**", .approval = "none"                                                \
    }
#define GOOD_ALIAS                                                                                                     \
    {                                                                                                                  \
        .id = "1", .name = "est", .enabled = "t", .mode = "ra", .profile_id = "1", .profile_active = "t",              \
        .group_id = "1", .group_active = "t", .ca = "issuing", .auth_enroll = "basic-or-cert",                         \
        .auth_reenroll = "cert", .auth_cacerts = "f", .binding = "if-present", .idempotency = "600",                   \
        .unknown_holder = "refuse", .other_users = "refuse", .enroll_chain = "f", .base64 = "auto",                    \
        .transfer_encoding = "t", .reason_text = "t", .compat = "none", .code_source = "basic", .entity_from = "CN",   \
        .name_scheme = "dn:CN", .name_prefix = "", .name_postfix = "", .vendor = "off", .vendor_patterns = "**",       \
        .ra_certificates = "t", .ra_binding = "f", .same_key = "allow", .change_subject = "f", .approval = "none"      \
    }

/* "CN=a,O=b" as a name that was decoded */
static inline pki_name_t *name_of(const char *dn)
{
    X509_NAME *x509 = X509_NAME_new();
    pki_name_t *name;

    fill_name(x509, dn);
    ASSERT_OK(pki_name_decode(&name, DER_OF(i2d_X509_NAME, x509), pool));
    X509_NAME_free(x509);
    return name;
}

/* "DNS:a.example,IP:10.0.0.1", in the syntax of x509v3_config(5); "" = none */
static inline pki_sans_t sans_of(const char *names)
{
    pki_sans_t sans = {0};
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    const ASN1_OCTET_STRING *value;

    if (!*names)
        return sans;
    X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
    ext = make_ext(&ctx, apr_pstrcat(pool, "subjectAltName=", names, NULL));
    value = X509_EXTENSION_get_data(ext);
    ASSERT_OK(pki_san_decode(
        &sans, est_slice_dup(est_slice(ASN1_STRING_get0_data(value), (apr_size_t)ASN1_STRING_length(value)), pool),
        pool));
    X509_EXTENSION_free(ext);
    return sans;
}

#endif
