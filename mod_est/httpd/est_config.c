/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_config.h"
#include "est_cas.h"
#include "est_directive.h"
#include "est_log.h"
#include "est_proxy.h"
#include "est_tls.h"
#include "pki/pki_token_uri.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <stddef.h>

#define CA_NAME_MAX 64
#define CA_NAME_CHARACTERS                                                                                             \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" /* as est.alias.ca has it */

/* Configuration is read by one thread: the <EstCA> block being read, and the main server's settings, which httpd makes
 * before it reads any virtual host and does not hand to them */
static ca_config_t *open_block;
static est_global_t *main_global;

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
    const est_directive_t *row = cmd->info;
    est_server_t *server = ap_get_module_config(cmd->server->module_config, &est_module);
    void *base = NULL;
    const char *error = NULL;

    switch (row->scope) {
    case EST_SCOPE_GLOBAL:
        error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
        base = server->global;
        break;
    case EST_SCOPE_CA:
        error = open_block ? NULL : apr_psprintf(cmd->pool, "%s belongs into an <EstCA> block", row->name);
        base = open_block;
        break;
    case EST_SCOPE_SERVER:
        error = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
        base = server;
        break;
    case EST_SCOPE_LOCATION:
        error = enter_location(cmd, location);
        base = location;
        break;
    }
    if (!error)
        error = est_directive_read(base, row, argc, argv, cmd->pool);
    if (!error && row->scope == EST_SCOPE_LOCATION && row->offset == offsetof(est_location_t, engine) &&
        ((est_location_t *)location)->engine) {
        APR_ARRAY_PUSH(server->global->locations, est_location_t *) = location;
        APR_ARRAY_PUSH(server->mounts, const char *) = ((est_location_t *)location)->mount;
    }
    return error;
}

/* A number that was given where it has no effect. Texts each driver sees by itself; of numbers it gets the defaults. */
static const char *useless_number(const ca_config_t *config, apr_pool_t *pool)
{
    const char *driver = config->driver ? config->driver : "local";
    int is_local = !strcmp(driver, "local");
    int is_token = is_local && config->key && pki_token_is_uri(config->key);
    int is_pinned = !strcmp(driver, "est") && config->certificate;
    const struct {
        const char *name;
        int given, useless;
    } numbers[] = {{"EstCATimeout", config->timeout, is_local && !is_token},
                   {"EstCAConnectTimeout", config->connect_timeout, is_local},
                   {"EstCARefresh", config->refresh, strcmp(driver, "est") != 0 || is_pinned}};

    for (apr_size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i].given != EST_UNSET && numbers[i].useless)
            return apr_psprintf(pool, "<EstCA %s>: %s has no effect with EstCADriver %s%s", config->name,
                                numbers[i].name, driver,
                                is_local && !is_token ? " and a key in a file"
                                : is_pinned           ? " and EstCACertificate"
                                                      : "");
    return NULL;
}

static const char *open_ca(cmd_parms *cmd, void *location, const char *arg)
{
    est_server_t *server = ap_get_module_config(cmd->server->module_config, &est_module);
    const char *end = strrchr(arg, '>'), *error = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    ca_config_t config = {.where = where_is(cmd->directive, cmd->pool)};

    (void)location;
    est_directive_unset(&config, EST_SCOPE_CA);
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
        error = useless_number(&config, cmd->pool);
    est_directive_default(&config, EST_SCOPE_CA);
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
    AP_INIT_TAKE_ARGV(#name, command, (void *)&est_directives[ROW_##name], ALLOWED_##scope, doc),
#include "est_directives.def"
#undef EST_DIRECTIVE
    AP_INIT_RAW_ARGS("<EstCA", open_ca, NULL, RSRC_CONF, "a CA by name: <EstCA NAME> ... </EstCA>"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}};

/* ---- making and merging */

void *est_config_make_location(apr_pool_t *pool, char *path)
{
    est_location_t *location = apr_pcalloc(pool, sizeof(*location));

    est_directive_unset(location, EST_SCOPE_LOCATION);
    /* Without a path it is what every request starts from */
    if (!path)
        est_directive_default(location, EST_SCOPE_LOCATION);
    location->mount = path;
    return location;
}

/* A <Location> inside an EST one inherits that it is one, and the mount point with it */
void *est_config_merge_location(apr_pool_t *pool, void *parent, void *child)
{
    const est_location_t *from = parent;
    est_location_t *merged = apr_pmemdup(pool, child, sizeof(*merged));

    if (merged->engine == EST_UNSET)
        merged->mount = from->mount;
    est_directive_inherit(merged, from, EST_SCOPE_LOCATION);
    return merged;
}

void *est_config_make_server(apr_pool_t *pool, server_rec *s)
{
    est_server_t *server = apr_pcalloc(pool, sizeof(*server));

    est_directive_unset(server, EST_SCOPE_SERVER);
    server->mounts = apr_array_make(pool, 2, sizeof(const char *));
    if (!s->is_virtual) {
        main_global = apr_pcalloc(pool, sizeof(*main_global));
        main_global->ca_configs = apr_array_make(pool, 2, sizeof(ca_config_t));
        main_global->locations = apr_array_make(pool, 2, sizeof(est_location_t *));
        main_global->reserved_keys = apr_array_make(pool, 8, PKI_SHA256_SIZE);
        est_directive_unset(main_global, EST_SCOPE_GLOBAL);
    }
    server->global = main_global;
    return server;
}

void *est_config_merge_server(apr_pool_t *pool, void *parent, void *child)
{
    est_server_t *merged = apr_pmemdup(pool, child, sizeof(*merged));

    est_directive_inherit(merged, parent, EST_SCOPE_SERVER);
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

int est_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    est_global_t *global = est_config_global(s);
    int status;

    (void)plog;
    est_directive_default(global, EST_SCOPE_GLOBAL);
    status = est_cas_open(global, pconf, s);
    for (server_rec *each = s; each; each = each->next) {
        est_err_t *err = est_proxy_check(each, ptemp);

        est_directive_default(est_config_server(each), EST_SCOPE_SERVER);
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
