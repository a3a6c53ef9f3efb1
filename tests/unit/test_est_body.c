/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/est_body.h"

/* ---- headers */

/* HTTP-04, HTTP-06; what is refused here is not read */
static void test_media_types_and_encodings(void **state)
{
    static const struct {
        const char *type, *encoding;
        est_err_code_t code;
        const char *reason;
    } rows[] = {
        {"application/pkcs10", NULL, EST_E__COUNT, "as it should be"},
        {"Application/PKCS10", NULL, EST_E__COUNT, "without case"},
        {"application/pkcs10; charset=x", NULL, EST_E__COUNT, "parameters do not count"},
        {"application/pkcs10;x", NULL, EST_E__COUNT, "not even odd ones"},
        {"application/pkcs10 ; x=y", NULL, EST_E__COUNT, "a blank before"},
        {"application/pkcs10\t", NULL, EST_E__COUNT, "a tab behind"},
        {NULL, NULL, EST_E_media_type, "none"},
        {"", NULL, EST_E_media_type, "empty"},
        {"text/plain", NULL, EST_E_media_type, "another"},
        {"application/x-pkcs10", NULL, EST_E_media_type, "an old one"},
        {"application/pkcs10x", NULL, EST_E_media_type, "longer"},
        {"application/pkcs1", NULL, EST_E_media_type, "shorter"},
        {"application/pkcs10,text/plain", NULL, EST_E_media_type, "two"},
        {" application/pkcs10", NULL, EST_E_media_type, "a blank in front"},
        {"application/pkcs10", "identity", EST_E__COUNT, "no encoding"},
        {"application/pkcs10", "Identity", EST_E__COUNT, "no encoding, without case"},
        {"application/pkcs10", "gzip", EST_E_content_encoding, "never inflated"},
        {"application/pkcs10", "", EST_E_content_encoding, "an empty encoding is none that we know"},
        {"application/pkcs10", "identity, gzip", EST_E_content_encoding, "a list"},
        {"text/plain", "gzip", EST_E_media_type, "the type is judged first"},
    };

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_req_t *req = op_routed("/simpleenroll");
        est_slice_t der;
        est_err_t *err;

        op.body = text("AAAA");
        op.body_reads = 0;
        req->content_type = rows[i].type;
        req->content_encoding = rows[i].encoding;
        err = est_body_read(&der, req);
        if (rows[i].code == EST_E__COUNT)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, rows[i].code, NULL, rows[i].reason);
        assert_int_equal(op.body_reads, rows[i].code == EST_E__COUNT);
    }
}

static est_err_t *fail_to_read(est_slice_t *out, est_req_t *req)
{
    *out = est_slice(NULL, 0);
    return EST_FAIL(req->pool, body_too_large, NULL);
}

static void test_what_reading_says_is_said(void **state)
{
    est_req_t *req;
    est_slice_t der;

    (void)state;
    op_start();
    req = op_routed("/simpleenroll");
    req->read_body = fail_to_read;
    ASSERT_FAILS(est_body_read(&der, req), body_too_large, NULL);
}

/* ---- what a body may be */

static est_err_t *read_as(est_slice_t *der, est_slice_t body, int strict)
{
    est_req_t *req = op_routed("/simpleenroll");
    /* exactly its octets, so that a sanitizer sees a read beyond them */
    unsigned char *copy = malloc(body.n ? body.n : 1);
    est_err_t *err;

    assert_non_null(copy);
    if (body.n)
        memcpy(copy, body.p, body.n);
    op.body = est_slice(copy, body.n);
    req->strict_body = strict;
    err = est_body_read(der, req);
    if (!err)
        *der = est_slice_dup(*der, pool);
    free(copy);
    return err;
}

#define PEM(label, content) "-----BEGIN " label "-----\n" content "\n-----END " label "-----\n"

/* Conformance decision 3, B-01 to B-05 */
static void test_bodies(void **state)
{
    static const struct {
        const char *body;
        est_err_code_t code, strict; /* EST_E__COUNT: the octets 01 02 03 04 */
        const char *reason;
    } rows[] = {
#define GOOD EST_E__COUNT
        {"AQIDBA==", GOOD, GOOD, "base64"},
        {"AQIDBA==\n", GOOD, GOOD, "with a newline"},
        {"  AQ\r\nID\tBA = =\r\n\r\n", GOOD, GOOD, "with white space anywhere (RFC 8951)"},
        {"", EST_E_body_empty, EST_E_body_empty, "B-01: empty"},
        {" \r\n\t", EST_E_body_empty, EST_E_body_empty, "B-01: only blanks"},
        {"====", EST_E_base64_invalid, EST_E_base64_invalid, "B-01"},
        {"A", EST_E_base64_invalid, EST_E_base64_invalid, "B-01"},
        {"AAA", EST_E_base64_invalid, EST_E_base64_invalid, "B-01"},
        {"AQIDBA", EST_E_base64_invalid, EST_E_base64_invalid, "no padding"},
        {"AQIDBB==", EST_E_base64_invalid, EST_E_base64_invalid, "B-02: bits behind"},
        {"AA==AAAA", EST_E_base64_invalid, EST_E_base64_invalid, "B-02: data behind"},
        {"AQIDBA==-----END", EST_E_base64_invalid, EST_E_base64_invalid, "B-02"},
        {"AQID-_==", EST_E_base64_invalid, EST_E_base64_invalid, "B-02: another alphabet"},
        {"\xef\xbb\xbf"
         "AQIDBA==",
         EST_E_base64_invalid, EST_E_base64_invalid, "B-02: BOM"},
        {"{\"csr\":\"AQIDBA==\"}", EST_E_base64_invalid, EST_E_base64_invalid, "B-03: JSON"},
        {"<csr/>", EST_E_base64_invalid, EST_E_base64_invalid, "B-03: XML"},

        {PEM("CERTIFICATE REQUEST", "AQIDBA=="), GOOD, EST_E_body_armoured, "PEM"},
        {PEM("NEW CERTIFICATE REQUEST", "AQID\nBA=="), GOOD, EST_E_body_armoured, "PEM as it once was"},
        {"\n " PEM("CERTIFICATE REQUEST", "AQIDBA=="), GOOD, EST_E_body_armoured, "PEM behind white space"},
        {"-----BEGIN CERTIFICATE REQUEST-----\r\nAQIDBA==\r\n-----END CERTIFICATE REQUEST-----", GOOD,
         EST_E_body_armoured, "PEM of another system, without the last line end"},
        {PEM("CERTIFICATE", "AQIDBA=="), EST_E_base64_invalid, EST_E_body_armoured, "B-03: PEM of something else"},
        {PEM("CERTIFICATE REQUEST", "AQIDB"), EST_E_base64_invalid, EST_E_body_armoured, "PEM of bad base64"},
        {"-----BEGIN CERTIFICATE REQUEST-----\nAQIDBA==\n", EST_E_base64_invalid, EST_E_body_armoured, "no END"},
        {"-----BEGIN CERTIFICATE REQUEST-----\nAQIDBA==\n-----END NEW CERTIFICATE REQUEST-----", EST_E_base64_invalid,
         EST_E_body_armoured, "another END"},
        {PEM("CERTIFICATE REQUEST", "AQIDBA==") PEM("CERTIFICATE REQUEST", "AQIDBA=="), EST_E_base64_invalid,
         EST_E_body_armoured, "B-05: two requests"},
        {PEM("CERTIFICATE", "AQIDBA==") PEM("CERTIFICATE REQUEST", "AQIDBA=="), EST_E_base64_invalid,
         EST_E_body_armoured, "B-05: a certificate before it"},
        {PEM("CERTIFICATE REQUEST", "AQIDBA==") "AAAA", EST_E_base64_invalid, EST_E_body_armoured,
         "something behind it"},
        {"-", EST_E_base64_invalid, EST_E_body_armoured, "a hyphen"},
        {"----------", EST_E_base64_invalid, EST_E_body_armoured, "hyphens"},
#undef GOOD
    };

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int strict = 0; strict < 2; strict++) {
            est_err_code_t expected = strict ? rows[i].strict : rows[i].code;
            est_slice_t der;
            est_err_t *err = read_as(&der, text(rows[i].body), strict);

            if (expected != EST_E__COUNT) {
                ASSERT_ROW(err, expected, NULL, rows[i].reason);
                assert_int_equal(est_err_row(expected)->status, 400);
            } else {
                ASSERT_OK(err);
                ASSERT_SLICE(der, hex("01020304"));
            }
        }
}

static void test_der_as_it_is(void **state)
{
    static const struct {
        const char *body;
        est_err_code_t code, strict; /* EST_E__COUNT: the body itself */
        const char *reason;
    } rows[] = {
        {"3081 80 00", EST_E__COUNT, EST_E_body_der, "length of one octet"},
        {"3082 0100 00", EST_E__COUNT, EST_E_body_der, "length of two octets"},
        {"0a 3081 80 00", EST_E__COUNT, EST_E_body_der, "behind a line feed"},
        {"3003 020100", EST_E_base64_invalid, EST_E_base64_invalid, "too short to be a request"},
        {"3080 0000", EST_E_base64_invalid, EST_E_base64_invalid, "indefinite length"},
        {"30", EST_E_base64_invalid, EST_E_base64_invalid, "one octet"},
        {"00", EST_E_base64_invalid, EST_E_base64_invalid, "NUL"},
        {"41414100", EST_E_base64_invalid, EST_E_base64_invalid, "B-02: NUL at the end"},
        {"2d2d2d2d2d00", EST_E_base64_invalid, EST_E_body_armoured, "NUL behind hyphens"},
    };

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int strict = 0; strict < 2; strict++) {
            est_err_code_t expected = strict ? rows[i].strict : rows[i].code;
            est_slice_t der, body = hex(rows[i].body);
            est_err_t *err = read_as(&der, body, strict);

            if (expected != EST_E__COUNT) {
                ASSERT_ROW(err, expected, NULL, rows[i].reason);
            } else {
                ASSERT_OK(err);
                ASSERT_SLICE(der, body.p[0] == '\n' ? est_slice(body.p + 1, body.n - 1) : body);
            }
        }
}

static void test_a_nul_inside_pem_is_refused(void **state)
{
    est_slice_t der,
        body = join(3, text("-----BEGIN CERTIFICATE REQUEST-----\nAQIDBA==\n-----END CERTIFICATE REQUEST-----"),
                    est_slice("", 1), text("AAAA"));

    (void)state;
    op_start();
    ASSERT_FAILS(read_as(&der, body, 0), base64_invalid, NULL);
}

/* B-04: white space around a request is no quadratic matter */
static void test_much_white_space(void **state)
{
    char *blanks = apr_palloc(pool, 65536);
    est_slice_t der;

    (void)state;
    op_start();
    memset(blanks, '\n', 65536);
    ASSERT_OK(read_as(&der, join(3, est_slice(blanks, 65536), text("AQIDBA=="), est_slice(blanks, 65536)), 0));
    ASSERT_SLICE(der, hex("01020304"));
}

/* ---- answers */

/* Decision 11. 765 octets make 1020 characters, 768 make 1024. */
static void test_line_breaks_of_answers(void **state)
{
    enum { LINE, LINES };
    static const struct {
        apr_size_t octets;
        const char *alias, *environment;
        int user_agent, shape;
        const char *reason;
    } rows[] = {
        {765, "auto", NULL, 1, LINE, "below 1024: one line"},
        {766, "auto", NULL, 1, LINES, "1024: lines"},
        {768, "auto", NULL, 1, LINES, "1024: lines"},
        {3000, "auto", NULL, 1, LINES, "above: lines"},
        {3000, "auto", NULL, 0, LINE, "no User-Agent (strongSwan): one line"},
        {3000, "line", NULL, 1, LINE, "the alias says one line"},
        {3000, "wrap", NULL, 0, LINES, "the alias says lines"},
        {300, "wrap", NULL, 1, LINES, "the alias says lines, even for little"},
        {3000, "auto", "line", 1, LINE, "the environment says one line"},
        {3000, "auto", "wrap", 0, LINES, "the environment says lines"},
        {300, "auto", "wrap", 1, LINES, "the environment says lines, even for little"},
        {3000, "line", "wrap", 1, LINES, "the environment overrides the alias"},
        {3000, "wrap", "line", 1, LINE, "the environment overrides the alias"},
        {3000, "auto", "something", 1, LINES, "another word in the environment means nothing"},
        {10, "wrap", NULL, 1, LINE, "less than a line is one"},
    };
    unsigned char octets[3000];

    (void)state;
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (unsigned char)(i * 7);
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_resp_t resp = {0};
        est_slice_t decoded;
        est_req_t *req;
        apr_size_t longest = 0;

        op.store.aliases[0].base64 = rows[i].alias;
        op_policy_changed();
        op.now += apr_time_from_sec(1);
        req = op_routed("/cacerts");
        req->base64 = rows[i].environment;
        req->has_user_agent = rows[i].user_agent;
        est_body_write(&resp, req, est_slice(octets, rows[i].octets));

        assert_int_equal(resp.length, strlen(resp.body));
        assert_int_equal(resp.body[resp.length - 1], '\n'); /* libest wants it, strongSwan bears it */
        assert_int_not_equal(resp.body[resp.length - 2], '\n');
        ASSERT_OK(est_base64_decode(&decoded, text(resp.body), pool));
        ASSERT_SLICE(decoded, est_slice(octets, rows[i].octets));
        for (const char *line = resp.body; *line; line += strcspn(line, "\n") + 1)
            longest = strcspn(line, "\n") > longest ? strcspn(line, "\n") : longest;
        if (rows[i].shape == LINES ? longest != 64 : longest != resp.length - 1)
            fail_msg("%s: the longest line has %d characters", rows[i].reason, (int)longest);
    }
}

static void test_the_alias_says_whether_transfer_encoding_is_sent(void **state)
{
    est_resp_t resp = {0};
    est_req_t *req;

    (void)state;
    op_start();
    op.store.aliases[1].transfer_encoding = "f";
    est_body_write(&resp, op_routed("/cacerts"), text("x"));
    assert_true(resp.transfer_encoding);
    est_body_write(&resp, op_routed("/other/cacerts"), text("x"));
    assert_false(resp.transfer_encoding);
    req = op_routed("/cacerts");
    req->alias = NULL; /* no policy: as the alias's default is */
    est_body_write(&resp, req, text("x"));
    assert_true(resp.transfer_encoding);
    assert_string_equal(resp.body, "eA==\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_media_types_and_encodings),
        EST_TEST(test_what_reading_says_is_said),
        EST_TEST(test_bodies),
        EST_TEST(test_der_as_it_is),
        EST_TEST(test_a_nul_inside_pem_is_refused),
        EST_TEST(test_much_white_space),
        EST_TEST(test_line_breaks_of_answers),
        EST_TEST(test_the_alias_says_whether_transfer_encoding_is_sent),
    };
    return EST_TEST_RUN(tests);
}
