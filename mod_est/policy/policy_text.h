/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

/* Values of policy tables as the store hands them over: text, NULL where SQL says NULL. */

#include "base/est_err.h"

#include <apr_time.h>

/* 't'/'f' */
int policy_text_bool(const char *s);
/* Whole number within bounds; *bad is set to 1 otherwise, and never reset, so that many can be read before it is looked
 * at */
apr_int64_t policy_text_int(const char *s, apr_int64_t min, apr_int64_t max, int *bad);
/* Seconds since 1970 to microseconds; NULL = 0 */
apr_time_t policy_text_time(const char *s, int *bad);
/* Index of s among the NULL-terminated words; *bad when it is none of them */
int policy_text_word(const char *s, const char *const *words, int *bad);
/* Characters of UTF-8, as the tables count them */
apr_size_t policy_text_chars(const char *s);
/* Newline-separated list; NULL or empty = none */
const char *const *policy_text_list(int *n, const char *s, apr_pool_t *pool);

#endif
