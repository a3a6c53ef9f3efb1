/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl import-ejbca: aliases from EJBCA's export, and a report of what became of each of their keys */

#include "cli_commands.h"
#include "cli_ejbca.h"
#include "cli_print.h"
#include "cli_text.h"

#include <apr_strings.h>
#include <string.h>

#define MAX_EXPORT 16777216

static const cli_option_t options[] = {
    {"alias", "NAME", "only this alias; may be repeated"},
    {"ca-map", "ID=NAME", "EJBCA's CA id (defaultca) is <EstCA NAME>; may be repeated"},
    {"profile-map", "ID=NAME", "certprofile is certificate_profile NAME; may be repeated"},
    {"group-map", "ID=NAME", "eeprofile is entity_group NAME; may be repeated"},
    {"register-clients", NULL, "make clients of requsername and reqpassword"},
    {"dry-run", NULL, "do everything and keep nothing"},
    {NULL, NULL, NULL}};

static const char *const verdicts[] = {"carried over", "no counterpart", "needs a decision", "of no effect"};
#define N_VERDICTS 4

typedef struct {
    const apr_array_header_t *aliases; /* of cli_ejbca_alias_t * */
    const char **made;                 /* for each: "created" or "updated" */
} result_t;

/* --- options */

static est_err_t *map_make(apr_hash_t **out, const cli_t *cli, const char *option)
{
    const apr_array_header_t *values = cli_options(cli, option);

    *out = apr_hash_make(cli->pool);
    for (int i = 0; i < values->nelts; i++) {
        const char *value = APR_ARRAY_IDX(values, i, const char *), *equals = strchr(value, '=');

        if (!equals || equals == value || !equals[1])
            return EST_FAIL(cli->pool, config, "--%s %s: has to be ID=NAME", option, value);
        apr_hash_set(*out, apr_pstrndup(cli->pool, value, (apr_size_t)(equals - value)), APR_HASH_KEY_STRING,
                     equals + 1);
    }
    return NULL;
}

static const cli_ejbca_alias_t *alias_named(const apr_array_header_t *aliases, const char *name)
{
    for (int i = 0; i < aliases->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(aliases, i, const cli_ejbca_alias_t *)->name, name))
            return APR_ARRAY_IDX(aliases, i, const cli_ejbca_alias_t *);
    return NULL;
}

/* Those of --alias, in the order of the options; all of them without */
static est_err_t *pick(const apr_array_header_t **out, const cli_t *cli, const apr_array_header_t *aliases)
{
    const apr_array_header_t *names = cli_options(cli, "alias");
    apr_array_header_t *some = apr_array_make(cli->pool, 4, sizeof(cli_ejbca_alias_t *));

    *out = names->nelts ? some : aliases;
    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const cli_ejbca_alias_t *alias = alias_named(aliases, name);

        if (!alias)
            return EST_FAIL(cli->pool, not_found, "%s: there is no alias \"%s\" in it", cli->operands[0], name);
        if (!alias_named(some, name))
            APR_ARRAY_PUSH(some, const cli_ejbca_alias_t *) = alias;
    }
    return NULL;
}

/* --- the database */

static est_err_t *in_alias(const cli_t *cli, const cli_ejbca_alias_t *alias, const est_err_t *err)
{
    if (err->code != EST_E_store_failed)
        return EST_FAIL(cli->pool, store_unavailable, "%s", est_err_text(err));
    return EST_FAIL(cli->pool, store_failed, "alias %s: %s", alias->name, est_err_text(err));
}

static est_err_t *set_columns(cli_t *cli, const cli_ejbca_alias_t *a)
{
    store_pg_table_t *found;

    EST_TRY(CLI_SQL(&found, cli, "ejbca_references", a->profile, a->group));
    if (a->profile && !cli_cell(found, "profile_id"))
        return EST_FAIL(cli->pool, not_found, "alias %s: there is no certificate_profile \"%s\"", a->name, a->profile);
    if (a->group && !cli_cell(found, "group_id"))
        return EST_FAIL(cli->pool, not_found, "alias %s: there is no entity_group \"%s\"", a->name, a->group);
    return CLI_SQL(NULL, cli, "ejbca_set", a->name, a->mode, cli_cell(found, "profile_id"), cli_cell(found, "group_id"),
                   a->ca, a->auth_enroll, a->same_key, a->name_scheme, a->name_prefix, a->name_postfix, a->vendor,
                   a->code_source, a->entity_from, a->change_subject);
}

/* The RA's pair as a client. One that is there keeps its password and its names: they are not ours to widen */
static est_err_t *register_client(cli_t *cli, const cli_ejbca_alias_t *a)
{
    cli_ejbca_row_t *row = &APR_ARRAY_IDX(a->rows, a->client_row, cli_ejbca_row_t);
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "ejbca_client", a->user, a->name));
    if (table->n_rows) {
        row->remark = "is there already: keeps password and names, and is in the alias's group now";
        return NULL;
    }
    EST_TRY(CLI_SQL(&table, cli, "ejbca_group", a->name));
    return CLI_SQL(NULL, cli, "client_add", a->user, a->password, cli_cell(table, "name"), "*", NULL, NULL,
                   apr_psprintf(cli->pool, "imported with alias %s", a->name), NULL);
}

static est_err_t *import_alias(const char **made, cli_t *cli, const cli_ejbca_alias_t *alias)
{
    store_pg_table_t *table;
    est_err_t *err = CLI_SQL(&table, cli, "ejbca_alias", alias->name);

    if (!err) {
        *made = table->n_rows ? "created" : "updated";
        err = set_columns(cli, alias);
    }
    if (!err && alias->user)
        err = register_client(cli, alias);
    return err && err->code != EST_E_not_found ? in_alias(cli, alias, err) : err;
}

static est_err_t *transaction(cli_t *cli, const result_t *result)
{
    EST_TRY(cli_sql(NULL, cli, "begin", NULL, 0));
    for (int i = 0; i < result->aliases->nelts; i++)
        EST_TRY(import_alias(&result->made[i], cli, APR_ARRAY_IDX(result->aliases, i, const cli_ejbca_alias_t *)));
    return cli_sql(NULL, cli, cli_option(cli, "dry-run") ? "rollback" : "commit", NULL, 0);
}

/* --- the report */

static store_pg_table_t *report_make(int counts[N_VERDICTS], const cli_t *cli, const result_t *result)
{
    static const char *const names[] = {"alias", "key", "value", "verdict", "setting", "remark", NULL};
    store_pg_table_t *report = cli_print_table_make(names, cli->pool);

    for (int i = 0; i < result->aliases->nelts; i++) {
        const apr_array_header_t *rows = APR_ARRAY_IDX(result->aliases, i, const cli_ejbca_alias_t *)->rows;

        for (int r = 0; r < rows->nelts; r++) {
            const cli_ejbca_row_t *row = &APR_ARRAY_IDX(rows, r, cli_ejbca_row_t);

            counts[row->verdict]++;
            cli_print_table_add(report,
                                (const char *const[]){row->alias, row->key, row->value, verdicts[row->verdict],
                                                      row->setting, row->remark},
                                cli->pool);
        }
    }
    return report;
}

static est_err_t *print_json(const cli_t *cli, const result_t *result, const store_pg_table_t *report, int dry)
{
    json_t *aliases = json_array();

    for (int i = 0; i < result->aliases->nelts; i++)
        json_array_append_new(aliases, json_pack("{s:s, s:s}", "alias",
                                                 APR_ARRAY_IDX(result->aliases, i, const cli_ejbca_alias_t *)->name,
                                                 "result", result->made[i]));
    return cli_print_json_out(cli, json_pack("{s:o, s:b, s:o}", "aliases", aliases, "dry_run", dry, "keys",
                                             cli_print_json(report, cli->pool)));
}

static est_err_t *print_result(const cli_t *cli, const result_t *result)
{
    int counts[N_VERDICTS] = {0}, dry = cli_option(cli, "dry-run") != NULL;
    const store_pg_table_t *report = report_make(counts, cli, result);

    if (cli->json)
        return print_json(cli, result, report, dry);
    EST_TRY(cli_print_table(cli, report));
    if (cli->quiet)
        return NULL;
    printf("\n");
    for (int i = 0; i < result->aliases->nelts; i++)
        printf("alias %s: %s%s\n",
               cli_print_shown(APR_ARRAY_IDX(result->aliases, i, const cli_ejbca_alias_t *)->name, cli->pool),
               dry ? "would be " : "", result->made[i]);
    printf("keys: %d carried over, %d without counterpart, %d need a decision, %d of no effect\n", counts[0], counts[1],
           counts[2], counts[3]);
    return NULL;
}

/* --- the command */

static est_err_t *import(cli_t *cli)
{
    const char *path = cli->operands[0], *text;
    cli_ejbca_maps_t maps = {.register_clients = cli_option(cli, "register-clients") != NULL};
    result_t result;
    apr_array_header_t *all;
    est_err_t *err;

    EST_TRY(map_make(&maps.cas, cli, "ca-map"));
    EST_TRY(map_make(&maps.profiles, cli, "profile-map"));
    EST_TRY(map_make(&maps.groups, cli, "group-map"));
    EST_TRY(cli_text_read(&text, path, MAX_EXPORT, cli->pool));
    if ((err = cli_ejbca_read(&all, text, &maps, cli->pool)))
        return EST_FAIL(cli->pool, file, "%s: %s", path, est_err_text(err));
    EST_TRY(pick(&result.aliases, cli, all));
    result.made = apr_pcalloc(cli->pool, (apr_size_t)result.aliases->nelts * sizeof(char *));
    EST_TRY(transaction(cli, &result));
    return print_result(cli, &result);
}

const cli_command_t cli_import_ejbca = {.name = "import-ejbca",
                                        .operands = "FILE",
                                        .min = 1,
                                        .max = 1,
                                        .summary =
                                            "Make aliases of EJBCA's EST aliases, and say what became of each key",
                                        .text = "FILE (\"-\": standard input) is what \"bin/ejbca.sh config est "
                                                "dumpalias\" or an export of its properties gives:\n"
                                                "lines NAME.KEY = VALUE, with or without \"est.\" or \"config.est.\" "
                                                "in front. Aliases that are there are updated.\n"
                                                "All is one transaction. The report has a line for each key: carried "
                                                "over, no counterpart, needs a decision, or\n"
                                                "of no effect in the alias's mode.",
                                        .options = options,
                                        .run = import};
