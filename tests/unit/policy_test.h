/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_TEST_H
#define POLICY_TEST_H

/* Rows of the policy tables that are good as they stand, for tests to change one thing in. */

#include "x509_test.h"

#include "policy/policy_snapshot.h"

/* Everything allowed: any CN and O, any DNS name, one year, P-256 or RSA */
#define GOOD_PROFILE                                                                                                   \
    {                                                                                                                  \
        .id = "1", .name = "device", .validity = "31536000", .backdate = "300", .latest_end = NULL, .beyond_ca = "cap", \
        .keys = "ec:P-256\nrsa:2048-4096", .digest = "default", .subject_other = "refuse", .san_other = "refuse",      \
        .dns_wildcards = "f"                                                                                           \
    }
#define GOOD_SUBJECT(type)                                                                                             \
    {                                                                                                                  \
        .attribute = type, .required = "f", .pattern = "**", .max_count = "1", .on_violation = "refuse"                \
    }
#define GOOD_SAN(kind)                                                                                                 \
    {                                                                                                                  \
        .type = kind, .required = "f", .pattern = "**", .max_count = "10", .on_violation = "refuse"                    \
    }
#define GOOD_GROUP                                                                                                     \
    {                                                                                                                  \
        .id = "1", .name = "devices", .names = "**"                                                                    \
    }
#define GOOD_ALIAS                                                                                                     \
    {                                                                                                                  \
        .id = "1", .name = "est", .enabled = "t", .mode = "ra", .profile_id = "1", .profile_active = "t",              \
        .group_id = "1", .group_active = "t", .ca = "issuing", .auth_enroll = "basic-or-cert", .auth_reenroll = "cert", \
        .auth_cacerts = "f", .binding = "if-present", .idempotency = "600", .unknown_holder = "refuse",                \
        .other_users = "refuse", .enroll_chain = "f", .base64 = "auto", .transfer_encoding = "t", .reason_text = "t"   \
    }

#endif
