/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_print.h"

#include <apr_strings.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define GAP 2 /* blanks between columns */

/* --- values */

/* "2026-01-02 03:04:05.678+00" as RFC 3339 has it, which JSON's readers understand; offsets of PostgreSQL may lack the
 * minutes */
static const char *rfc3339(const char *time, apr_pool_t *pool)
{
    char *out = apr_pstrcat(pool, time, ":00", NULL), *blank = strchr(out, ' ');
    size_t n = strlen(time);

    if (!blank || strchr(blank + 1, ' '))
        return time; /* infinity, or before Christ */
    *blank = 'T';
    if (n < 3 || (time[n - 3] != '+' && time[n - 3] != '-'))
        out[n] = '\0';
    return out;
}

static json_t *json_of(const char *cell, store_pg_type_t type, apr_pool_t *pool)
{
    json_t *value = NULL;

    if (!cell)
        return json_null();
    if (type == STORE_PG_BOOLEAN)
        return json_boolean(*cell == 't');
    if (type == STORE_PG_NUMBER || type == STORE_PG_JSON)
        value = json_loads(cell, JSON_DECODE_ANY, NULL);
    if (!value)
        value = json_string(type == STORE_PG_TIME ? rfc3339(cell, pool) : cell);
    return value ? value : json_null();
}

json_t *cli_print_json(const store_pg_table_t *table, apr_pool_t *pool)
{
    json_t *array = json_array();

    for (int r = 0; r < table->n_rows; r++) {
        json_t *object = json_object();

        for (int c = 0; c < table->n_columns; c++)
            json_object_set_new(object, table->names[c],
                                json_of(table->cells[r * table->n_columns + c], table->types[c], pool));
        json_array_append_new(array, object);
    }
    return array;
}

est_err_t *cli_print_json_out(const cli_t *cli, json_t *json)
{
    int failed = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);

    json_decref(json);
    if (failed)
        return EST_FAIL(cli->pool, file, "standard output cannot be written");
    putchar('\n');
    return NULL;
}

/* An array of texts as a list with commas; any other JSON as it is */
static const char *list_of(const char *cell, apr_pool_t *pool)
{
    json_t *array = json_loads(cell, 0, NULL), *element;
    const char *list = "";
    size_t i;

    if (!json_is_array(array)) {
        json_decref(array);
        return cell;
    }
    json_array_foreach(array, i, element) list =
        apr_pstrcat(pool, list, i ? ", " : "", json_is_string(element) ? json_string_value(element) : "?", NULL);
    json_decref(array);
    return list;
}

/* For a terminal: no control characters, which could do anything to it, and times without fractions */
static const char *shown(const char *cell, store_pg_type_t type, apr_pool_t *pool)
{
    char *out, *w;

    if (!cell)
        return "";
    if (type == STORE_PG_BOOLEAN)
        return *cell == 't' ? "yes" : "no";
    if (type == STORE_PG_JSON)
        cell = list_of(cell, pool);
    out = w = apr_pstrdup(pool, cell);
    for (const unsigned char *p = (const unsigned char *)cell; *p; p++) {
        if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p++, *w++ = '?';
        else if (type == STORE_PG_TIME && *p == '.')
            p += strspn((const char *)p + 1, "0123456789");
        else
            *w++ = (char)(*p < ' ' || *p == 0x7f ? '?' : *p);
    }
    *w = '\0';
    return out;
}

const char *cli_print_shown(const char *text, apr_pool_t *pool)
{
    return shown(text, STORE_PG_TEXT, pool);
}

/* --- tables */

/* Columns on the terminal */
static int width_of(const char *text)
{
    mbstate_t state = {0};
    size_t left = strlen(text), n;
    wchar_t c;
    int width = 0;

    for (; left; left -= n, text += n) {
        n = mbrtowc(&c, text, left, &state);
        if (n == 0 || n > left) { /* not in this locale: one column for each octet is what it will show at most */
            memset(&state, 0, sizeof(state));
            n = 1;
            width++;
        } else {
            width += wcwidth(c) > 0 ? wcwidth(c) : 0;
        }
    }
    return width;
}

typedef struct {
    const store_pg_table_t *table;
    const char **texts; /* as shown */
    int *widths;
    int total;
} layout_t;

static layout_t layout_of(const store_pg_table_t *table, int headings, apr_pool_t *pool)
{
    apr_size_t columns = (apr_size_t)table->n_columns, cells = columns * (apr_size_t)table->n_rows;
    layout_t l = {.table = table,
                  .texts = apr_pcalloc(pool, (cells + 1) * sizeof(char *)),
                  .widths = apr_pcalloc(pool, (columns + 1) * sizeof(int))};

    for (int c = 0; c < table->n_columns; c++) {
        l.widths[c] = headings ? width_of(table->names[c]) : 0;
        for (int r = 0; r < table->n_rows; r++) {
            int i = r * table->n_columns + c, width;

            l.texts[i] = shown(table->cells[i], table->types[c], pool);
            width = width_of(l.texts[i]);
            if (width > l.widths[c])
                l.widths[c] = width;
        }
        l.total += l.widths[c] + (c ? GAP : 0);
    }
    return l;
}

static void append(apr_array_header_t *parts, const char *text)
{
    APR_ARRAY_PUSH(parts, const char *) = text;
}

/* Text and the blanks up to the next column, which is not there behind the last */
static void append_cell(apr_array_header_t *parts, const layout_t *l, int column, const char *text, int to_the_right)
{
    int pad = l->widths[column] - width_of(text), last = column == l->table->n_columns - 1;
    const char *blanks = apr_psprintf(parts->pool, "%*s", pad, "");

    append(parts, to_the_right ? apr_pstrcat(parts->pool, blanks, text, NULL) : text);
    if (!last)
        append(parts, apr_psprintf(parts->pool, "%*s", GAP + (to_the_right ? 0 : pad), ""));
}

static void append_rows(apr_array_header_t *parts, const layout_t *l, int headings)
{
    const store_pg_table_t *t = l->table;

    for (int c = 0; headings && c < t->n_columns; c++)
        append_cell(parts, l, c, t->names[c], t->types[c] == STORE_PG_NUMBER);
    if (headings)
        append(parts, "\n");
    for (int r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++)
            append_cell(parts, l, c, l->texts[r * t->n_columns + c], t->types[c] == STORE_PG_NUMBER);
        append(parts, "\n");
    }
}

/* A line for each value that there is, an empty one between rows */
static void append_records(apr_array_header_t *parts, const layout_t *l)
{
    const store_pg_table_t *t = l->table;
    int widest = 0;

    for (int c = 0; c < t->n_columns; c++)
        widest = width_of(t->names[c]) > widest ? width_of(t->names[c]) : widest;
    for (int r = 0; r < t->n_rows; r++) {
        if (r)
            append(parts, "\n");
        for (int c = 0; c < t->n_columns; c++)
            if (*l->texts[r * t->n_columns + c])
                append(parts,
                       apr_psprintf(parts->pool, "%-*s  %s\n", widest, t->names[c], l->texts[r * t->n_columns + c]));
    }
}

/* Lines that end in blanks look the same and copy worse */
static char *trim(char *text)
{
    char *w = text;

    for (char *p = text; *p; p++) {
        if (*p == '\n')
            while (w > text && w[-1] == ' ')
                w--;
        *w++ = *p;
    }
    *w = '\0';
    return text;
}

const char *cli_print_text(const store_pg_table_t *table, int width, int headings, apr_pool_t *pool)
{
    layout_t l = layout_of(table, headings, pool);
    apr_array_header_t *parts = apr_array_make(pool, 64, sizeof(const char *));

    if (width && l.total > width)
        append_records(parts, &l);
    else
        append_rows(parts, &l, headings);
    return trim(apr_array_pstrcat(pool, parts, 0));
}

/* 0: no terminal, nobody has to see a line at a glance */
static int terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");

    if (!isatty(STDOUT_FILENO))
        return 0;
    if (columns && atoi(columns) > 0)
        return atoi(columns);
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

est_err_t *cli_print_table(const cli_t *cli, const store_pg_table_t *table)
{
    if (cli->json)
        return cli_print_json_out(cli, cli_print_json(table, cli->pool));
    if (table->n_rows)
        fputs(cli_print_text(table, terminal_width(), !cli->quiet, cli->pool), stdout);
    return NULL;
}

est_err_t *cli_print_some(const cli_t *cli, const store_pg_table_t *table, const char *const *columns)
{
    store_pg_table_t *some = cli_print_table_make(columns, cli->pool);
    const char **cells = apr_pcalloc(cli->pool, (apr_size_t)some->n_columns * sizeof(char *));
    int *from = apr_pcalloc(cli->pool, (apr_size_t)some->n_columns * sizeof(int));

    if (cli->json)
        return cli_print_table(cli, table);
    for (int c = 0; c < some->n_columns; c++) {
        while (from[c] < table->n_columns && strcmp(table->names[from[c]], columns[c]) != 0)
            from[c]++;
        if (from[c] == table->n_columns)
            return EST_FAIL(cli->pool, internal, "no column \"%s\"", columns[c]);
        some->types[c] = table->types[from[c]];
    }
    for (int r = 0; r < table->n_rows; r++) {
        for (int c = 0; c < some->n_columns; c++)
            cells[c] = table->cells[r * table->n_columns + from[c]];
        cli_print_table_add(some, cells, cli->pool);
    }
    return cli_print_table(cli, some);
}

store_pg_table_t *cli_print_table_make(const char *const *names, apr_pool_t *pool)
{
    store_pg_table_t *table = apr_pcalloc(pool, sizeof(*table));

    while (names[table->n_columns])
        table->n_columns++;
    table->names = apr_pmemdup(pool, names, (apr_size_t)table->n_columns * sizeof(char *));
    table->types = apr_pcalloc(pool, (apr_size_t)table->n_columns * sizeof(*table->types));
    return table;
}

void cli_print_table_add(store_pg_table_t *table, const char *const *cells, apr_pool_t *pool)
{
    apr_size_t columns = (apr_size_t)table->n_columns, used = columns * (apr_size_t)table->n_rows;

    if ((table->n_rows & (table->n_rows - 1)) == 0) { /* a power of two: full */
        const char **more = apr_palloc(pool, (2 * used + columns) * sizeof(char *));

        if (used)
            memcpy(more, table->cells, used * sizeof(char *));
        table->cells = more;
    }
    memcpy(table->cells + used, cells, columns * sizeof(char *));
    table->n_rows++;
}

static json_t *object_of(va_list ap)
{
    json_t *object = json_object();
    const char *name;

    while ((name = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);

        json_object_set_new(object, name, value ? json_string(value) : json_null());
    }
    return object;
}

est_err_t *cli_print_one(const cli_t *cli, const char *remark, const char *essence, ...)
{
    if (cli->json) {
        va_list ap;
        json_t *object;

        va_start(ap, essence);
        object = object_of(ap);
        va_end(ap);
        return cli_print_json_out(cli, object);
    }
    if (remark && !cli->quiet)
        printf("%s\n", cli_print_shown(remark, cli->pool));
    if (essence)
        printf("%s\n", cli_print_shown(essence, cli->pool));
    return NULL;
}
