/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const error_names[LOAD_N_RESULTS] = {NULL, "connect", "tls", "write", "read", "timeout", "protocol"};

static void make_room(load_series_t *series, size_t n)
{
    if (n <= series->room)
        return;
    series->room = n > 2 * series->room ? n : 2 * series->room;
    series->latency = load_need(realloc(series->latency, series->room * sizeof(*series->latency)));
}

int load_report_is_put_off(int status)
{
    return load_options.patience > 0 && (status == 202 || status == 503);
}

void load_report_latency(load_report_t *report, int status, double seconds)
{
    load_series_t *series = load_report_is_put_off(status) ? &report->put_off : &report->answers;

    make_room(series, series->n + 1);
    series->latency[series->n++] = (float)seconds;
}

static void add_series(load_series_t *sum, const load_series_t *part)
{
    make_room(sum, sum->n + part->n);
    if (part->n)
        memcpy(sum->latency + sum->n, part->latency, part->n * sizeof(*part->latency));
    sum->n += part->n;
}

void load_report_add(load_report_t *sum, const load_report_t *part)
{
    add_series(&sum->answers, &part->answers);
    add_series(&sum->put_off, &part->put_off);
    for (int i = 0; i < 600; i++)
        sum->status[i] += part->status[i];
    for (int i = 0; i < LOAD_N_RESULTS; i++)
        sum->errors[i] += part->errors[i];
    sum->connections += part->connections;
    sum->resumed += part->resumed;
    if (part->tls_version)
        sum->tls_version = part->tls_version;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* Milliseconds; the series is sorted */
static double quantile(const load_series_t *series, double q)
{
    return series->n ? 1e3 * (double)series->latency[(size_t)(q * (double)(series->n - 1))] : 0;
}

static double mean(const load_series_t *series)
{
    double total = 0;

    for (size_t i = 0; i < series->n; i++)
        total += (double)series->latency[i];
    return series->n ? 1e3 * total / (double)series->n : 0;
}

static double per_request(const load_report_t *sum, double seconds)
{
    return sum->answers.n ? 1e3 * seconds / (double)sum->answers.n : 0;
}

static long count_errors(const load_report_t *sum)
{
    long n = 0;

    for (int i = 0; i < LOAD_N_RESULTS; i++)
        n += sum->errors[i];
    return n;
}

static void print_machine(const load_report_t *sum, const load_run_t *run)
{
    const load_series_t *answers = &sum->answers, *put_off = &sum->put_off;

    printf("requests=%zu answered=%ld errors=%ld seconds=%.3f rate=%.1f mean=%.3f p50=%.3f p90=%.3f p99=%.3f max=%.3f "
           "connections=%ld resumed=%ld client=%.4f",
           answers->n, sum->status[200], count_errors(sum), run->seconds, (double)answers->n / run->seconds,
           mean(answers), quantile(answers, .5), quantile(answers, .9), quantile(answers, .99), quantile(answers, 1),
           sum->connections, sum->resumed, per_request(sum, run->own_cpu));
    for (int i = 0; i < load_options.n_trees; i++)
        printf(" %s=%.4f", load_options.trees[i].name, per_request(sum, run->cpu[i]));
    if (load_options.patience > 0)
        printf(" status202=%ld status503=%ld put_off_p50=%.3f put_off_p99=%.3f put_off_max=%.3f", sum->status[202],
               sum->status[503], quantile(put_off, .5), quantile(put_off, .99), quantile(put_off, 1));
    putchar('\n');
}

static void print_latency(const char *what, const load_series_t *series)
{
    printf("%s ms: mean %.2f  p50 %.2f  p90 %.2f  p99 %.2f  max %.2f\n", what, mean(series), quantile(series, .5),
           quantile(series, .9), quantile(series, .99), quantile(series, 1));
}

static void print_text(const load_report_t *sum, const load_run_t *run)
{
    printf("%zu requests in %.2f s: %.1f/s (%d threads, %ld connections, %ld resumed, TLS 1.%d)\n", sum->answers.n,
           run->seconds, (double)sum->answers.n / run->seconds, load_options.threads, sum->connections, sum->resumed,
           sum->tls_version == TLS1_3_VERSION ? 3 : 2);
    print_latency("latency", &sum->answers);
    if (load_options.patience > 0) {
        printf("put off: %ld with 202, %ld with 503\n", sum->status[202], sum->status[503]);
        print_latency("latency of these", &sum->put_off);
    }
    printf("CPU ms per request: client %.3f", per_request(sum, run->own_cpu));
    for (int i = 0; i < load_options.n_trees; i++)
        printf("  %s %.3f (%.2f s)", load_options.trees[i].name, per_request(sum, run->cpu[i]), run->cpu[i]);
    putchar('\n');
}

/* To standard error, so that a machine's line stays one line */
static int print_findings(const load_csr_findings_t *f)
{
    if (!f->not_a_message && !f->wrong_key && !f->wrong_subject && !f->wrong_signature && !f->repeated_serial)
        return 0;
    fprintf(
        stderr,
        "estload: of %ld answers %ld were no certs-only message, %ld had another key, %ld another subject, %ld no good "
        "signature, %ld a serial number that was there before\n",
        f->answers, f->not_a_message, f->wrong_key, f->wrong_subject, f->wrong_signature, f->repeated_serial);
    return 1;
}

static int print_trouble(const load_report_t *sum, const load_run_t *run)
{
    int trouble = print_findings(&run->findings);

    for (int i = 100; i < 600; i++)
        if (i != 200 && sum->status[i] && !load_report_is_put_off(i))
            trouble = fprintf(stderr, "estload: status %d: %ld times\n", i, sum->status[i]);
    for (int i = 1; i < LOAD_N_RESULTS; i++)
        if (sum->errors[i])
            trouble = fprintf(stderr, "estload: %s: failed %ld times\n", error_names[i], sum->errors[i]);
    if (run->exhausted)
        trouble = fprintf(stderr, "estload: all %ld requests are used up: a larger -g\n", load_options.requests);
    if (run->interrupted && load_options.patience <= 0)
        trouble = fprintf(stderr, "estload: interrupted\n");
    if (!sum->answers.n)
        trouble = fprintf(stderr, "estload: nothing was answered\n");
    return trouble != 0;
}

static void sort(load_series_t *series)
{
    if (series->n)
        qsort(series->latency, series->n, sizeof(*series->latency), compare);
}

int load_report_print(load_report_t *sum, const load_run_t *run)
{
    sort(&sum->answers);
    sort(&sum->put_off);
    if (load_options.machine)
        print_machine(sum, run);
    else
        print_text(sum, run);
    fflush(stdout);
    return !print_trouble(sum, run);
}
