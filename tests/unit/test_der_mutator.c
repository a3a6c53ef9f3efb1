/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "../fuzz/csr_signer.h"
#include "../fuzz/der_mutator.h"
#include "../fuzz/der_tree.h"
#include "pki/pki_csr.h"
#include "pki/pki_der.h"

#define MAX 4096
#define ROUNDS 4000

static est_slice_t sample(void)
{
    csr_spec_t spec = {.subject = "CN=dev7,O=Example",
                       .challenge = "abc",
                       .exts = {"keyUsage=critical,digitalSignature", "subjectAltName=DNS:a.example,IP:10.0.0.1"}};

    return make_csr(&spec);
}

/* libFuzzer's part, determined by nothing but what comes in */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    if (size < max)
        data[size++] = 0x5a;
    else if (size)
        data[size / 2] ^= 0x10;
    return size;
}

static est_slice_t mutate(est_slice_t in, unsigned seed, size_t prefix, der_mutator_sign_t sign)
{
    uint8_t *data = malloc(MAX); /* for the address sanitizer */
    size_t n;
    est_slice_t out;

    memcpy(data, in.p, in.n);
    n = der_mutator_mutate(data, in.n, MAX, seed, prefix, sign);
    assert_true(n <= MAX);
    out = est_slice_dup(est_slice(data, n), pool);
    free(data);
    return out;
}

static void test_a_tree_is_written_as_it_was_read(void **state)
{
    static der_tree_t tree;
    static const char *const rows[] = {"3000", "30030201ff 0500", "3080 0000", "1f8101 02 0500", "30 05 0201", "ff",
                                       "00"};
    uint8_t out[MAX];
    est_slice_t der = sample();

    (void)state;
    assert_true(der_tree_parse(&tree, der.p, der.n) > 30);
    ASSERT_SLICE(est_slice(out, der_tree_write(out, sizeof(out), &tree.top)), der);
    assert_int_equal(der_tree_write(out, der.n - 1, &tree.top), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t in = hex(rows[i]);

        der_tree_parse(&tree, in.p, in.n);
        ASSERT_SLICE(est_slice(out, der_tree_write(out, sizeof(out), &tree.top)), in);
    }
    assert_int_equal(der_tree_parse(&tree, out, 0), 0);
}

static void test_values_inside_strings_are_part_of_the_tree(void **state)
{
    static der_tree_t tree;
    est_slice_t octets = hex("0405 3003020105"), bits = hex("0306 00 3003020105");

    (void)state;
    assert_int_equal(der_tree_parse(&tree, octets.p, octets.n), 3);
    assert_int_equal(der_tree_parse(&tree, bits.p, bits.n), 3);
}

static void test_lengths_are_broken_on_purpose(void **state)
{
    static const char *const rows[DER_FORM_COUNT] = {
        [DER_FORM_DER] = "0402abcd",           [DER_FORM_LONG] = "048400000002abcd",
        [DER_FORM_NOT_MINIMAL] = "048102abcd", [DER_FORM_INDEFINITE] = "0480abcd0000",
        [DER_FORM_MORE] = "0403abcd",          [DER_FORM_LESS] = "0401abcd",
        [DER_FORM_HUGE] = "04847fffffffabcd",  [DER_FORM_RESERVED] = "04ffabcd"};
    static der_tree_t tree;
    est_slice_t in = hex(rows[DER_FORM_DER]);
    uint8_t out[16];

    (void)state;
    der_tree_parse(&tree, in.p, in.n);
    for (int form = 0; form < DER_FORM_COUNT; form++) {
        tree.top.first->form = (der_form_t)form;
        ASSERT_SLICE(est_slice(out, der_tree_write(out, sizeof(out), tree.top.first)), hex(rows[form]));
    }
}

static void test_the_seed_decides(void **state)
{
    est_slice_t in = sample();
    int different = 0;

    (void)state;
    for (unsigned seed = 0; seed < 300; seed++) {
        est_slice_t first = mutate(in, seed, 0, DER_MUTATOR_SIGN_ED25519);

        ASSERT_SLICE(mutate(in, seed, 0, DER_MUTATOR_SIGN_ED25519), first);
        different += !est_slice_equal(first, in);
    }
    assert_true(different > 250);
}

/* Else the fuzzer would test nothing but the walker */
static void test_most_of_what_comes_out_is_der(void **state)
{
    est_slice_t in = sample();
    int good = 0;

    (void)state;
    for (unsigned seed = 0; seed < ROUNDS; seed++)
        good += pki_der_check(mutate(in, seed, 0, DER_MUTATOR_PLAIN), pool) == NULL;
    assert_in_range(good, ROUNDS / 2, ROUNDS - ROUNDS / 20);
}

static void test_requests_are_signed_again(void **state)
{
    est_slice_t in = sample();
    int decoded = 0, verified = 0;

    (void)state;
    for (unsigned seed = 0; seed < ROUNDS / 4; seed++) {
        pki_csr_t *csr;

        if (pki_csr_decode(&csr, mutate(in, seed, 0, DER_MUTATOR_SIGN), pool))
            continue;
        decoded++;
        verified += pki_csr_verify(csr, pool) == NULL;
    }
    assert_true(decoded > ROUNDS / 40);
    assert_true(verified > decoded / 2);
}

static void test_nothing_is_signed_that_is_no_request(void **state)
{
    static der_tree_t tree;
    est_slice_t in = hex("3009 3003020100 3000 0500");

    (void)state;
    der_tree_parse(&tree, in.p, in.n);
    assert_int_equal(csr_signer_sign(&tree, CSR_SIGNER_P256), 0);
}

static void test_a_prefix_is_not_der(void **state)
{
    est_slice_t in = join(2, hex("3004"), sample());
    int good = 0;

    (void)state;
    for (unsigned seed = 0; seed < 500; seed++) {
        est_slice_t out = mutate(in, seed, 2, DER_MUTATOR_PLAIN);

        good += out.n > 2 && pki_der_check(est_slice(out.p + 2, out.n - 2), pool) == NULL;
    }
    assert_true(good > 250);
}

/* Generation upon generation, through whatever came out before */
static void test_its_own_results_are_good_input(void **state)
{
    est_slice_t in = sample();

    (void)state;
    for (unsigned seed = 0; seed < ROUNDS; seed++) {
        est_slice_t out = mutate(in, seed, 0, seed % 8 ? DER_MUTATOR_PLAIN : DER_MUTATOR_SIGN);

        in = out.n > 8 ? out : sample();
    }
}

static void test_values_cross_over(void **state)
{
    est_slice_t a = hex("3008 0c0161 3003 020105"), b = hex("3006 0c0462626262");
    uint8_t out[MAX];
    int crossed = 0;

    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        size_t n = der_mutator_cross(a.p, a.n, b.p, b.n, out, sizeof(out), seed, 0);

        assert_true(n > 0 && n <= sizeof(out));
        ASSERT_OK(pki_der_check(est_slice(out, n > 2 && out[1] + 2u < n ? out[1] + 2u : n), pool));
        for (size_t i = 0; i + 4 <= n; i++)
            crossed += memcmp(out + i, "bbbb", 4) == 0;
    }
    assert_true(crossed >= 200);
    assert_int_equal(der_mutator_cross(a.p, a.n, b.p, b.n, out, 4, 1, 0), 0);
    assert_int_equal(der_mutator_cross(a.p, a.n, b.p, 0, out, sizeof(out), 1, 0), 0);
}

static void test_short_and_empty_input(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        uint8_t few[8] = {0x30};

        assert_true(der_mutator_mutate(few, seed % 5, sizeof(few), seed, seed % 3, DER_MUTATOR_SIGN) <= sizeof(few));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_tree_is_written_as_it_was_read),
        EST_TEST(test_values_inside_strings_are_part_of_the_tree),
        EST_TEST(test_lengths_are_broken_on_purpose),
        EST_TEST(test_the_seed_decides),
        EST_TEST(test_most_of_what_comes_out_is_der),
        EST_TEST(test_requests_are_signed_again),
        EST_TEST(test_nothing_is_signed_that_is_no_request),
        EST_TEST(test_a_prefix_is_not_der),
        EST_TEST(test_its_own_results_are_good_input),
        EST_TEST(test_values_cross_over),
        EST_TEST(test_short_and_empty_input),
    };
    return EST_TEST_RUN(tests);
}
