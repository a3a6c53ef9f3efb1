/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_text.h"

/* N-08, N-11 */
static void test_flaws_of_text(void **state)
{
    static const struct {
        const char *text;
        const char *flaw;
    } rows[] = {
        {"plain ASCII ~", NULL},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
        {"\xef\xbc\xa1", NULL}, /* full width: a disguise, see below */
        {"\x1f", "control character"},
        {"\x7f", "control character"},
        {"\xc2\x80", "control character"},
        {"\xc2\x9f", "control character"},
        {"\xe2\x80\xa9", "control character"},
        {"\xef\xbf\xbe", "control character"},
        {"\xef\xb7\x90", "control character"},
        {"\xc2\xad", "format character"},
        {"\xe2\x80\x8d", "format character"},
        {"\xe2\x81\xa6", "format character"},
        {"\xf3\xa0\x80\x81", "format character"},
        {"\xc0\x80", "not UTF-8"},
        {"\xc1\xbf", "not UTF-8"},
        {"\xe0\x80\x80", "not UTF-8"},
        {"\xe0\x9f\xbf", "not UTF-8"},
        {"\xed\xa0\x80", "not UTF-8"},
        {"\xf0\x8f\xbf\xbf", "not UTF-8"},
        {"\xf4\x90\x80\x80", "not UTF-8"},
        {"\xf5\x80\x80\x80", "not UTF-8"},
        {"\xe2\x82", "not UTF-8"},
        {"\xf0\x9f\x98", "not UTF-8"},
        {"\x80", "not UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* at the very end of an allocation, so that an over-read is seen */
        size_t n = strlen(rows[i].text);
        const char *flaw = pki_text_flaw(apr_pmemdup(pool, rows[i].text, n), n);
        if (rows[i].flaw ? !flaw || strcmp(flaw, rows[i].flaw) != 0 : flaw != NULL)
            fail_msg("row %d: %s", (int)i, flaw ? flaw : "none");
    }
    assert_string_equal(pki_text_flaw("a\0b", 3), "control character");
    assert_null(pki_text_flaw("", 0));
}

/* N-09 */
static void test_disguises(void **state)
{
    static const struct {
        const char *text;
        const char *part; /* of what is found; NULL: nothing */
    } rows[] = {
        {"", NULL},
        {"pump 7", NULL},
        {"a b c", NULL},
        {" a", "blank at the start"},
        {" ", "blank at the start"},
        {"   ", "blank at the start"},
        {"a ", "blank at the end"},
        {"a  b", "two blanks"},
        {"a \xc2\xa0 b", "not U+0020"},
        {"a\xc2\xa0"
         "b",
         "not U+0020"},
        {"a\xe1\x9a\x80z", "not U+0020"}, /* U+1680 */
        {"a\xe2\x80\x80z", "not U+0020"}, /* U+2000 */
        {"a\xe2\x80\x8az", "not U+0020"}, /* U+200A */
        {"a\xe2\x80\xafz", "not U+0020"}, /* U+202F */
        {"a\xe2\x81\x9fz", "not U+0020"}, /* U+205F */
        {"a\xe2\xa0\x80z", "not U+0020"}, /* U+2800 */
        {"\xe3\x80\x80z", "not U+0020"},  /* U+3000 */
        {"\xef\xbc\x80", "fullwidth"},
        {"\xef\xbc\xa1", "fullwidth"}, /* A */
        {"\xef\xbd\xb1", "halfwidth"}, /* katakana */
        {"\xef\xbf\xaf", "fullwidth"}, /* the last of them */
        {"\xf0\x9d\x90\x80", "mathematical"},
        {"\xef\xbf\xbd", NULL}, /* U+FFFD is none of them */
        {"\xf0\x9f\x98\x80", NULL},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         NULL},
        {"\xd0\x9a\xd0\xbe\xd0\xbc\xd0\xbf\xd0\xb0\xd0\xbd\xd0\xb8\xd1\x8f ABC", NULL},
        {"USB-\xd0\xbf\xd0\xbe\xd1\x80\xd1\x82", NULL},
        {"USB\xe2\x80\x91\xd0\xbf\xd0\xbe\xd1\x80\xd1\x82", NULL}, /* hyphen U+2011 */
        {"\xd0\xb0.example", NULL},
        {"a_\xd0\xb0@b", NULL},
        {"\xc2\xab\xd0\x90\xc2\xbb"
         "A",
         NULL}, /* quotation marks */
        {"\xce\xa9 7", NULL},
        {"\xd0\xb0"
         "dmin",
         "more than one"}, /* Cyrillic a */
        {"ad\xd0\xbcin", "more than one"},
        {"c\xd0\xbe"
         "m.example",
         "more than one"},
        {"www.\xd1\x80"
         "aypal.example",
         "more than one"},
        {"\xd0\xa1"
         "7O",
         "more than one"},               /* digits belong to the word */
        {"p\xce\xb1y", "more than one"}, /* Greek alpha */
        {"\xce\x91\xd0\x90", "more than one"},
        {"\xe1\xbc\x80z", "more than one"},        /* Greek extended */
        {"\xd0\xba\xe2\x84\xaa", "more than one"}, /* the sign Kelvin */
        {"\xff", "not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *found = pki_text_disguise(apr_pstrdup(pool, rows[i].text));

        if (rows[i].part ? !found || !strstr(found, rows[i].part) : found != NULL)
            fail_msg("row %d: %s", (int)i, found ? found : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_flaws_of_text),
        EST_TEST(test_disguises),
    };
    return EST_TEST_RUN(tests);
}
