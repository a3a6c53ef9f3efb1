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

/* ---- two patterns */

/* Pairs of positions, in both patterns, that some value leads to */
typedef struct {
    const char *a, *b;
    int dns;
    size_t m, n; /* their lengths */
    char *seen;
    unsigned *todo; /* pairs that were not looked at yet, each once */
    unsigned n_todo;
} meeting_t;

static void reach(meeting_t *t, size_t i, size_t j)
{
    size_t pair = i * (t->n + 1) + j;

    if (t->seen[pair])
        return;
    t->seen[pair] = 1;
    t->todo[t->n_todo++] = (unsigned)pair;
}

/* Where a step leads to when it has read an octet, which the other pattern may want to be a certain one: on, or
 * nowhere: of a run, and of a character whose octets are spelled out there */
static int may_stay(const meeting_t *t, step_t step, const char *other)
{
    if (step == ONE)
        return (unsigned char)*other >= 0x80;
    return step != LITERAL && !(step == LABEL_RUN && t->dns && *other == '.');
}

static int may_go_on(step_t step)
{
    return step == LITERAL || step == ONE;
}

static void walk(meeting_t *t, size_t i, size_t j)
{
    size_t la, lb;
    step_t sa = step_at(t->a + i, &la), sb = step_at(t->b + j, &lb);

    if (sa == LABEL_RUN || sa == ANY_RUN)
        reach(t, i + la, j);
    if (sb == LABEL_RUN || sb == ANY_RUN)
        reach(t, i, j + lb);
    if (sa == END || sb == END || (sa == LITERAL && sb == LITERAL && fold(t->a[i]) != fold(t->b[j])))
        return;
    if (may_go_on(sa) && may_go_on(sb))
        reach(t, i + 1, j + 1);
    if (may_stay(t, sa, t->b + j) && may_go_on(sb))
        reach(t, i, j + 1);
    if (may_go_on(sa) && may_stay(t, sb, t->a + i))
        reach(t, i + 1, j);
}

int policy_glob_may_meet(const char *a, const char *b, int dns, apr_pool_t *pool)
{
    meeting_t t = {.a = a, .b = b, .dns = dns, .m = strlen(a), .n = strlen(b)};
    size_t pairs = (t.m + 1) * (t.n + 1);
    apr_pool_t *scratch;
    int meet;

    if (t.m > POLICY_GLOB_MAX || t.n > POLICY_GLOB_MAX)
        return 0;
    apr_pool_create(&scratch, pool);
    t.seen = apr_pcalloc(scratch, pairs);
    t.todo = apr_palloc(scratch, pairs * sizeof(*t.todo));
    reach(&t, 0, 0);
    while (t.n_todo) {
        unsigned pair = t.todo[--t.n_todo];

        walk(&t, pair / (t.n + 1), pair % (t.n + 1));
    }
    meet = t.seen[pairs - 1];
    apr_pool_destroy(scratch);
    return meet;
}
