/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_CONFIG_H
#define EST_CONFIG_H

/* httpd directives: where they are kept, and the check before httpd starts. */

#include "ca/ca.h"

#include <httpd.h>

#include <http_config.h>

extern module AP_MODULE_DECLARE_DATA est_module;

typedef struct est_cert_header_t est_cert_header_t; /* est_proxy.h */

typedef enum { EST_VERIFY_OFF, EST_VERIFY_ON, EST_VERIFY_SHARED } est_verify_t;

/* Once per server process: belongs to the main server */
typedef struct {
    const char *database;
    int database_pool, database_timeout, policy_max_age, maintenance_interval, refusal_limit;
    apr_array_header_t *ca_configs; /* of ca_config_t */
    apr_array_header_t *locations;  /* of est_location_t *: every block with EstEngine on */
    ca_t **cas;                     /* opened by est_config_check: est_cas.h */
    int n_cas;
    apr_array_header_t *reserved_keys; /* of unsigned char[PKI_SHA256_SIZE]: see est_config_reserve_key */
} est_global_t;

typedef struct {
    est_global_t *global;        /* the same for every server */
    int verify_client;           /* est_verify_t */
    const void *accepts_any;     /* the host's SSL_CTX when verify_client is not off, to know connections by */
    apr_array_header_t *mounts;  /* of const char *: paths of the EST locations of this host */
    apr_array_header_t *proxies; /* of const char *, CIDR: who may send cert_header; NULL = nobody */
    const est_cert_header_t *cert_header;
} est_server_t;

typedef struct {
    int engine;
    apr_array_header_t *aliases; /* of const char *; NULL = all */
    int max_body, strict_body;
    const char *mount; /* path of the <Location> */
    const char *where; /* "file:line" of its EstEngine */
    /* what else stands in the same block */
    int has_require_est, has_auth_type, is_basic, has_auth_name, has_provider;
    const char *ssl_directive; /* one that makes mod_ssl renegotiate; NULL = none */
} est_location_t;

extern const command_rec est_config_commands[];

void *est_config_make_location(apr_pool_t *pool, char *path);
void *est_config_merge_location(apr_pool_t *pool, void *parent, void *child);
void *est_config_make_server(apr_pool_t *pool, server_rec *s);
void *est_config_merge_server(apr_pool_t *pool, void *parent, void *child);

/* check_config hook: everything that needs no database. Opens the CAs. */
int est_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);

/* Nobody gets a certificate for the key of this one (conformance C-16): those of the CAs and their chains are reserved
 * by est_config_check, those of TLS servers by est_tls. cert: DER, not borrowed. */
void est_config_reserve_key(est_global_t *global, est_slice_t cert);

est_server_t *est_config_server(server_rec *s);
est_global_t *est_config_global(server_rec *s);
est_location_t *est_config_location(request_rec *r);

/* Whether an error of r, which no location may have been found for yet, is one of EST: see est_answer.h */
int est_config_is_est(request_rec *r);

#endif
