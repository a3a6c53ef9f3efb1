/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * estctl entity import: many end entities from a file, all of them or none. PostgreSQL reads the CSV, into a temporary
 * table; only the heading is read here, since it says which columns there are.
 */

#include "cli_commands.h"
#include "cli_print.h"
#include "cli_text.h"

#include "base/est_bytes.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_HEADING 4096

/* As the statement entity_add has its parameters */
static const char *const columns[] = {"name",    "group",    "subject",     "san",        "alias",       "uses",
                                      "expires", "networks", "valid_until", "max_active", "description", NULL};
#define N_COLUMNS ((int)(sizeof(columns) / sizeof(*columns)) - 1)
#define ALIAS 4

static const cli_option_t options[] = {{"codes-out", "FILE", "write the codes to this new file, for its owner alone"},
                                       {"dry-run", NULL, "do everything and keep nothing"},
                                       {NULL, NULL, NULL}};

/* --- the file: its heading, and what COPY gets of it */

typedef struct {
    FILE *file;
    const char *path;
    char heading[MAX_HEADING];
    apr_size_t given; /* octets of the heading that COPY has got */
    const char *named[N_COLUMNS + 1];
    apr_pool_t *pool;
} input_t;

static est_err_t *input_open(input_t *in, const char *path)
{
    in->path = strcmp(path, "-") != 0 ? path : "standard input";
    if (!(in->file = strcmp(path, "-") != 0 ? fopen(path, "r") : stdin))
        return EST_FAIL(in->pool, file, "%s: %s", path, strerror(errno));
    if (!fgets(in->heading, sizeof(in->heading), in->file))
        return ferror(in->file) ? EST_FAIL(in->pool, file, "%s: %s", in->path, strerror(errno))
                                : EST_FAIL(in->pool, file, "%s: is empty, not even a heading is there", in->path);
    return NULL;
}

static void input_close(const input_t *in)
{
    if (in->file && in->file != stdin)
        fclose(in->file);
}

static const char *column_named(const char *word)
{
    for (int i = 0; i < N_COLUMNS; i++)
        if (!strcmp(columns[i], word))
            return columns[i];
    return NULL;
}

/* A word of the heading without blanks and quotes around it */
static char *bare(char *word)
{
    size_t n;

    word += strspn(word, " \t\r\n");
    for (n = strlen(word); n && strchr(" \t\r\n", word[n - 1]); n--)
        word[n - 1] = '\0';
    if (n >= 2 && word[0] == '"' && word[n - 1] == '"') {
        word[n - 1] = '\0';
        word++;
    }
    return word;
}

static est_err_t *add_column(input_t *in, const char *word)
{
    const char *column = column_named(word);
    int n = 0;

    if (!column)
        return EST_FAIL(in->pool, file, "%s: line 1: there is no column \"%s\"; columns are %s", in->path, word,
                        cli_text_join(columns, N_COLUMNS, in->pool));
    for (; in->named[n]; n++)
        if (in->named[n] == column)
            return EST_FAIL(in->pool, file, "%s: line 1: column \"%s\" stands there twice", in->path, column);
    in->named[n] = column;
    return NULL;
}

static est_err_t *read_heading(input_t *in)
{
    const char *start =
        strncmp(in->heading, "\xef\xbb\xbf", 3) ? in->heading : in->heading + 3; /* Excel's mark of UTF-8 */
    char *rest = apr_pstrdup(in->pool, start), *comma;

    if (!strchr(rest, '\n') && !feof(in->file))
        return EST_FAIL(in->pool, file, "%s: line 1 is no heading: it is too long", in->path);
    do {
        if ((comma = strchr(rest, ',')))
            *comma = '\0';
        EST_TRY(add_column(in, bare(rest)));
        rest = comma ? comma + 1 : rest;
    } while (comma);
    for (int i = 0; in->named[i]; i++)
        if (in->named[i] == columns[0])
            return NULL;
    return EST_FAIL(in->pool, file, "%s: line 1: column \"name\" is missing", in->path);
}

/* store_pg_read_t: the heading, which COPY skips, and what follows */
static est_err_t *read_more(void *ctx, char *buf, apr_size_t size, apr_size_t *n)
{
    input_t *in = ctx;

    *n = strlen(in->heading) - in->given;
    if (*n) {
        memcpy(buf, in->heading, *n);
        in->given += *n;
        return NULL;
    }
    *n = fread(buf, 1, size, in->file);
    return ferror(in->file) ? EST_FAIL(in->pool, file, "%s: %s", in->path, strerror(errno)) : NULL;
}

/* PostgreSQL's error with the place in the file */
static est_err_t *at_line(const input_t *in, const est_err_t *err, int line, const char *column)
{
    if (err->code != EST_E_store_failed)
        return EST_FAIL(in->pool, store_unavailable, "%s", est_err_text(err));
    return EST_FAIL(in->pool, store_failed, "%s: line %d%s%s: %s", in->path, line, column ? ", column " : "",
                    column ? column : "", est_err_text(err));
}

static est_err_t *copy(cli_t *cli, input_t *in)
{
    const char *targets[N_COLUMNS + 1];
    est_err_t *err;
    int line;

    for (int i = 0; i <= N_COLUMNS; i++) /* "group" is a word of SQL */
        targets[i] = in->named[i] && !strcmp(in->named[i], "group") ? "grp" : in->named[i];
    EST_TRY(cli_sql(NULL, cli, "import_table", NULL, 0));
    err = store_pg_admin_copy(cli->db, "estctl_entity", targets, read_more, in, cli->pool);
    line = store_pg_admin_place(cli->db).line;
    return err && err->code == EST_E_store_failed && line ? at_line(in, err, line, NULL) : err;
}

/* --- the rows */

/* The column that a parameter's number means, or that PostgreSQL's message begins with: "end_entity.san = ...",
 * "networks = ..." */
static const char *culprit(const cli_t *cli, const est_err_t *err)
{
    int parameter = store_pg_admin_place(cli->db).parameter;
    const char *text = est_err_text(err), *dot = strchr(text, '.'), *equals = strstr(text, " = ");

    if (parameter >= 1 && parameter <= N_COLUMNS)
        return columns[parameter - 1];
    if (!equals)
        return NULL;
    if (dot && dot < equals)
        text = dot + 1;
    text = apr_pstrndup(cli->pool, text, (apr_size_t)(equals - text));
    if (!strcmp(text, "grp"))
        return "group";
    return column_named(!strcmp(text, "uses_left") ? "uses" : !strcmp(text, "expires_at") ? "expires" : text);
}

/* codes gets a row of name, alias and code for each that was made */
static est_err_t *add_rows(cli_t *cli, const input_t *in, const store_pg_table_t *rows, store_pg_table_t *codes)
{
    for (int r = 0; r < rows->n_rows; r++) {
        const char *const *row = rows->cells + r * rows->n_columns;
        int line = atoi(row[N_COLUMNS]);
        store_pg_table_t *made;
        const char *code;
        est_err_t *err;

        if (!row[0])
            return EST_FAIL(cli->pool, store_failed, "%s: line %d, column name: is empty", in->path, line);
        if ((err = cli_sql(&made, cli, "entity_add", row, N_COLUMNS)))
            return at_line(in, err, line, culprit(cli, err));
        if ((code = cli_cell(made, "code")))
            cli_print_table_add(codes, (const char *const[]){row[0], row[ALIAS], code}, cli->pool);
    }
    return NULL;
}

/* --- the codes */

static void write_codes(FILE *out, const store_pg_table_t *codes, apr_pool_t *pool)
{
    fprintf(out, "name,alias,code\n");
    for (int r = 0; r < codes->n_rows; r++) {
        const char *const *row = codes->cells + r * codes->n_columns;

        fprintf(out, "%s,%s,%s\n", cli_text_csv(row[0], pool), cli_text_csv(row[1], pool), cli_text_csv(row[2], pool));
    }
}

/* A new file that nobody else can read. O_EXCL: it neither overwrites nor follows a link somebody has laid */
static est_err_t *codes_open(FILE **out, const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return EST_FAIL(pool, file, "%s: %s", path, strerror(errno));
    if (!(*out = fdopen(fd, "w"))) {
        close(fd);
        return EST_FAIL(pool, file, "%s: %s", path, strerror(errno));
    }
    return NULL;
}

/* On the disk before the database commits: a code that is lost would have to be made again */
static est_err_t *codes_save(FILE *file, const char *path, const store_pg_table_t *codes, apr_pool_t *pool)
{
    write_codes(file, codes, pool);
    if (ferror(file) || fflush(file) != 0 || fsync(fileno(file)) != 0)
        return EST_FAIL(pool, file, "%s: %s", path, strerror(errno));
    return NULL;
}

static est_err_t *print_result(const cli_t *cli, int n, const store_pg_table_t *codes, int dry)
{
    const char *path = cli_option(cli, "codes-out");

    if (cli->json)
        return cli_print_json_out(cli, json_pack("{s:i, s:b, s:o}", "entities", n, "dry_run", dry, "codes",
                                                 path || dry ? json_array() : cli_print_json(codes, cli->pool)));
    if (!path && !dry && codes->n_rows)
        write_codes(stdout, codes, cli->pool);
    if (!cli->quiet) /* beside the codes, which may go to a file */
        fprintf(stderr, "%d %s%s, %d with a code%s%s\n", n, n == 1 ? "entity" : "entities",
                dry ? " could be registered" : " registered", codes->n_rows, path && !dry ? " in " : "",
                path && !dry ? path : "");
    return NULL;
}

/* --- the command */

static est_err_t *transaction(cli_t *cli, input_t *in, FILE *codes_file, int *n, store_pg_table_t *codes)
{
    int dry = cli_option(cli, "dry-run") != NULL;
    store_pg_table_t *rows;

    EST_TRY(cli_sql(NULL, cli, "begin", NULL, 0));
    EST_TRY(copy(cli, in));
    EST_TRY(cli_sql(&rows, cli, "import_rows", NULL, 0));
    EST_TRY(add_rows(cli, in, rows, codes));
    *n = rows->n_rows;
    if (codes_file)
        EST_TRY(codes_save(codes_file, cli_option(cli, "codes-out"), codes, cli->pool));
    return cli_sql(NULL, cli, dry ? "rollback" : "commit", NULL, 0);
}

static est_err_t *import(cli_t *cli)
{
    static const char *const names[] = {"name", "alias", "code", NULL};
    const char *path = cli_option(cli, "codes-out");
    int dry = cli_option(cli, "dry-run") != NULL, n = 0;
    store_pg_table_t *codes = cli_print_table_make(names, cli->pool);
    input_t in = {.pool = cli->pool};
    FILE *codes_file = NULL;
    est_err_t *err = input_open(&in, cli->operands[0]);

    if (!err)
        err = read_heading(&in);
    if (!err && path && !dry)
        err = codes_open(&codes_file, path, cli->pool);
    if (!err)
        err = transaction(cli, &in, codes_file, &n, codes);
    input_close(&in);
    if (codes_file)
        fclose(codes_file);
    /* Of no use but after a commit that nobody has heard of: it may have come true */
    if (codes_file && err && (err->code != EST_E_store_unavailable || n == 0))
        unlink(path);
    return err ? err : print_result(cli, n, codes, dry);
}

const cli_command_t cli_entity_import = {
    .name = "entity import",
    .operands = "FILE",
    .min = 1,
    .max = 1,
    .summary = "Register the end entities of a CSV file, all of them or none",
    .text = "The first line of FILE (\"-\": standard input) names the columns, in any order: name, and of these what "
            "is needed:\n"
            "group, subject, san, alias, uses, expires, networks, valid_until, max_active, description. Where alias is "
            "given a\n"
            "code is made; codes are printed as CSV (name,alias,code) unless --codes-out says where to put them.",
    .options = options,
    .run = import};
