/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_err.h"
#include "est_bytes.h"

#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

enum {
    debug = EST_LOG_DEBUG,
    info = EST_LOG_INFO,
    notice = EST_LOG_NOTICE,
    warning = EST_LOG_WARNING,
    error = EST_LOG_ERROR
};

static const est_err_row_t rows[] = {
#define EST_ERR(name, id, status, level, failinfo, text)                                                               \
    {#name, id, status, (est_log_level_t)level, EST_FAILINFO_##failinfo, text},
#include "est_err.def"
#undef EST_ERR
};

const est_err_row_t *est_err_row(est_err_code_t code)
{
    return &rows[(unsigned)code < EST_E__COUNT ? code : EST_E_internal];
}

/* C0, DEL, and C1 in its UTF-8 form (C2 80..9F): a terminal obeys those too. So are octets that are no UTF-8: details
 * have words of peers in them, and the database would not take the whole row. */
static void defuse(char *s)
{
    est_slice_t rest = est_slice(s, strlen(s));

    while (rest.n) {
        char *at = s + (rest.p - (const unsigned char *)s);
        long c = est_utf8_next(&rest);

        if (c < 0) {
            rest = est_slice(rest.p + 1, rest.n - 1);
            *at = '?';
        } else if (c < 0x20 || c == 0x7f) {
            *at = '?';
        } else if (c >= 0x80 && c <= 0x9f) {
            at[0] = at[1] = '?';
        }
    }
}

est_err_t *est_err_make(apr_pool_t *pool, est_err_code_t code, const char *file, int line, const char *fmt, ...)
{
    est_err_t *err = apr_pcalloc(pool, sizeof(*err));

    err->code = code;
    err->file = file;
    err->line = line;
    if (fmt) {
        va_list ap;

        va_start(ap, fmt);
        char *detail = apr_pvsprintf(pool, fmt, ap);
        va_end(ap);
        defuse(detail);
        err->detail = detail;
    }
    return err;
}

const char *est_err_text(const est_err_t *err)
{
    return err->detail ? err->detail : est_err_row(err->code)->text;
}
