/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include <apr_pools.h>

/* The pattern language of every name rule: anchored; `?` one character, `*` any run (in DNS names: any run without a
 * dot), `**` any run. est.glob_match() is its twin in SQL; tests/glob.tsv holds both to the same answers. */

/* Octets of a pattern; a longer one matches nothing, and policy_profile and policy_snapshot refuse it */
#define POLICY_GLOB_MAX 512

/* pattern and value are UTF-8; dns: `*` stops at dots and case is ignored (ASCII). Time is at most the product of the
 * lengths. */
int policy_glob_match(const char *pattern, const char *value, int dns);

/* 0 when no value can match both, 1 when one may. dns: values are DNS names; else they may be or not, so that neither
 * case nor dots are looked at. */
int policy_glob_may_meet(const char *a, const char *b, int dns, apr_pool_t *pool);

#endif
