/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_text.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <errno.h>
#include <string.h>

int policy_text_bool(const char *s)
{
    return s && s[0] == 't';
}

apr_int64_t policy_text_int(const char *s, apr_int64_t min, apr_int64_t max, int *bad)
{
    char *end;
    apr_int64_t n;

    if (!s || !*s) {
        *bad = 1;
        return min;
    }
    errno = 0;
    n = apr_strtoi64(s, &end, 10);
    if (errno || *end || n < min || n > max) {
        *bad = 1;
        return min;
    }
    return n;
}

apr_time_t policy_text_time(const char *s, int *bad)
{
    if (!s)
        return 0;
    return apr_time_from_sec(policy_text_int(s, -APR_INT64_C(62135596800), APR_INT64_C(253402300799), bad));
}

int policy_text_word(const char *s, const char *const *words, int *bad)
{
    for (int i = 0; s && words[i]; i++)
        if (!strcmp(s, words[i]))
            return i;
    *bad = 1;
    return 0;
}

const char *const *policy_text_list(int *n, const char *s, apr_pool_t *pool)
{
    apr_array_header_t *list = apr_array_make(pool, 4, sizeof(const char *));
    char *last, *copy = s && *s ? apr_pstrdup(pool, s) : NULL;

    for (char *item = copy ? apr_strtok(copy, "\n", &last) : NULL; item; item = apr_strtok(NULL, "\n", &last))
        APR_ARRAY_PUSH(list, const char *) = item;
    *n = list->nelts;
    return (const char *const *)list->elts;
}

apr_size_t policy_text_chars(const char *s)
{
    apr_size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}
