/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_config.h"
#include "est_log.h"
#include "est_proxy.h"
#include "est_tls.h"
#include "policy/policy_snapshot.h"
#include "store/store_pg.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <stddef.h>

#define UNSET (-1)
#define CA_NAME_MAX 64
#define CA_NAME_CHARACTERS                                                                                             \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" /* as est.alias.ca has it */

typedef enum { SCOPE_GLOBAL, SCOPE_CA, SCOPE_SERVER, SCOPE_LOCATION } scope_t;
typedef enum {
    KIND_TEXT,
    KIND_PASSPHRASE,
    KIND_PATH,
    KIND_CONNINFO,
    KIND_NUMBER,
    KIND_FLAG,
    KIND_ALIASES,
    KIND_VERIFY,
    KIND_NETWORKS,
    KIND_CERT_HEADER
} kind_t;

typedef struct {
    const char *name;
    scope_t scope;
    kind_t kind;
    apr_size_t offset;
    int initial, min, max;
} row_t;

#define STRUCT_GLOBAL est_global_t
#define STRUCT_CA ca_config_t
#define STRUCT_SERVER est_server_t
#define STRUCT_LOCATION est_location_t

static const row_t rows[] = {
#define EST_DIRECTIVE(name, scope, kind, member, initial, min, max, doc)                                               \
    {#name, SCOPE_##scope, KIND_##kind, offsetof(STRUCT_##scope, member), initial, min, max},
#include "est_directives.def"
#undef EST_DIRECTIVE
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Configuration is read by one thread: the <EstCA> block being read, and the main server's settings, which httpd makes
 * before it reads any virtual host and does not hand to them */
static ca_config_t *open_block;
static est_global_t *main_global;

/* ---- reading values */

static int *int_at(void *base, const row_t *row)
{
    return (int *)((char *)base + row->offset);
}

static const char **text_at(void *base, const row_t *row)
{
    return (const char **)((char *)base + row->offset);
}

static int is_int(const row_t *row)
{
    return row->kind == KIND_NUMBER || row->kind == KIND_FLAG || row->kind == KIND_VERIFY;
}

static const char *read_number(int *out, const row_t *row, const char *arg, apr_pool_t *pool)
{
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    if (!*arg || *end || n < row->min || n > row->max)
        return apr_psprintf(pool, "%s is a number from %d to %d, not \"%s\"", row->name, row->min, row->max, arg);
    *out = (int)n;
    return NULL;
}

static const char *read_flag(int *out, const row_t *row, const char *arg, apr_pool_t *pool)
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

static const char *read_path(const char **out, const row_t *row, const char *arg, apr_pool_t *pool)
{
    *out = ap_server_root_relative(pool, arg);
    return *out ? NULL : apr_psprintf(pool, "%s: \"%s\" is not a path", row->name, arg);
}

static const char *read_passphrase(const char **out, int argc, char *const argv[], apr_pool_t *pool)
{
    *out = argv[0];
    for (int i = 1; i < argc; i++)
        *out = apr_pstrcat(pool, *out, " ", argv[i], NULL);
    if (strncmp(*out, "file:", 5) != 0 && strncmp(*out, "exec:", 5) != 0)
        return "EstCAKeyPassphrase is file:PATH or exec:PROGRAM [ARGUMENT...], never the passphrase itself";
    *out = apr_pstrdup(pool, *out);
    return NULL;
}

static int takes_several(kind_t kind)
{
    return kind == KIND_ALIASES || kind == KIND_PASSPHRASE || kind == KIND_VERIFY || kind == KIND_NETWORKS ||
           kind == KIND_CERT_HEADER;
}

static const char *read_value(void *base, const row_t *row, int argc, char *const argv[], apr_pool_t *pool)
{
    if (argc < 1)
        return apr_psprintf(pool, "%s needs an argument", row->name);
    if (argc > 1 && !takes_several(row->kind))
        return apr_psprintf(pool, "%s takes one argument", row->name);
    switch (row->kind) {
    case KIND_TEXT:
        *text_at(base, row) = apr_pstrdup(pool, argv[0]);
        return NULL;
    case KIND_PASSPHRASE:
        return read_passphrase(text_at(base, row), argc, argv, pool);
    case KIND_PATH:
        return read_path(text_at(base, row), row, argv[0], pool);
    case KIND_CONNINFO:
        return read_conninfo(text_at(base, row), argv[0], pool);
    case KIND_NUMBER:
        return read_number(int_at(base, row), row, argv[0], pool);
    case KIND_FLAG:
        return read_flag(int_at(base, row), row, argv[0], pool);
    case KIND_ALIASES:
        return read_aliases((apr_array_header_t **)((char *)base + row->offset), argc, argv, pool);
    case KIND_VERIFY:
        return read_verify(int_at(base, row), argc, argv);
    case KIND_NETWORKS:
        return est_proxy_read_networks((apr_array_header_t **)((char *)base + row->offset), argc, argv, pool);
    case KIND_CERT_HEADER:
        return est_proxy_read_header((const est_cert_header_t **)((char *)base + row->offset), argc, argv, pool);
    }
    return "internal error";
}

static void init_ints(void *base, scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++)
        if (rows[i].scope == scope && is_int(&rows[i]))
            *int_at(base, &rows[i]) = UNSET;
}

static void set_defaults(void *base, scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++)
        if (rows[i].scope == scope && is_int(&rows[i]) && *int_at(base, &rows[i]) == UNSET)
            *int_at(base, &rows[i]) = rows[i].initial;
}

static void inherit(void *child, const void *parent, scope_t scope)
{
    for (apr_size_t i = 0; i < N_ROWS; i++) {
        const row_t *row = &rows[i];
        const char *from = (const char *)parent + row->offset;

        if (row->scope != scope)
            continue;
        if (is_int(row)) {
            if (*int_at(child, row) == UNSET)
                *int_at(child, row) = *(const int *)from;
        } else if (!*text_at(child, row)) {
            *text_at(child, row) = *(const char *const *)from;
        }
    }
}

/* ---- where blocks stand */

static const char *where_is(const ap_directive_t *d, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s:%d", d->filename, d->line_num);
}

/* NULL when the directive stands in a plain <Location "/path"> of a server; else what it stands in */
static const char *foreign_block(const cmd_parms *cmd)
{
    const ap_directive_t *block = cmd->directive->parent;
    const char *foreign = NULL;

    if (!block || apr_cstr_casecmp(block->directive, "<Location") != 0)
        foreign = block ? block->directive : "the server's own configuration";
    else if (block->args && block->args[strspn(block->args, " \t")] == '~')
        foreign = "<Location ~";
    for (block = block ? block->parent : NULL; block && !foreign; block = block->parent)
        if (apr_cstr_casecmp(block->directive, "<VirtualHost") != 0)
            foreign = block->directive;
    return foreign;
}

/* Looks at the neighbours of EstEngine: configuration blocks are read as a whole before they are walked */
static void look_around(est_location_t *location, const ap_directive_t *first, apr_pool_t *pool)
{
    for (const ap_directive_t *d = first; d; d = d->next) {
        const char *args = d->args ? d->args : "", *word = ap_getword_conf(pool, &args);

        if (!apr_cstr_casecmp(d->directive, "Require") && !apr_cstr_casecmp(word, "est"))
            location->has_require_est = 1;
        if (!apr_cstr_casecmp(d->directive, "AuthType") && apr_cstr_casecmp(word, "none") != 0)
            location->has_auth_type = 1;
        if (!apr_cstr_casecmp(d->directive, "AuthType") && !apr_cstr_casecmp(word, "basic"))
            location->is_basic = 1;
        if (!apr_cstr_casecmp(d->directive, "AuthName"))
            location->has_auth_name = 1;
        if (!apr_cstr_casecmp(d->directive, "AuthBasicProvider"))
            location->has_provider = 1;
        if (!apr_cstr_casecmp(d->directive, "SSLVerifyClient") || !apr_cstr_casecmp(d->directive, "SSLVerifyDepth") ||
            !apr_cstr_casecmp(d->directive, "SSLCipherSuite"))
            location->ssl_directive = d->directive;
        if (!apr_cstr_casecmpn(d->directive, "<Require", 8))
            look_around(location, d->first_child, pool);
    }
}

/* ---- the commands */

static const char *enter_location(cmd_parms *cmd, est_location_t *location)
{
    const char *foreign = foreign_block(cmd);

    if (!foreign && (location->mount[0] != '/' || strpbrk(location->mount, "*?[")))
        return apr_psprintf(cmd->pool, "%s: <Location \"%s\"> must be one path, starting with / and without wildcards",
                            cmd->cmd->name, location->mount);
    if (foreign)
        return apr_psprintf(cmd->pool, "%s belongs into a plain <Location \"/path\"> block, not into %s%s",
                            cmd->cmd->name, foreign, *foreign == '<' ? ">" : "");
    location->where = where_is(cmd->directive, cmd->pool);
    look_around(location, cmd->directive->parent->first_child, cmd->temp_pool);
    return NULL;
}

static const char *command(cmd_parms *cmd, void *location, int argc, char *const argv[])
{
    const row_t *row = cmd->info;
    est_server_t *server = ap_get_module_config(cmd->server->module_config, &est_module);
    void *base = NULL;
    const char *error = NULL;

    switch (row->scope) {
    case SCOPE_GLOBAL:
        error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
        base = server->global;
        break;
    case SCOPE_CA:
        error = open_block ? NULL : apr_psprintf(cmd->pool, "%s belongs into an <EstCA> block", row->name);
        base = open_block;
        break;
    case SCOPE_SERVER:
        error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
        base = server;
        break;
    case SCOPE_LOCATION:
        error = enter_location(cmd, location);
        base = location;
        break;
    }
    if (!error)
        error = read_value(base, row, argc, argv, cmd->pool);
    if (!error && row->scope == SCOPE_LOCATION && row->offset == offsetof(est_location_t, engine) &&
        ((est_location_t *)location)->engine) {
        APR_ARRAY_PUSH(server->global->locations, est_location_t *) = location;
        APR_ARRAY_PUSH(server->mounts, const char *) = ((est_location_t *)location)->mount;
    }
    return error;
}

static const char *open_ca(cmd_parms *cmd, void *location, const char *arg)
{
    est_server_t *server = ap_get_module_config(cmd->server->module_config, &est_module);
    const char *end = strrchr(arg, '>'), *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    ca_config_t config = {.where = where_is(cmd->directive, cmd->pool)};

    (void)location;
    if (error)
        return error;
    if (!end)
        return "<EstCA is missing its closing >";
    arg = apr_pstrmemdup(cmd->pool, arg, (apr_size_t)(end - arg));
    config.name = ap_getword_conf(cmd->pool, &arg);
    if (strspn(config.name, CA_NAME_CHARACTERS) != strlen(config.name) || !*config.name ||
        strlen(config.name) > CA_NAME_MAX || *arg)
        return "<EstCA NAME>: one name of 1 to 64 of A-Z a-z 0-9 _ -";
    for (int i = 0; i < server->global->ca_configs->nelts; i++) {
        const ca_config_t *other = &APR_ARRAY_IDX(server->global->ca_configs, i, ca_config_t);

        if (!strcmp(other->name, config.name))
            return apr_psprintf(cmd->pool, "<EstCA %s> is there twice, first at %s", config.name, other->where);
    }
    open_block = &config;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    open_block = NULL;
    if (!error)
        APR_ARRAY_PUSH(server->global->ca_configs, ca_config_t) = config;
    return error;
}

enum {
#define EST_DIRECTIVE(name, ...) ROW_##name,
#include "est_directives.def"
#undef EST_DIRECTIVE
};

#define ALLOWED_GLOBAL RSRC_CONF
#define ALLOWED_CA RSRC_CONF
#define ALLOWED_SERVER RSRC_CONF
#define ALLOWED_LOCATION ACCESS_CONF

const command_rec est_config_commands[] = {
#define EST_DIRECTIVE(name, scope, kind, member, initial, min, max, doc)                                               \
    AP_INIT_TAKE_ARGV(#name, command, (void *)&rows[ROW_##name], ALLOWED_##scope, doc),
#include "est_directives.def"
#undef EST_DIRECTIVE
    AP_INIT_RAW_ARGS("<EstCA", open_ca, NULL, RSRC_CONF, "a CA by name: <EstCA NAME> ... </EstCA>"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}};

/* ---- making and merging */

void *est_config_make_location(apr_pool_t *pool, char *path)
{
    est_location_t *location = apr_pcalloc(pool, sizeof(*location));

    init_ints(location, SCOPE_LOCATION);
    /* Without a path it is what every request starts from */
    if (!path)
        set_defaults(location, SCOPE_LOCATION);
    location->mount = path;
    return location;
}

/* A <Location> inside an EST one inherits that it is one, and the mount point with it */
void *est_config_merge_location(apr_pool_t *pool, void *parent, void *child)
{
    const est_location_t *from = parent;
    est_location_t *merged = apr_pmemdup(pool, child, sizeof(*merged));

    if (merged->engine == UNSET)
        merged->mount = from->mount;
    inherit(merged, from, SCOPE_LOCATION);
    return merged;
}

void *est_config_make_server(apr_pool_t *pool, server_rec *s)
{
    est_server_t *server = apr_pcalloc(pool, sizeof(*server));

    init_ints(server, SCOPE_SERVER);
    server->mounts = apr_array_make(pool, 2, sizeof(const char *));
    if (!s->is_virtual) {
        main_global = apr_pcalloc(pool, sizeof(*main_global));
        main_global->ca_configs = apr_array_make(pool, 2, sizeof(ca_config_t));
        main_global->locations = apr_array_make(pool, 2, sizeof(est_location_t *));
        main_global->reserved_keys = apr_array_make(pool, 8, PKI_SHA256_SIZE);
        init_ints(main_global, SCOPE_GLOBAL);
    }
    server->global = main_global;
    return server;
}

void *est_config_merge_server(apr_pool_t *pool, void *parent, void *child)
{
    est_server_t *merged = apr_pmemdup(pool, child, sizeof(*merged));

    inherit(merged, parent, SCOPE_SERVER);
    merged->global = ((est_server_t *)parent)->global;
    merged->mounts = apr_array_append(pool, ((est_server_t *)parent)->mounts, merged->mounts);
    return merged;
}

est_server_t *est_config_server(server_rec *s)
{
    return ap_get_module_config(s->module_config, &est_module);
}

est_global_t *est_config_global(server_rec *s)
{
    return est_config_server(s)->global;
}

est_location_t *est_config_location(request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &est_module);
}

static int is_below(const char *path, const char *mount)
{
    apr_size_t n = strlen(mount);

    while (n && mount[n - 1] == '/')
        n--;
    return !strncmp(path, mount, n) && (!path[n] || path[n] == '/');
}

int est_config_is_est(request_rec *r)
{
    const est_server_t *server = est_config_server(r->server);
    const char *path = r->uri;
    char *normal;

    if (est_config_location(r)->engine || server->verify_client == EST_VERIFY_ON)
        return 1;
    if (!server->mounts->nelts || r->per_dir_config != r->server->lookup_defaults)
        return 0;
    /* Out of plain HTTP on a port of TLS mod_ssl makes a request for a path that nobody sent */
    if (!path || *path != '/' || est_tls_is_missing(r))
        return 1;
    normal = apr_pstrdup(r->pool, path);
    if (ap_normalize_path(normal, AP_NORMALIZE_MERGE_SLASHES | AP_NORMALIZE_DECODE_UNRESERVED))
        path = normal;
    for (int i = 0; i < server->mounts->nelts; i++)
        if (is_below(path, APR_ARRAY_IDX(server->mounts, i, const char *)))
            return 1;
    return 0;
}

/* ---- the check before start */

static int complain(server_rec *s, const est_location_t *location, const char *what, apr_pool_t *pool)
{
    est_log_error(s, EST_LOG_ERROR, EST_FAIL(pool, config, "%s: %s", location->where, what), NULL);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check_location(const est_location_t *location, const est_global_t *global, server_rec *s, apr_pool_t *pool)
{
    int status = OK;

    if (!location->has_require_est)
        status = complain(s, location, "EstEngine on, but no \"Require est\" in the same <Location> block", pool);
    else if (!location->has_auth_type || !location->has_auth_name || (location->is_basic && !location->has_provider))
        status =
            complain(s, location,
                     "\"Require est\" may ask for a password: AuthType (Basic), AuthName and AuthBasicProvider are "
                     "missing in the same <Location> block",
                     pool);
    if (!global->ca_configs->nelts)
        status = complain(s, location, "EstEngine on, but there is no <EstCA>", pool);
    if (!global->database)
        status = complain(s, location, "EstEngine on, but EstDatabase is not set", pool);
    if (location->ssl_directive)
        est_log_error(
            s, EST_LOG_WARNING,
            EST_FAIL(pool, config,
                     "%s: %s in an EST location renegotiates TLS, which most devices cannot: set it in the virtual "
                     "host, with EstVerifyClient on",
                     location->where, location->ssl_directive),
            NULL);
    return status;
}

void est_config_reserve_key(est_global_t *global, est_slice_t cert)
{
    unsigned char hash[PKI_SHA256_SIZE];
    est_slice_t spki = pki_cert_spki(cert);

    if (!spki.n)
        return;
    pki_sha256(hash, spki);
    for (int i = 0; i < global->reserved_keys->nelts; i++)
        if (!memcmp(global->reserved_keys->elts + i * PKI_SHA256_SIZE, hash, sizeof(hash)))
            return;
    memcpy(apr_array_push(global->reserved_keys), hash, sizeof(hash));
}

static int open_cas(est_global_t *global, apr_pool_t *pconf, server_rec *s)
{
    int status = OK;

    global->n_cas = 0;
    global->cas = apr_pcalloc(pconf, ((apr_size_t)global->ca_configs->nelts + 1) * sizeof(*global->cas));
    for (int i = 0; i < global->ca_configs->nelts; i++) {
        const ca_facts_t *facts;
        ca_t *ca;
        est_err_t *err = ca_open(&ca, &APR_ARRAY_IDX(global->ca_configs, i, ca_config_t), pconf);

        if (err) {
            est_log_error(s, EST_LOG_ERROR, err, NULL);
            status = HTTP_INTERNAL_SERVER_ERROR;
            continue;
        }
        if (ca->warning)
            est_log_error(s, EST_LOG_WARNING, EST_FAIL(pconf, config, "%s", ca->warning), NULL);
        global->cas[global->n_cas++] = ca;
        for (int k = 0; k < ca->n_keys; k++)
            est_config_reserve_key(global, ca->keys[k]);
        if (ca->driver->facts(ca, &facts, pconf))
            continue; /* an upstream's, which are not known yet */
        for (int k = 0; k < facts->n_certs; k++)
            est_config_reserve_key(global, facts->certs[k]);
    }
    return status;
}

int est_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    est_global_t *global = est_config_global(s);
    int status;

    (void)plog;
    set_defaults(global, SCOPE_GLOBAL);
    status = open_cas(global, pconf, s);
    for (server_rec *each = s; each; each = each->next) {
        est_err_t *err = est_proxy_check(each, ptemp);

        set_defaults(est_config_server(each), SCOPE_SERVER);
        if (err) {
            est_log_error(s, EST_LOG_ERROR, err, NULL);
            status = HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    for (int i = 0; i < global->locations->nelts; i++)
        if (check_location(APR_ARRAY_IDX(global->locations, i, est_location_t *), global, s, ptemp) != OK)
            status = HTTP_INTERNAL_SERVER_ERROR;
    return status;
}
