/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_TEST_H
#define EST_TEST_H

/* What the unit tests share: a pool for each test, assertions on errors, octets from text. Include it first. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/est_bytes.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

/* The running test's pool */
static apr_pool_t *pool;

static inline int est_test_group_setup(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS;
}

static inline int est_test_group_teardown(void **state)
{
    (void)state;
    apr_terminate();
    return 0;
}

static inline int est_test_setup(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static inline int est_test_teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    pool = NULL;
    return 0;
}

#define EST_TEST(function) cmocka_unit_test_setup_teardown(function, est_test_setup, est_test_teardown)
#define EST_TEST_RUN(tests) cmocka_run_group_tests(tests, est_test_group_setup, est_test_group_teardown)

static inline void est_test_ok(const est_err_t *err, const char *what, const char *file, int line)
{
    if (err) {
        print_error("%s: %s: %s (%s:%d)\n", what, est_err_row(err->code)->name, err->detail ? err->detail : "",
                    err->file, err->line);
        _fail(file, line);
    }
}

/* label names the row of a table; part, when not NULL, stands in the detail */
static inline void est_test_fails(const est_err_t *err, est_err_code_t code, const char *part, const char *label,
                                  const char *file, int line)
{
    const char *detail = err && err->detail ? err->detail : "";
    if (!err || err->code != code || (part && !strstr(detail, part))) {
        print_error("%s: expected %s \"%s\", got %s \"%s\"\n", label, est_err_row(code)->name, part ? part : "",
                    err ? est_err_row(err->code)->name : "success", detail);
        _fail(file, line);
    }
}

#define ASSERT_OK(expr) est_test_ok((expr), #expr, __FILE__, __LINE__)
/* The failure EST_E_<name>, with part in its detail */
#define ASSERT_FAILS(expr, name, part) est_test_fails((expr), EST_E_##name, (part), #expr, __FILE__, __LINE__)
#define ASSERT_ROW(expr, code, part, label) est_test_fails((expr), (code), (part), (label), __FILE__, __LINE__)

static inline void est_test_slice(est_slice_t got, est_slice_t want, const char *file, int line)
{
    if (!est_slice_equal(got, want)) {
        print_error("got  %s\nwant %s\n", est_hex(got, pool), est_hex(want, pool));
        _fail(file, line);
    }
}
#define ASSERT_SLICE(got, want) est_test_slice((got), (want), __FILE__, __LINE__)

/* Octets of a hex text in which blanks are for the eye */
static inline est_slice_t hex(const char *text)
{
    char *digits = apr_palloc(pool, strlen(text) + 1), *w = digits;
    apr_size_t n = 0;
    for (; *text; text++) {
        if (*text != ' ')
            *w++ = *text;
    }
    *w = '\0';
    const unsigned char *p = est_unhex(digits, &n, pool);
    if (!p)
        fail_msg("bad hex in a test");
    return est_slice(p, n);
}

static inline est_slice_t text(const char *s)
{
    return est_slice_of(s);
}

/* Joins n slices */
static inline est_slice_t join(int n, ...)
{
    va_list ap;
    apr_size_t size = 0;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        size += va_arg(ap, est_slice_t).n;
    va_end(ap);
    unsigned char *buf = apr_palloc(pool, size + 1), *w = buf;
    va_start(ap, n);
    for (int i = 0; i < n; i++) {
        est_slice_t s = va_arg(ap, est_slice_t);
        if (s.n)
            memcpy(w, s.p, s.n);
        w += s.n;
    }
    va_end(ap);
    return est_slice(buf, size);
}

/* DER with the length worked out; written independently of pki_der */
static inline est_slice_t tlv(unsigned tag, est_slice_t body)
{
    unsigned char head[6] = {(unsigned char)tag};
    apr_size_t n = 1;
    if (body.n < 0x80) {
        head[n++] = (unsigned char)body.n;
    } else if (body.n < 0x100) {
        head[n++] = 0x81;
        head[n++] = (unsigned char)body.n;
    } else if (body.n < 0x10000) {
        head[n++] = 0x82;
        head[n++] = (unsigned char)(body.n >> 8);
        head[n++] = (unsigned char)body.n;
    } else {
        head[n++] = 0x83;
        head[n++] = (unsigned char)(body.n >> 16);
        head[n++] = (unsigned char)(body.n >> 8);
        head[n++] = (unsigned char)body.n;
    }
    return join(2, est_slice(head, n), body);
}

#endif
