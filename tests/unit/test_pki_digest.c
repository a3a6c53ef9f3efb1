/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_digest.h"

/* RFC 4231 section 4, test cases 1, 2, 3, 6 and 7 */
static void test_vectors_of_rfc_4231(void **state)
{
    static const struct {
        const char *key, *data, *mac;
        int repeat; /* of the one octet of key */
    } rows[] = {
        {"0b", "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 20},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 1},
        {"aa", "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", 20},
        {"aa",
         "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b657920466972"
         "7374",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 131},
        {"aa",
         "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e"
         "642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f206265"
         "20686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", 131},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t key = hex(rows[i].key);
        unsigned char mac[PKI_SHA256_SIZE];

        for (int n = 1; n < rows[i].repeat; n++)
            key = join(2, key, hex(rows[i].key));
        assert_int_equal(pki_hmac_sha256(mac, key, hex(rows[i].data)), 1);
        ASSERT_SLICE(est_slice(mac, sizeof(mac)), hex(rows[i].mac));
    }
}

static void test_empty_data_has_a_mac_too(void **state)
{
    unsigned char mac[PKI_SHA256_SIZE];

    (void)state;
    /* printf '' | openssl dgst -sha256 -hmac key */
    assert_int_equal(pki_hmac_sha256(mac, text("key"), est_slice("", 0)), 1);
    ASSERT_SLICE(est_slice(mac, sizeof(mac)), hex("5d5d139563c95b5967b9bd9a8c9b233a9dedb45072794cd232dc1b74832607d0"));
}

/* FIPS 180-2 B.1 */
#define SHA256_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_sha256_of_one_and_of_many_parts(void **state)
{
    unsigned char digest[PKI_SHA256_SIZE];
    const est_slice_t parts[] = {text("a"), text(""), text("bc")};

    (void)state;
    pki_sha256(digest, text("abc"));
    assert_string_equal(est_hex(est_slice(digest, sizeof(digest)), pool), SHA256_OF_ABC);
    pki_sha256_parts(digest, parts, 3);
    assert_string_equal(est_hex(est_slice(digest, sizeof(digest)), pool), SHA256_OF_ABC);
    pki_sha256_parts(digest, NULL, 0); /* printf '' | sha256sum */
    assert_string_equal(est_hex(est_slice(digest, sizeof(digest)), pool),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_vectors_of_rfc_4231),
        EST_TEST(test_empty_data_has_a_mac_too),
        EST_TEST(test_sha256_of_one_and_of_many_parts),
    };
    return EST_TEST_RUN(tests);
}
