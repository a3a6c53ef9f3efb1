/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_DIRECTIVE_H
#define EST_DIRECTIVE_H

/* The table of directives (est_directives.def), and how the value of each is read into the struct that has it. Where a
 * directive may stand is est_config.c's. */

#include <apr_pools.h>

#define EST_UNSET (-1) /* of NUMBER, FLAG and VERIFY, as long as nobody has said anything */

typedef enum { EST_SCOPE_GLOBAL, EST_SCOPE_CA, EST_SCOPE_SERVER, EST_SCOPE_LOCATION } est_scope_t;

typedef enum {
    EST_KIND_TEXT,
    EST_KIND_PASSPHRASE,
    EST_KIND_PATH,
    EST_KIND_KEY,
    EST_KIND_URL,
    EST_KIND_URLS,
    EST_KIND_OIDS,
    EST_KIND_CONNINFO,
    EST_KIND_NUMBER,
    EST_KIND_FLAG,
    EST_KIND_ALIASES,
    EST_KIND_VERIFY,
    EST_KIND_NETWORKS,
    EST_KIND_CERT_HEADER
} est_kind_t;

typedef struct {
    const char *name;
    est_scope_t scope;
    est_kind_t kind;
    apr_size_t offset;
    int initial, min, max;
} est_directive_t;

/* A row each, in the order of the file */
extern const est_directive_t est_directives[];

/* base: the struct of row's scope. NULL, or what is wrong with the value: that text repeats no secret. */
const char *est_directive_read(void *base, const est_directive_t *row, int argc, char *const argv[], apr_pool_t *pool);

/* All numbers of a struct become EST_UNSET; those that still are get their defaults; a child takes what it has not set
 * itself from its parent. */
void est_directive_unset(void *base, est_scope_t scope);
void est_directive_default(void *base, est_scope_t scope);
void est_directive_inherit(void *child, const void *parent, est_scope_t scope);

#endif
