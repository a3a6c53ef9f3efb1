/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_directive.h"
#include "est_config.h"
#include "est_proxy.h"
#include "pki/pki_der.h"
#include "pki/pki_token_uri.h"
#include "policy/policy_snapshot.h"
#include "store/store_pg.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <stddef.h>

#define STRUCT_GLOBAL est_global_t
#define STRUCT_CA ca_config_t
#define STRUCT_SERVER est_server_t
#define STRUCT_LOCATION est_location_t

const est_directive_t est_directives[] = {
#define EST_DIRECTIVE(name, scope, kind, member, initial, min, max, doc)                                               \
    {#name, EST_SCOPE_##scope, EST_KIND_##kind, offsetof(STRUCT_##scope, member), initial, min, max},
#include "est_directives.def"
#undef EST_DIRECTIVE
};
#define N_ROWS (sizeof(est_directives) / sizeof(est_directives[0]))

/* ---- where values are */

static int *int_at(void *base, const est_directive_t *row)
{
    return (int *)((char *)base + row->offset);
}

static const char **text_at(void *base, const est_directive_t *row)
{
    return (const char **)((char *)base + row->offset);
}

static apr_array_header_t **array_at(void *base, const est_directive_t *row)
{
    return (apr_array_header_t **)((char *)base + row->offset);
}

static int is_int(const est_directive_t *row)
{
    return row->kind == EST_KIND_NUMBER || row->kind == EST_KIND_FLAG || row->kind == EST_KIND_VERIFY;
}

/* ---- words of a fixed set, numbers */

static const char *read_number(int *out, const est_directive_t *row, const char *arg, apr_pool_t *pool)
{
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    if (!*arg || *end || n < row->min || n > row->max)
        return apr_psprintf(pool, "%s is a number from %d to %d, not \"%s\"", row->name, row->min, row->max, arg);
    *out = (int)n;
    return NULL;
}

static const char *read_flag(int *out, const est_directive_t *row, const char *arg, apr_pool_t *pool)
{
    if (!apr_cstr_casecmp(arg, "on"))
        *out = 1;
    else if (!apr_cstr_casecmp(arg, "off"))
        *out = 0;
    else
        return apr_psprintf(pool, "%s is on or off, not \"%s\"", row->name, arg);
    return NULL;
}

static const char *read_verify(int *out, int argc, char *const argv[])
{
    if (argc == 1 && !apr_cstr_casecmp(argv[0], "off"))
        *out = EST_VERIFY_OFF;
    else if (argc == 1 && !apr_cstr_casecmp(argv[0], "on"))
        *out = EST_VERIFY_ON;
    else if (argc == 2 && !apr_cstr_casecmp(argv[0], "on") && !apr_cstr_casecmp(argv[1], "shared"))
        *out = EST_VERIFY_SHARED;
    else
        return "EstVerifyClient is off, on or 'on shared'";
    return NULL;
}

/* ---- texts */

static const char *read_aliases(apr_array_header_t **out, int argc, char *const argv[], apr_pool_t *pool)
{
    *out = apr_array_make(pool, argc, sizeof(const char *));
    for (int i = 0; i < argc; i++) {
        if (!policy_label_is_valid(argv[i]))
            return apr_psprintf(pool,
                                "EstAliases: \"%s\" cannot be an alias (1 to 64 of A-Z a-z 0-9 _ -, not the name of an "
                                "operation, not ca)",
                                argv[i]);
        APR_ARRAY_PUSH(*out, const char *) = apr_pstrdup(pool, argv[i]);
    }
    return NULL;
}

static const char *read_conninfo(const char **out, const char *arg, apr_pool_t *pool)
{
    est_err_t *err = store_pg_config_check(arg, pool);

    *out = apr_pstrdup(pool, arg);
    return err ? apr_pstrcat(pool, "EstDatabase: ", est_err_text(err), NULL) : NULL;
}

static const char *read_path(const char **out, const est_directive_t *row, const char *arg, apr_pool_t *pool)
{
    *out = ap_server_root_relative(pool, arg);
    return *out ? NULL : apr_psprintf(pool, "%s: \"%s\" is not a path", row->name, arg);
}

/* A file, or the URI of a key in a token, of which all is checked here, so that httpd can name the line */
static const char *read_key(const char **out, const est_directive_t *row, const char *arg, apr_pool_t *pool)
{
    const char *uri;
    est_err_t *err;

    if (!pki_token_is_uri(arg))
        return read_path(out, row, arg, pool);
    err = pki_token_uri_check(&uri, arg, pool);
    *out = apr_pstrdup(pool, arg);
    return err ? apr_pstrcat(pool, row->name, ": ", est_err_text(err), NULL) : NULL;
}

static const char *read_passphrase(const char **out, const est_directive_t *row, int argc, char *const argv[],
                                   apr_pool_t *pool)
{
    *out = argv[0];
    for (int i = 1; i < argc; i++)
        *out = apr_pstrcat(pool, *out, " ", argv[i], NULL);
    if (strncmp(*out, "file:", 5) != 0 && strncmp(*out, "exec:", 5) != 0)
        return apr_psprintf(pool, "%s is file:PATH or exec:PROGRAM [ARGUMENT...], never the secret itself", row->name);
    *out = apr_pstrdup(pool, *out);
    return NULL;
}

/* What a driver wants of its URLs it says itself. Here is seen to it that no password is printed with them. */
static const char *read_url(const char **out, const est_directive_t *row, const char *arg, apr_pool_t *pool)
{
    apr_size_t scheme = !strncmp(arg, "http://", 7) ? 7 : !strncmp(arg, "https://", 8) ? 8 : 0;
    apr_size_t host = scheme ? strcspn(arg + scheme, "/?#") : 0;

    if (scheme && memchr(arg + scheme, '@', host))
        return apr_psprintf(pool, "%s: a user or password is not to stand in a URL", row->name);
    if (!host)
        return apr_psprintf(pool, "%s: \"%s\" is not a URL: %s", row->name, arg,
                            row->kind == EST_KIND_URL ? "http://HOST:PORT"
                                                      : "https://HOST, perhaps with :PORT and /PATH");
    for (const char *p = arg; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
            return apr_psprintf(pool, "%s: a character that no URL has", row->name);
    *out = apr_pstrdup(pool, arg);
    return NULL;
}

/* A list goes on where the directive stands again */
static apr_array_header_t *go_on(apr_array_header_t **list, int n, apr_pool_t *pool)
{
    if (!*list)
        *list = apr_array_make(pool, n, sizeof(const char *));
    return *list;
}

static const char *read_urls(apr_array_header_t **out, const est_directive_t *row, int argc, char *const argv[],
                             apr_pool_t *pool)
{
    apr_array_header_t *list = go_on(out, argc, pool);
    const char *error = NULL;

    for (int i = 0; i < argc && !error; i++)
        error = read_url(&APR_ARRAY_PUSH(list, const char *), row, argv[i], pool);
    return error;
}

static const char *read_oids(apr_array_header_t **out, const est_directive_t *row, int argc, char *const argv[],
                             apr_pool_t *pool)
{
    apr_array_header_t *list = go_on(out, argc, pool);

    for (int i = 0; i < argc; i++) {
        if (!pki_oid_from_text(argv[i], pool).n)
            return apr_psprintf(pool, "%s: \"%s\" is not an OID, such as 1.3.6.1.5.5.7.1.1", row->name, argv[i]);
        APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(pool, argv[i]);
    }
    return NULL;
}

/* ---- all kinds */

static int takes_several(est_kind_t kind)
{
    return kind == EST_KIND_ALIASES || kind == EST_KIND_PASSPHRASE || kind == EST_KIND_VERIFY ||
           kind == EST_KIND_NETWORKS || kind == EST_KIND_CERT_HEADER || kind == EST_KIND_URLS || kind == EST_KIND_OIDS;
}

const char *est_directive_read(void *base, const est_directive_t *row, int argc, char *const argv[], apr_pool_t *pool)
{
    if (argc < 1)
        return apr_psprintf(pool, "%s needs an argument", row->name);
    if (argc > 1 && !takes_several(row->kind))
        return apr_psprintf(pool, "%s takes one argument", row->name);
    switch (row->kind) {
    case EST_KIND_TEXT:
        *text_at(base, row) = apr_pstrdup(pool, argv[0]);
        return NULL;
    case EST_KIND_PASSPHRASE:
        return read_passphrase(text_at(base, row), row, argc, argv, pool);
    case EST_KIND_PATH:
        return read_path(text_at(base, row), row, argv[0], pool);
    case EST_KIND_KEY:
        return read_key(text_at(base, row), row, argv[0], pool);
    case EST_KIND_URL:
        return read_url(text_at(base, row), row, argv[0], pool);
    case EST_KIND_URLS:
        return read_urls(array_at(base, row), row, argc, argv, pool);
    case EST_KIND_OIDS:
        return read_oids(array_at(base, row), row, argc, argv, pool);
    case EST_KIND_CONNINFO:
        return read_conninfo(text_at(base, row), argv[0], pool);
    case EST_KIND_NUMBER:
        return read_number(int_at(base, row), row, argv[0], pool);
    case EST_KIND_FLAG:
        return read_flag(int_at(base, row), row, argv[0], pool);
    case EST_KIND_ALIASES:
        return read_aliases(array_at(base, row), argc, argv, pool);
    case EST_KIND_VERIFY:
        return read_verify(int_at(base, row), argc, argv);
    case EST_KIND_NETWORKS:
        return est_proxy_read_networks(array_at(base, row), argc, argv, pool);
    case EST_KIND_CERT_HEADER:
        return est_proxy_read_header((const est_cert_header_t **)((char *)base + row->offset), argc, argv, pool);
    }
    return "internal error";
}

/* ---- what nobody has set */

void est_directive_unset(void *base, est_scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++)
        if (est_directives[i].scope == scope && is_int(&est_directives[i]))
            *int_at(base, &est_directives[i]) = EST_UNSET;
}

void est_directive_default(void *base, est_scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++)
        if (est_directives[i].scope == scope && is_int(&est_directives[i]) &&
            *int_at(base, &est_directives[i]) == EST_UNSET)
            *int_at(base, &est_directives[i]) = est_directives[i].initial;
}

void est_directive_inherit(void *child, const void *parent, est_scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++) {
        const est_directive_t *row = &est_directives[i];
        const char *from = (const char *)parent + row->offset;

        if (row->scope != scope)
            continue;
        if (is_int(row)) {
            if (*int_at(child, row) == EST_UNSET)
                *int_at(child, row) = *(const int *)from;
        } else if (!*text_at(child, row)) {
            *text_at(child, row) = *(const char *const *)from;
        }
    }
}
