/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_properties.h"

#include "base/est_bytes.h"

#include <string.h>

typedef struct {
    const char *p; /* what is still to be read */
    int line;
    char *w; /* where keys and values are written: they are shorter than what they are made of */
    apr_pool_t *pool;
} reader_t;

/* Appends a code point */
static char *put(char *w, unsigned long c)
{
    if (c < 0x80) {
        *w++ = (char)c;
    } else if (c < 0x800) {
        *w++ = (char)(0xc0 | c >> 6);
        *w++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *w++ = (char)(0xe0 | c >> 12);
        *w++ = (char)(0x80 | (c >> 6 & 0x3f));
        *w++ = (char)(0x80 | (c & 0x3f));
    } else {
        *w++ = (char)(0xf0 | c >> 18);
        *w++ = (char)(0x80 | (c >> 12 & 0x3f));
        *w++ = (char)(0x80 | (c >> 6 & 0x3f));
        *w++ = (char)(0x80 | (c & 0x3f));
    }
    return w;
}

static const char *as_utf8(const char *text, apr_pool_t *pool)
{
    char *out, *w;

    if (est_is_utf8(text))
        return strncmp(text, "\xef\xbb\xbf", 3) ? text : text + 3;
    out = w = apr_palloc(pool, 2 * strlen(text) + 1);
    for (; *text; text++)
        w = put(w, (unsigned char)*text);
    *w = '\0';
    return out;
}

/* Moves behind an end of line, of which there are three kinds; 0 when there is none here */
static int skip_end(reader_t *r)
{
    if (*r->p != '\n' && *r->p != '\r')
        return 0;
    r->p += r->p[0] == '\r' && r->p[1] == '\n' ? 2 : 1;
    r->line++;
    return 1;
}

/* Blanks, and ends of lines behind a backslash with the blanks that the next line begins with */
static void skip_blanks(reader_t *r)
{
    for (;;) {
        reader_t ahead = *r;

        ahead.p++;
        if (*r->p && strchr(" \t\f", *r->p))
            r->p++;
        else if (*r->p == '\\' && skip_end(&ahead))
            *r = ahead;
        else
            return;
    }
}

/* The four digits behind \u; -1 when they are none */
static long take_unit(reader_t *r)
{
    long unit = 0;

    for (int i = 0; i < 4; i++) {
        int digit = est_hex_value(*r->p);

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
        r->p++;
    }
    return unit;
}

/* \uXXXX, two of them for what UTF-16 writes as a pair */
static est_err_t *take_unicode(reader_t *r)
{
    long high = take_unit(r), low = 0;

    if (high >= 0xd800 && high < 0xdc00 && r->p[0] == '\\' && r->p[1] == 'u') {
        r->p += 2;
        low = take_unit(r);
        high = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (high <= 0 || (high >= 0xd800 && high < 0xe000))
        return EST_FAIL(r->pool, file, "line %d: \\u is not followed by four hexadecimal digits of a character",
                        r->line);
    r->w = put(r->w, (unsigned long)high);
    return NULL;
}

/* What stands behind a backslash, which is taken */
static est_err_t *take_escape(reader_t *r)
{
    static const char letters[] = "tnrf", meanings[] = "\t\n\r\f";
    const char *at;

    if (!*r->p)
        return NULL; /* as Java does: a backslash at the very end is nothing */
    if (skip_end(r)) {
        r->p += strspn(r->p, " \t\f");
        return NULL;
    }
    if (*r->p == 'u') {
        r->p++;
        return take_unicode(r);
    }
    at = strchr(letters, *r->p);
    *r->w++ = at ? meanings[at - letters] : *r->p;
    r->p++;
    return NULL;
}

/* Up to the end of the line or one of the octets of ends */
static est_err_t *take_text(const char **out, reader_t *r, const char *ends)
{
    *out = r->w;
    while (*r->p && *r->p != '\r' && *r->p != '\n' && !strchr(ends, *r->p)) {
        if (*r->p == '\\') {
            r->p++;
            EST_TRY(take_escape(r));
        } else {
            *r->w++ = *r->p++;
        }
    }
    *r->w++ = '\0';
    return NULL;
}

static est_err_t *take_property(apr_array_header_t *all, reader_t *r)
{
    cli_property_t property = {.line = r->line};

    EST_TRY(take_text(&property.key, r, "=: \t\f"));
    if (!*property.key)
        return EST_FAIL(r->pool, file, "line %d: has no key in front of \"%c\"", property.line, *r->p);
    skip_blanks(r);
    if (*r->p == '=' || *r->p == ':') {
        r->p++;
        skip_blanks(r);
    }
    EST_TRY(take_text(&property.value, r, ""));
    APR_ARRAY_PUSH(all, cli_property_t) = property;
    return NULL;
}

est_err_t *cli_properties_parse(apr_array_header_t **out, const char *text, apr_pool_t *pool)
{
    reader_t r = {.p = as_utf8(text, pool), .line = 1, .pool = pool};
    apr_array_header_t *all = apr_array_make(pool, 32, sizeof(cli_property_t));

    r.w = apr_palloc(pool, 2 * strlen(r.p) + 4); /* each has an end that the file need not have */
    while (*r.p) {
        r.p += strspn(r.p, " \t\f");
        if (skip_end(&r) || !*r.p)
            continue;
        if (*r.p == '#' || *r.p == '!')
            r.p += strcspn(r.p, "\r\n");
        else
            EST_TRY(take_property(all, &r));
    }
    *out = all;
    return NULL;
}
