/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_text.h"

#include <apr_lib.h>

typedef struct {
    long first, last;
} range_t;

static int in_ranges(const range_t *ranges, apr_size_t n, long c)
{
    for (apr_size_t i = 0; i < n && c >= ranges[i].first; i++) { /* in ascending order */
        if (c <= ranges[i].last)
            return 1;
    }
    return 0;
}

#define IS_ONE_OF(ranges, c) in_ranges(ranges, sizeof(ranges) / sizeof(ranges[0]), c)

/* Unicode's general category Cf, and what else has no glyph but an effect: fillers, variation selectors of other
 * planes, tags */
static const range_t format_chars[] = {
    {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},
    {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x115f, 0x1160},   {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x202a, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
    {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static const char *char_flaw(long c)
{
    if (c < 0)
        return "not UTF-8";
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || (c & 0xfffe) == 0xfffe ||
        (c >= 0xfdd0 && c <= 0xfdef))
        return "control character";
    return IS_ONE_OF(format_chars, c) ? "format character" : NULL;
}

const char *pki_text_flaw(const char *s, apr_size_t n)
{
    est_slice_t rest = est_slice(s, n);

    while (rest.n) {
        const char *flaw = char_flaw(est_utf8_next(&rest));

        if (flaw)
            return flaw;
    }
    return NULL;
}

/* ---- Disguises ---- */

/* General category Zs but for U+0020, and the empty Braille pattern */
static const range_t odd_blanks[] = {
    {0x00a0, 0x00a0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x202f, 0x202f},
    {0x205f, 0x205f}, {0x2800, 0x2800}, {0x3000, 0x3000},
};

/* Second forms of letters that have a code of their own */
static const range_t second_forms[] = {{0xff00, 0xffef}, {0x1d400, 0x1d7ff}};

/* Letters by property Script; Kelvin and Angstrom, Ohm signs are letters */
static const range_t latin[] = {
    {'A', 'Z'},       {'a', 'z'},       {0x00aa, 0x00aa}, {0x00ba, 0x00ba}, {0x00c0, 0x00d6},
    {0x00d8, 0x00f6}, {0x00f8, 0x02b8}, {0x1d00, 0x1d25}, {0x1d2c, 0x1d5c}, {0x1d62, 0x1d65},
    {0x1d6b, 0x1d77}, {0x1d79, 0x1dbe}, {0x1e00, 0x1eff}, {0x2071, 0x2071}, {0x207f, 0x207f},
    {0x2090, 0x209c}, {0x212a, 0x212b}, {0x2132, 0x2132}, {0x214e, 0x214e}, {0x2160, 0x2188},
    {0x2c60, 0x2c7f}, {0xa722, 0xa787}, {0xa78b, 0xa7ff}, {0xab30, 0xab64}, {0xfb00, 0xfb06},
};
static const range_t greek[] = {
    {0x0370, 0x0373}, {0x0375, 0x037d}, {0x037f, 0x0384}, {0x0386, 0x0386}, {0x0388, 0x03e1}, {0x03f0, 0x03ff},
    {0x1d26, 0x1d2a}, {0x1d5d, 0x1d61}, {0x1d66, 0x1d6a}, {0x1dbf, 0x1dbf}, {0x1f00, 0x1ffe}, {0x2126, 0x2126},
};
static const range_t cyrillic[] = {
    {0x0400, 0x052f}, {0x1c80, 0x1c8f}, {0x1d2b, 0x1d2b}, {0x1d78, 0x1d78}, {0x2de0, 0x2dff}, {0xa640, 0xa69f},
};

/* Where one word ends and another begins, besides what ASCII has */
static const range_t punctuation[] = {
    {0x00a1, 0x00a9}, {0x00ab, 0x00b4}, {0x00b6, 0x00b9}, {0x00bb, 0x00bf}, {0x2010, 0x2027}, {0x2030, 0x205e},
};

enum { LATIN = 1, GREEK = 2, CYRILLIC = 4 };

static int script_of(long c)
{
    return IS_ONE_OF(latin, c) ? LATIN : IS_ONE_OF(greek, c) ? GREEK : IS_ONE_OF(cyrillic, c) ? CYRILLIC : 0;
}

static int ends_word(long c)
{
    return c < 0x80 ? !apr_isalnum(c) : IS_ONE_OF(punctuation, c);
}

const char *pki_text_disguise(const char *s)
{
    est_slice_t rest = est_slice_of(s);
    long before = ' '; /* a blank at the start is one too many */
    int scripts = 0;   /* of the word so far */

    while (rest.n) {
        long c = est_utf8_next(&rest);

        if (c < 0)
            return "not UTF-8";
        if (c == ' ' && before == ' ')
            return *s == ' ' ? "blank at the start" : "two blanks in a row";
        if (IS_ONE_OF(odd_blanks, c))
            return "blank that is not U+0020";
        if (IS_ONE_OF(second_forms, c))
            return "fullwidth, halfwidth or mathematical form of a letter";
        scripts = ends_word(c) ? 0 : scripts | script_of(c);
        if (scripts & (scripts - 1))
            return "word with letters of more than one of Latin, Greek and Cyrillic";
        before = c;
    }
    return *s && before == ' ' ? "blank at the end" : NULL;
}
