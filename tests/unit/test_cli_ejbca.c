/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_ejbca.h"

/* The one alias that text has, with maps of CA 5, profile 1 and end-entity profile 2 */
static const cli_ejbca_alias_t *only_alias(const char *text, int register_clients)
{
    cli_ejbca_maps_t maps = {apr_hash_make(pool), apr_hash_make(pool), apr_hash_make(pool), register_clients};
    apr_array_header_t *all;

    apr_hash_set(maps.cas, "5", APR_HASH_KEY_STRING, "issuing");
    apr_hash_set(maps.profiles, "1", APR_HASH_KEY_STRING, "device");
    apr_hash_set(maps.groups, "2", APR_HASH_KEY_STRING, "plant");
    ASSERT_OK(cli_ejbca_read(&all, text, &maps, pool));
    assert_int_equal(all->nelts, 1);
    return APR_ARRAY_IDX(all, 0, const cli_ejbca_alias_t *);
}

static const cli_ejbca_row_t *row_of(const cli_ejbca_alias_t *alias, const char *key)
{
    for (int i = 0; i < alias->rows->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(alias->rows, i, cli_ejbca_row_t).key, key))
            return &APR_ARRAY_IDX(alias->rows, i, cli_ejbca_row_t);
    fail_msg("no row for %s", key);
    return NULL;
}

#define SAME(got, want) same((got), (want), __LINE__, rows[i].text)
static void same(const char *got, const char *want, int line, const char *text)
{
    if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0)) {
        print_error("%s: got %s, want %s\n", text, got ? got : "NULL", want ? want : "NULL");
        _fail(__FILE__, line);
    }
}

/* --- one key at a time */

/* Lines to which "a." is put in front; the verdict on key, and the setting that comes of it */
static const struct {
    const char *text, *key;
    cli_ejbca_verdict_t verdict;
    const char *setting;
} rows[] = {
    {"operationmode=ra", "operationmode", CLI_EJBCA_CARRIED, "mode = ra"},
    {"operationmode=Client", "operationmode", CLI_EJBCA_CARRIED, "mode = client"},
    {"operationmode=x", "operationmode", CLI_EJBCA_DECISION, NULL},
    {"defaultca=5", "operationmode", CLI_EJBCA_DECISION, NULL},
    {"defaultca=5", "defaultca", CLI_EJBCA_CARRIED, "ca = issuing"},
    {"defaultca=-6", "defaultca", CLI_EJBCA_DECISION, NULL},
    {"defaultca=", "defaultca", CLI_EJBCA_DECISION, NULL},
    {"certprofile=1", "certprofile", CLI_EJBCA_CARRIED, "profile = device"},
    {"certprofile=ENDUSER", "certprofile", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\ncertprofile=9", "certprofile", CLI_EJBCA_DECISION, NULL},
    {"eeprofile=2", "eeprofile", CLI_EJBCA_CARRIED, "group = plant"},
    {"eeprofile=1", "eeprofile", CLI_EJBCA_DECISION, NULL},
    {"requirecert=true", "requirecert", CLI_EJBCA_CARRIED, "auth_enroll = cert"},
    {"requirecert=true\nrequsername=u\nreqpassword=p", "requirecert", CLI_EJBCA_CARRIED,
     "auth_enroll = basic-and-cert"},
    {"requirecert=false\nrequsername=u\nreqpassword=p", "requirecert", CLI_EJBCA_CARRIED, "auth_enroll = basic"},
    {"requirecert=false", "requirecert", CLI_EJBCA_DECISION, NULL},
    {"requirecert=maybe", "requirecert", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nrequirecert=true", "requirecert", CLI_EJBCA_UNUSED, NULL},
    {"operationmode=ra", "requsername", CLI_EJBCA_CARRIED, NULL},
    {"requsername=u", "requsername", CLI_EJBCA_DECISION, NULL},
    {"requsername=u\nreqpassword=p", "requsername", CLI_EJBCA_DECISION, NULL},
    {"requsername=u\nreqpassword=p", "reqpassword", CLI_EJBCA_DECISION, NULL},
    {"operationmode=ra", "reqpassword", CLI_EJBCA_CARRIED, NULL},
    {"operationmode=client\nrequsername=u\nreqpassword=p", "reqpassword", CLI_EJBCA_UNUSED, NULL},
    {"allowupdatewithsamekey=true", "allowupdatewithsamekey", CLI_EJBCA_CARRIED, "same_key = allow"},
    {"allowupdatewithsamekey=FALSE", "allowupdatewithsamekey", CLI_EJBCA_CARRIED, "same_key = forbid"},
    {"allowupdatewithsamekey=", "allowupdatewithsamekey", CLI_EJBCA_DECISION, NULL},
    {"ra.namegenerationscheme=DN", "ra.namegenerationscheme", CLI_EJBCA_CARRIED, "name_scheme = dn:CN"},
    {"ra.namegenerationscheme=DN\nra.namegenerationparameters=UID;SN;CN", "ra.namegenerationscheme", CLI_EJBCA_CARRIED,
     "name_scheme = dn:UID,serialNumber,CN"},
    {"ra.namegenerationscheme=DN\nra.namegenerationparameters=UID;XX", "ra.namegenerationscheme", CLI_EJBCA_DECISION,
     NULL},
    {"ra.namegenerationscheme=FIXED\nra.namegenerationparameters=UID;CN", "ra.namegenerationscheme", CLI_EJBCA_CARRIED,
     "name_scheme = dn:UID,CN"},
    {"ra.namegenerationscheme=FIXED\nra.namegenerationparameters=lamp 7", "ra.namegenerationscheme", CLI_EJBCA_CARRIED,
     "name_scheme = fixed:lamp 7"},
    {"ra.namegenerationscheme=FIXED\nra.namegenerationparameters=", "ra.namegenerationscheme", CLI_EJBCA_DECISION,
     NULL},
    {"ra.namegenerationscheme=RANDOM", "ra.namegenerationscheme", CLI_EJBCA_CARRIED, "name_scheme = random"},
    {"operationmode=ra", "ra.namegenerationscheme", CLI_EJBCA_CARRIED, "name_scheme = random"},
    {"ra.namegenerationscheme=USERNAME", "ra.namegenerationscheme", CLI_EJBCA_CARRIED, "name_scheme = username"},
    {"ra.namegenerationscheme=USERNAME", "ra.namegenerationparameters", CLI_EJBCA_UNUSED, NULL},
    {"ra.namegenerationscheme=DN", "ra.namegenerationparameters", CLI_EJBCA_CARRIED, "name_scheme = dn:CN"},
    {"operationmode=client\nra.namegenerationscheme=DN", "ra.namegenerationscheme", CLI_EJBCA_UNUSED, NULL},
    {"ra.namegenerationprefix=p${RANDOM}", "ra.namegenerationprefix", CLI_EJBCA_CARRIED, "name_prefix = p${RANDOM}"},
    {"ra.namegenerationpostfix=-x", "ra.namegenerationpostfix", CLI_EJBCA_CARRIED, "name_postfix = -x"},
    {"operationmode=client\nra.namegenerationpostfix=-x", "ra.namegenerationpostfix", CLI_EJBCA_UNUSED, NULL},
    {"vendorcertificatemode=false", "vendorcertificatemode", CLI_EJBCA_CARRIED, "vendor = off"},
    {"operationmode=client\nvendorcertificatemode=true", "vendorcertificatemode", CLI_EJBCA_CARRIED,
     "vendor = pattern"},
    {"operationmode=ra\nvendorcertificatemode=true", "vendorcertificatemode", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nvendorcaids=1;2", "vendorcaids", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nvendorca=Old CA", "vendorcaids", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nvendorcertificatemode=true", "vendorcaids", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client", "vendorcaids", CLI_EJBCA_CARRIED, NULL},
    {"vendorcaids=1", "vendorcaids", CLI_EJBCA_UNUSED, NULL},
    {"operationmode=client\nauthenticationmodule=ChallengePwd", "authenticationmodule", CLI_EJBCA_CARRIED,
     "code_source = challenge-password"},
    {"operationmode=client\nauthenticationmodule=HttpBasicAuth", "authenticationmodule", CLI_EJBCA_CARRIED,
     "code_source = basic"},
    {"operationmode=client\nauthenticationmodule=DnPartPwd\nextractdnpartpwdcomponent=OU", "authenticationmodule",
     CLI_EJBCA_CARRIED, "code_source = dn:OU"},
    {"operationmode=client\nauthenticationmodule=DnPartPwd\nextractdnpartpwdcomponent=OU", "extractdnpartpwdcomponent",
     CLI_EJBCA_CARRIED, "code_source = dn:OU"},
    {"operationmode=client\nauthenticationmodule=DnPartPwd", "authenticationmodule", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nauthenticationmodule=DnPartPwd", "extractdnpartpwdcomponent", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nauthenticationmodule=ChallengePwd", "extractdnpartpwdcomponent", CLI_EJBCA_UNUSED, NULL},
    {"operationmode=client\nauthenticationmodule=", "authenticationmodule", CLI_EJBCA_DECISION, NULL},
    {"operationmode=client\nvendorcertificatemode=true\nauthenticationmodule=ChallengePwd", "authenticationmodule",
     CLI_EJBCA_UNUSED, NULL},
    {"authenticationmodule=ChallengePwd", "authenticationmodule", CLI_EJBCA_UNUSED, NULL},
    {"operationmode=client", "extractusernamecomponent", CLI_EJBCA_CARRIED, "entity_from = DN"},
    {"operationmode=client\nextractusernamecomponent=SN", "extractusernamecomponent", CLI_EJBCA_CARRIED,
     "entity_from = serialNumber"},
    {"operationmode=client\nextractusernamecomponent=XX", "extractusernamecomponent", CLI_EJBCA_DECISION, NULL},
    {"extractusernamecomponent=CN", "extractusernamecomponent", CLI_EJBCA_UNUSED, NULL},
    {"allowchangesubjectname=true", "allowchangesubjectname", CLI_EJBCA_CARRIED, "change_subject = true"},
    {"changesubjectname=true", "allowchangesubjectname", CLI_EJBCA_CARRIED, "change_subject = true"},
    {"allowchangesubjectname=1", "allowchangesubjectname", CLI_EJBCA_DECISION, NULL},
    {"supportproxyca=true", "supportproxyca", CLI_EJBCA_NONE, NULL},
    {"supportproxyca=false", "supportproxyca", CLI_EJBCA_CARRIED, NULL},
    {"severkeygenenabled=true", "severkeygenenabled", CLI_EJBCA_NONE, NULL},
    {"severkeygenenabled=false", "severkeygenenabled", CLI_EJBCA_CARRIED, NULL},
    {"operationmode=ra\nfrobnicate=secret", ".frobnicate", CLI_EJBCA_NONE, NULL},
};

/* "x=1\ny=2" with "a." in front of each line */
static const char *of_alias(const char *lines)
{
    char *state, *text = "";

    for (char *line = apr_strtok(apr_pstrdup(pool, lines), "\n", &state); line; line = apr_strtok(NULL, "\n", &state))
        text = apr_pstrcat(pool, text, "a.", line, "\n", NULL);
    return text;
}

static void test_each_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const cli_ejbca_row_t *row = row_of(only_alias(of_alias(rows[i].text), 0), rows[i].key);

        if (row->verdict != rows[i].verdict)
            fail_msg("%s: %s has verdict %d (%s)", rows[i].text, rows[i].key, row->verdict, row->remark);
        SAME(row->setting, rows[i].setting);
        if (row->verdict != CLI_EJBCA_CARRIED) /* who has to do something has to know what */
            assert_non_null(row->remark);
    }
}

static void test_every_key_has_one_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const cli_ejbca_alias_t *alias = only_alias(of_alias(rows[i].text), 0);

        assert_int_equal(alias->rows->nelts, *rows[i].key == '.' ? 21 : 20);
        for (int r = 0; r < alias->rows->nelts; r++)
            for (int other = 0; other < r; other++)
                assert_string_not_equal(APR_ARRAY_IDX(alias->rows, r, cli_ejbca_row_t).key,
                                        APR_ARRAY_IDX(alias->rows, other, cli_ejbca_row_t).key);
    }
}

static void test_the_columns_of_an_alias(void **state)
{
    const cli_ejbca_alias_t *a = only_alias(of_alias("operationmode=client\ndefaultca=5\ncertprofile=1\neeprofile=2\n"
                                                     "authenticationmodule=ChallengePwd\nextractusernamecomponent=CN\n"
                                                     "allowupdatewithsamekey=false"),
                                            0);

    (void)state;
    assert_string_equal(a->mode, "client");
    assert_string_equal(a->ca, "issuing");
    assert_string_equal(a->profile, "device");
    assert_string_equal(a->group, "plant");
    assert_string_equal(a->auth_enroll, "basic");
    assert_string_equal(a->code_source, "challenge-password");
    assert_string_equal(a->entity_from, "CN");
    assert_string_equal(a->same_key, "forbid");
    assert_string_equal(a->change_subject, "false");
    assert_null(a->name_scheme);
    assert_null(a->name_prefix);
    a = only_alias(of_alias("operationmode=client\nvendorcertificatemode=true"), 0);
    assert_string_equal(a->auth_enroll, "cert");
    assert_string_equal(a->vendor, "pattern");
}

static void test_the_pair_of_an_ra_becomes_a_client_when_asked_and_readable(void **state)
{
    const cli_ejbca_alias_t *a = only_alias(of_alias("operationmode=ra\nrequsername=u\nreqpassword=geheim"), 1);

    (void)state;
    assert_string_equal(a->user, "u");
    assert_string_equal(a->password, "geheim");
    assert_string_equal(row_of(a, "reqpassword")->value, "(not shown)");
    assert_int_equal(row_of(a, "reqpassword")->verdict, CLI_EJBCA_CARRIED);
    assert_ptr_equal(&APR_ARRAY_IDX(a->rows, a->client_row, cli_ejbca_row_t), row_of(a, "requsername"));
    a = only_alias(of_alias("operationmode=ra\nrequsername=u\nreqpassword=encv1:aa:1:bb"), 1);
    assert_null(a->user);
    assert_int_equal(row_of(a, "reqpassword")->verdict, CLI_EJBCA_DECISION);
}

static void test_no_row_has_the_password(void **state)
{
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        const cli_ejbca_alias_t *a =
            only_alias(of_alias("operationmode=ra\nrequsername=u\nreqpassword=geheim\nx.reqpassword2=geheim"), asked);

        for (int i = 0; i < a->rows->nelts; i++) {
            const cli_ejbca_row_t *row = &APR_ARRAY_IDX(a->rows, i, cli_ejbca_row_t);

            assert_null(strstr(row->value, "geheim"));
            assert_null(row->setting ? strstr(row->setting, "geheim") : NULL);
            assert_null(row->remark ? strstr(row->remark, "geheim") : NULL);
        }
    }
}

/* --- names of properties */

static void test_prefixes(void **state)
{
    static const char *const names[][2] = {
        {"a.operationmode", "a"},       {"est.a.operationmode", "a"},          {"config.est.a.operationmode", "a"},
        {"est.operationmode", "est"},   {"est.est.operationmode", "est"},      {"config.est.est.operationmode", "est"},
        {"est.ra.operationmode", "ra"}, {"est.a.ra.namegenerationscheme", "a"}};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_string_equal(only_alias(apr_pstrcat(pool, names[i][0], "=ra", NULL), 0)->name, names[i][1]);
}

static void test_several_aliases_in_the_order_of_the_file(void **state)
{
    cli_ejbca_maps_t maps = {apr_hash_make(pool), apr_hash_make(pool), apr_hash_make(pool), 0};
    apr_array_header_t *all;

    (void)state;
    ASSERT_OK(cli_ejbca_read(
        &all, "other.thing=1\nest.b.operationmode=ra\nest.a.operationmode=client\nest.b.defaultca=7\n", &maps, pool));
    assert_int_equal(all->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(all, 0, cli_ejbca_alias_t *)->name, "b");
    assert_string_equal(APR_ARRAY_IDX(all, 1, cli_ejbca_alias_t *)->mode, "client");
}

static void test_files_without_an_alias(void **state)
{
    static const char *const texts[] = {"", "datasource.jndi-name=x\n", "operationmode=ra\n", ".operationmode=ra\n"};
    cli_ejbca_maps_t maps = {apr_hash_make(pool), apr_hash_make(pool), apr_hash_make(pool), 0};
    apr_array_header_t *all;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        ASSERT_ROW(cli_ejbca_read(&all, texts[i], &maps, pool), EST_E_file, "no key of an EST alias", texts[i]);
    ASSERT_FAILS(cli_ejbca_read(&all, "a.operationmode=\\u1", &maps, pool), file, "line 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_each_key),
        EST_TEST(test_every_key_has_one_row),
        EST_TEST(test_the_columns_of_an_alias),
        EST_TEST(test_the_pair_of_an_ra_becomes_a_client_when_asked_and_readable),
        EST_TEST(test_no_row_has_the_password),
        EST_TEST(test_prefixes),
        EST_TEST(test_several_aliases_in_the_order_of_the_file),
        EST_TEST(test_files_without_an_alias),
    };
    return EST_TEST_RUN(tests);
}
