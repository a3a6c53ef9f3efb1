/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl entity ... (but for import) and code: end entities that are registered before they enrol */

#include "cli_commands.h"
#include "cli_print.h"
#include "cli_text.h"

#include <apr_strings.h>

/* --- entity add */

static const cli_option_t add_options[] = {{"group", "NAME", "its group (default: default)"},
                                           {"subject", "NAME", "its subject, such as CN=dev1,O=Example"},
                                           {"san", "LIST", "its names, such as dns:a.example,ip:10.0.0.1"},
                                           {"alias", "NAME", "make an enrolment code for this alias"},
                                           {"uses", "N", "how often the code may be used (default: 1)"},
                                           {"expires", "TIME", "when the code ends (default: never)"},
                                           {"networks", "LIST", "networks the code may come from (default: any)"},
                                           {"valid-until", "TIME", "when the entity ends"},
                                           {"max-active", "N", "how many valid certificates it may have"},
                                           {"description", "TEXT", "for people"},
                                           {NULL, NULL, NULL}};

static est_err_t *add(cli_t *cli)
{
    const char *name = cli->operands[0], *alias = cli_option(cli, "alias"), *code;
    store_pg_table_t *table;

    if (!alias && (cli_option(cli, "uses") || cli_option(cli, "expires") || cli_option(cli, "networks")))
        return EST_FAIL(cli->pool, config, "--uses, --expires and --networks are a code's, which --alias makes");
    EST_TRY(CLI_SQL(&table, cli, "entity_add", name, cli_option(cli, "group"), cli_option(cli, "subject"),
                    cli_option(cli, "san"), alias, cli_option(cli, "uses"), cli_option(cli, "expires"),
                    cli_option(cli, "networks"), cli_option(cli, "valid-until"), cli_option(cli, "max-active"),
                    cli_option(cli, "description")));
    code = cli_cell(table, "code");
    return cli_print_one(cli,
                         apr_psprintf(cli->pool, "entity %s is registered%s", name,
                                      code ? "; its enrolment code, which is shown this once:" : ""),
                         code, "name", name, "alias", alias, "code", code, NULL);
}

const cli_command_t cli_entity_add = {.name = "entity add",
                                      .operands = "NAME",
                                      .min = 1,
                                      .max = 1,
                                      .summary =
                                          "Register an end entity, with --alias print the code that it enrols with",
                                      .text = "NAME is what the device will call itself: the value of the attribute "
                                              "that the alias's entity_from says, or the\n"
                                              "user name that it sends with the code.",
                                      .options = add_options,
                                      .run = add};

/* --- entity list */

static const cli_option_t list_options[] = {{"group", "NAME", "only those of this group"},
                                            {"status", "STATUS", "only those that are active, suspended, or ended"},
                                            {NULL, NULL, NULL}};

static est_err_t *list(cli_t *cli)
{
    const char *pattern = cli->n_operands ? cli->operands[0] : NULL;
    static const char *const columns[] = {"name",        "group",        "status", "subject",     "san",
                                          "valid_until", "certificates", "codes",  "description", NULL};
    static const char *const states[] = {"active", "suspended", "ended", NULL};
    store_pg_table_t *table;

    EST_TRY(cli_option_check(cli, "status", states));
    EST_TRY(CLI_SQL(&table, cli, "entity_list", cli_text_like(pattern, cli->pool), cli_option(cli, "group"),
                    cli_option(cli, "status")));
    EST_TRY(cli_print_some(cli, table, columns));
    if (pattern && !table->n_rows)
        return EST_FAIL(cli->pool, not_found, "no entity matches \"%s\"", pattern);
    return NULL;
}

const cli_command_t cli_entity_list = {
    .name = "entity list",
    .operands = "[PATTERN]",
    .max = 1,
    .summary = "List end entities, all of them or those whose name matches",
    .text =
        "In PATTERN * is any run of characters and ? is one; a text without them is looked for anywhere in the name.",
    .options = list_options,
    .run = list};

/* --- entity suspend, entity reinstate */

static const cli_option_t group_options[] = {{"group", "NAME", "its group (default: default)"}, {NULL, NULL, NULL}};

static est_err_t *change(cli_t *cli, const char *statement)
{
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, statement, cli->operands[0], cli_option(cli, "group")));
    return cli_print_one(cli, cli_cell(table, "result"), NULL, "result", cli_cell(table, "result"), NULL);
}

static est_err_t *suspend(cli_t *cli)
{
    return change(cli, "entity_suspend");
}

static est_err_t *reinstate(cli_t *cli)
{
    return change(cli, "entity_reinstate");
}

const cli_command_t cli_entity_suspend = {.name = "entity suspend",
                                          .operands = "NAME",
                                          .min = 1,
                                          .max = 1,
                                          .summary =
                                              "Let an end entity enrol and renew no more, until it is reinstated",
                                          .text = "Certificates that it has got stay valid: see estctl revoke.",
                                          .options = group_options,
                                          .run = suspend};

const cli_command_t cli_entity_reinstate = {.name = "entity reinstate",
                                            .operands = "NAME",
                                            .min = 1,
                                            .max = 1,
                                            .summary = "Let a suspended end entity enrol again",
                                            .options = group_options,
                                            .run = reinstate};

/* --- code */

static const cli_option_t code_options[] = {{"uses", "N", "how often it may be used (default: 1)"},
                                            {"expires", "TIME", "when it ends (default: never)"},
                                            {"networks", "LIST", "networks it may come from (default: any)"},
                                            {NULL, NULL, NULL}};

static est_err_t *code(cli_t *cli)
{
    const char *entity = cli->operands[0], *alias = cli->operands[1], *made;
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "code", entity, alias, cli_option(cli, "uses"), cli_option(cli, "expires"),
                    cli_option(cli, "networks")));
    made = cli_cell(table, "code");
    return cli_print_one(
        cli, apr_psprintf(cli->pool, "enrolment code of %s at alias %s, which is shown this once:", entity, alias),
        made, "name", entity, "alias", alias, "code", made, NULL);
}

const cli_command_t cli_code = {.name = "code",
                                .operands = "NAME ALIAS",
                                .min = 2,
                                .max = 2,
                                .summary = "Make an enrolment code of an end entity for an alias, and print it",
                                .text = "It replaces the one that the entity had for the alias.",
                                .options = code_options,
                                .run = code};
