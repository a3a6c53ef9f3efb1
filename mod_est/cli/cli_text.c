/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_text.h"

#include "base/est_bytes.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *cli_text_like(const char *text, apr_pool_t *pool)
{
    char *out, *w;
    int anywhere;

    if (!text)
        return NULL;
    anywhere = !strpbrk(text, "*?");
    out = w = apr_palloc(pool, 2 * strlen(text) + 3);
    if (anywhere)
        *w++ = '%';
    for (; *text; text++) {
        if (strchr("%_\\", *text))
            *w++ = '\\';
        *w++ = (char)(*text == '*' ? '%' : *text == '?' ? '_' : *text);
    }
    if (anywhere)
        *w++ = '%';
    *w = '\0';
    return out;
}

const char *cli_text_serial(const char *text, apr_pool_t *pool)
{
    char *digits = apr_palloc(pool, strlen(text) + 4), *w = digits + 3;
    const char *p;

    if (!strncmp(text, "0x", 2) || !strncmp(text, "0X", 2))
        text += 2;
    for (p = text; *p; p++) {
        if (*p == ':' || *p == ' ')
            continue;
        if (est_hex_value(*p) < 0)
            return NULL;
        *w++ = (char)(*p >= 'A' && *p <= 'F' ? *p + 'a' - 'A' : *p);
    }
    *w = '\0';
    if (w == digits + 3)
        return NULL;
    w = digits + 3;
    w += strspn(w, "0");
    if (!*w)
        return "00";
    if (strlen(w) % 2) {
        *--w = '0';
    } else if (*w >= '8') { /* the sign bit: an octet in front */
        *--w = '0';
        *--w = '0';
    }
    return w;
}

const char *cli_text_join(const char *const *values, int n, apr_pool_t *pool)
{
    const char *all = n > 0 ? values[0] : NULL;

    for (int i = 1; i < n; i++)
        all = apr_pstrcat(pool, all, ", ", values[i], NULL);
    return all;
}

const char *cli_text_csv(const char *field, apr_pool_t *pool)
{
    char *out, *w;

    if (*field && !strpbrk(field, ",\"\r\n") && *field != ' ' && field[strlen(field) - 1] != ' ')
        return field;
    out = w = apr_palloc(pool, 2 * strlen(field) + 3);
    *w++ = '"';
    for (; *field; field++) {
        if (*field == '"')
            *w++ = '"';
        *w++ = *field;
    }
    *w++ = '"';
    *w = '\0';
    return out;
}

static est_err_t *read_stream(est_slice_t *out, FILE *file, const char *path, apr_size_t max, apr_pool_t *pool)
{
    apr_size_t size = 4096, used = 0, got;
    char *buf = apr_palloc(pool, size + 1);

    while ((got = fread(buf + used, 1, size - used, file)) > 0) {
        used += got;
        if (used > max)
            return EST_FAIL(pool, file, "%s: has more than %" APR_SIZE_T_FMT " octets", path, max);
        if (used == size) {
            char *bigger = apr_palloc(pool, 2 * size + 1);

            memcpy(bigger, buf, used);
            est_bytes_cleanse(buf, used); /* it may be a password */
            buf = bigger;
            size *= 2;
        }
    }
    if (ferror(file))
        return EST_FAIL(pool, file, "%s: %s", path, strerror(errno));
    buf[used] = '\0';
    *out = est_slice(buf, used);
    return NULL;
}

est_err_t *cli_text_octets(est_slice_t *out, const char *path, apr_size_t max, apr_pool_t *pool)
{
    FILE *file;
    est_err_t *err;

    if (!strcmp(path, "-"))
        return read_stream(out, stdin, "standard input", max, pool);
    if (!(file = fopen(path, "r")))
        return EST_FAIL(pool, file, "%s: %s", path, strerror(errno));
    err = read_stream(out, file, path, max, pool);
    fclose(file);
    return err;
}

est_err_t *cli_text_read(const char **out, const char *path, apr_size_t max, apr_pool_t *pool)
{
    est_slice_t octets;

    EST_TRY(cli_text_octets(&octets, path, max, pool));
    if (strlen((const char *)octets.p) != octets.n)
        return EST_FAIL(pool, file, "%s: is not a text", path);
    *out = (const char *)octets.p;
    return NULL;
}
