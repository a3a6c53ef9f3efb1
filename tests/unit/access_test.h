/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ACCESS_TEST_H
#define ACCESS_TEST_H

/* Questions to policy_access() and their answers. A test changes one thing in good_question(), then calls ask(). */

#include "policy_test.h"

#include "policy/policy_access.h"

enum { CERT_NONE, CERT_GOOD };

typedef struct {
    policy_access_t access;
    policy_identity_kind_t kind; /* GRANTED */
    est_err_code_t code;         /* DENIED; EST_E__COUNT: no reason is given */
} answer_t;
#define GRANTED(kind) {POLICY_ACCESS_GRANTED, POLICY_IDENTITY_##kind, EST_E__COUNT}
#define NEED_USER {POLICY_ACCESS_NEED_USER, POLICY_IDENTITY_NONE, EST_E__COUNT}
#define DENIED(code) {POLICY_ACCESS_DENIED, POLICY_IDENTITY_NONE, EST_E_##code}

typedef struct {
    policy_alias_t alias;
    policy_credentials_t cred;
    policy_identity_t identity;
    policy_access_t access;
    est_err_t *why;
} question_t;

static inline apr_sockaddr_t *address_of(const char *numeric)
{
    apr_sockaddr_t *address;

    assert_int_equal(apr_sockaddr_info_get(&address, numeric, APR_UNSPEC, 0, 0, pool), APR_SUCCESS);
    return address;
}

/* id, version, user_name, password_hash, names, networks, groups, enabled, valid_from, valid_until */
static inline policy_client_row_t good_row(void)
{
    policy_client_row_t row = {"9", "3", "dev7", "$2y$...", "own", NULL, "5", "t", NULL, NULL};

    return row;
}

static inline policy_client_t *client_of(const policy_client_row_t *row)
{
    policy_client_t *client;

    ASSERT_OK(policy_client_make(&client, row, pool));
    return client;
}

/* Nobody, from 192.0.2.1, at an alias of group 5 */
static inline question_t good_question(void)
{
    static policy_group_t group = {.id = 5, .name = "devices"};

    return (question_t){.alias = {.id = 1, .name = "est", .enabled = 1, .group = &group, .group_active = 1},
                        .cred = {.address = address_of("192.0.2.1")}};
}

static inline void ask(question_t *q, policy_op_t op)
{
    q->access = policy_access(&q->identity, &q->why, &q->alias, op, &q->cred, TEST_NOW, pool);
}

static inline void access_test_answer(const question_t *q, answer_t wanted, const char *label, const char *file,
                                      int line)
{
    est_err_code_t code = q->why ? q->why->code : EST_E__COUNT;

    if (q->access != wanted.access || code != wanted.code || q->identity.kind != wanted.kind) {
        print_error("%s: got %d, identity %d, %s\n", label, (int)q->access, (int)q->identity.kind,
                    q->why ? est_err_row(code)->name : "no reason");
        _fail(file, line);
    }
}
/* wanted: answer_t; label names the row of a table */
#define ASSERT_ANSWER(q, wanted, label) access_test_answer((q), (wanted), (label), __FILE__, __LINE__)

static inline const char *row_label(size_t i)
{
    return apr_psprintf(pool, "row %d", (int)i);
}

#endif
