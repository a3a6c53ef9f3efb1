/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_auth_again(): a request is judged once more, after something has changed */
#include "auth_test.h"

static void change_nothing(void)
{
}

static void touch_client(void)
{
    op.store.clients[1].version = "2";
}

static void disable_client(void)
{
    op.store.clients[1].enabled = "f";
}

static void change_password(void)
{
    op.store.clients[1].password_hash = "$2y$c";
}

static void drop_password(void)
{
    op.store.clients[1].password_hash = NULL;
}

static void remove_client(void)
{
    op.store.clients[1].id = NULL;
}

static void leave_group(void)
{
    op.store.clients[1].groups = "2";
}

static void disable_alias(void)
{
    op.store.aliases[0].enabled = "f";
    op_policy_changed();
}

static void remove_alias(void)
{
    op.store.aliases[0].name = "renamed";
    op_policy_changed();
}

static void replace_alias(void)
{
    op.store.aliases[0].id = "9";
    op_policy_changed();
}

static void demand_certificates(void)
{
    op.store.aliases[0].auth_enroll = "cert";
    op_policy_changed();
}

static void lose_the_store(void)
{
    op.store.down = 1;
}

static void test_a_user_is_judged_again(void **state)
{
    static const struct {
        void (*change)(void);
        est_err_code_t code; /* EST_E__COUNT: still granted */
        const char *reason;
    } rows[] = {
        {change_nothing, EST_E__COUNT, "nothing"},
        {touch_client, EST_E__COUNT, "the row, but not its password"},
        {disable_client, EST_E_not_authorized, "disabled"},
        {change_password, EST_E_authentication_required, "another password"},
        {drop_password, EST_E_authentication_required, "no password any more"},
        {remove_client, EST_E_authentication_required, "no row any more"},
        {leave_group, EST_E_group_refused, "another group"},
        {disable_alias, EST_E_alias_unknown, "alias disabled"},
        {remove_alias, EST_E_alias_unknown, "alias removed"},
        {replace_alias, EST_E_alias_unknown, "another alias under the name"},
        {demand_certificates, EST_E_certificate_required, "certificates are wanted now"},
        {lose_the_store, EST_E_store_unavailable, "no database"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_req_t *req;
        est_err_t *err;

        op_start();
        req = op_granted("/simpleenroll", "ra", NULL);
        rows[i].change();
        op.now += apr_time_from_sec(1);
        err = est_auth_again(req, &op.service);
        if (rows[i].code == EST_E__COUNT) {
            ASSERT_OK(err);
            assert_true(req->granted);
            assert_string_equal(req->cred.client->version == 2 ? "2" : "1", op.store.clients[1].version);
        } else {
            ASSERT_ROW(err, rows[i].code, NULL, rows[i].reason);
        }
    }
}

static void test_a_certificate_is_judged_again(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    req = op_granted("/simpleenroll", NULL, op_holder("CN=dev7", NULL));
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_OK(est_auth_again(req, &op.service));
    assert_int_equal(policy_snapshot_version(req->snapshot), 4);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
    op.store.aliases[0].auth_enroll = "basic";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(est_auth_again(req, &op.service), authentication_required, NULL);
}

/* A user of another provider who becomes a registered client meanwhile is judged as one */
static void test_another_providers_user_is_judged_again(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    op.store.aliases[0].other_users = "group";
    op.store.clients[1].id = NULL;
    req = op_granted("/simpleenroll", "ra", NULL);
    assert_null(req->cred.client);
    ASSERT_OK(est_auth_again(req, &op.service));
    op.store.clients[1].id = "8";
    op.store.clients[1].enabled = "f";
    ASSERT_FAILS(est_auth_again(req, &op.service), not_authorized, "disabled");
}

static void test_a_registration_authoritys_row_is_read_anew_after_stale(void **state)
{
    foreign_t ra;
    est_req_t *req;

    (void)state;
    op_start();
    ra = foreign_anchor("ra", 0);
    op.store.ra_client = op.store.clients[1];
    req = op_granted("/simpleenroll", NULL, of_foreign(&ra, "CN=ra", NULL));
    op.store.ra_client.version = "2";
    ASSERT_OK(est_auth_again(req, &op.service));
    assert_int_equal(req->identity.client->version, 2);
    op.store.ra_client.enabled = "f";
    ASSERT_FAILS(est_auth_again(req, &op.service), not_authorized, "disabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_user_is_judged_again),
        EST_TEST(test_a_certificate_is_judged_again),
        EST_TEST(test_another_providers_user_is_judged_again),
        EST_TEST(test_a_registration_authoritys_row_is_read_anew_after_stale),
    };

    return EST_TEST_RUN(tests);
}
