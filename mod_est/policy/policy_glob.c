/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_glob.h"

#include <string.h>

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* One step of the pattern */
typedef enum { LITERAL, ONE, LABEL_RUN, ANY_RUN, END } step_t;

static step_t step_at(const char *p, size_t *length)
{
    *length = 1;
    switch (*p) {
    case '\0':
        return END;
    case '?':
        return ONE;
    case '*':
        while (p[*length] == '*')
            (*length)++;
        return *length > 1 ? ANY_RUN : LABEL_RUN;
    default:
        return LITERAL;
    }
}

/* Marks position i, and what can be reached from there without reading a character: a run may be empty */
static void enter(char *set, const char *pattern, size_t i)
{
    size_t length;

    for (;;) {
        step_t step = step_at(pattern + i, &length);

        set[i] = 1;
        if (step != LABEL_RUN && step != ANY_RUN)
            return;
        i += length;
    }
}

/* Walks all positions of the pattern at once, so that no choice has to be taken back: a `?` may or may not be a dot,
 * which makes the usual greedy walk wrong for runs that stop at dots. */
int policy_glob_match(const char *pattern, const char *value, int dns)
{
    size_t m = strlen(pattern);
    char here[POLICY_GLOB_MAX + 1], next[POLICY_GLOB_MAX + 1];

    if (m > POLICY_GLOB_MAX)
        return 0;
    memset(here, 0, m + 1);
    enter(here, pattern, 0);
    for (const char *v = value; *v; v++) {
        int continuation = ((unsigned char)v[1] & 0xc0) == 0x80; /* the character goes on: `?` takes all of it */
        size_t length;

        memset(next, 0, m + 1);
        for (size_t i = 0; i < m; i += length) {
            step_t step = step_at(pattern + i, &length);

            if (!here[i])
                continue;
            if (step == ONE)
                enter(next, pattern, continuation ? i : i + 1);
            else if (step == ANY_RUN || (step == LABEL_RUN && (!dns || *v != '.')))
                enter(next, pattern, i);
            else if (step == LITERAL && (dns ? fold(pattern[i]) == fold(*v) : pattern[i] == *v))
                enter(next, pattern, i + 1);
        }
        memcpy(here, next, m + 1);
    }
    return here[m];
}
