/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const error_names[LOAD_N_RESULTS] = {NULL, "connect", "tls", "write", "read", "timeout", "protocol"};

static void make_room(load_report_t *report, size_t n)
{
    if (n <= report->room)
        return;
    report->room = n > 2 * report->room ? n : 2 * report->room;
    report->latency = load_need(realloc(report->latency, report->room * sizeof(*report->latency)));
}

void load_report_latency(load_report_t *report, double seconds)
{
    make_room(report, report->n + 1);
    report->latency[report->n++] = (float)seconds;
}

void load_report_add(load_report_t *sum, const load_report_t *part)
{
    make_room(sum, sum->n + part->n);
    if (part->n)
        memcpy(sum->latency + sum->n, part->latency, part->n * sizeof(*part->latency));
    sum->n += part->n;
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

/* Milliseconds */
static double quantile(const load_report_t *sum, double q)
{
    return sum->n ? 1e3 * (double)sum->latency[(size_t)(q * (double)(sum->n - 1))] : 0;
}

static double mean(const load_report_t *sum)
{
    double total = 0;

    for (size_t i = 0; i < sum->n; i++)
        total += (double)sum->latency[i];
    return sum->n ? 1e3 * total / (double)sum->n : 0;
}

static double per_request(const load_report_t *sum, double seconds)
{
    return sum->n ? 1e3 * seconds / (double)sum->n : 0;
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
    printf("requests=%zu answered=%ld errors=%ld seconds=%.3f rate=%.1f mean=%.3f p50=%.3f p90=%.3f p99=%.3f max=%.3f "
           "connections=%ld resumed=%ld client=%.4f",
           sum->n, sum->status[200], count_errors(sum), run->seconds, (double)sum->n / run->seconds, mean(sum),
           quantile(sum, .5), quantile(sum, .9), quantile(sum, .99), quantile(sum, 1), sum->connections, sum->resumed,
           per_request(sum, run->own_cpu));
    for (int i = 0; i < load_options.n_trees; i++)
        printf(" %s=%.4f", load_options.trees[i].name, per_request(sum, run->cpu[i]));
    putchar('\n');
}

static void print_text(const load_report_t *sum, const load_run_t *run)
{
    printf("%zu requests in %.2f s: %.1f/s (%d threads, %ld connections, %ld resumed, TLS 1.%d)\n", sum->n,
           run->seconds, (double)sum->n / run->seconds, load_options.threads, sum->connections, sum->resumed,
           sum->tls_version == TLS1_3_VERSION ? 3 : 2);
    printf("latency ms: mean %.2f  p50 %.2f  p90 %.2f  p99 %.2f  max %.2f\n", mean(sum), quantile(sum, .5),
           quantile(sum, .9), quantile(sum, .99), quantile(sum, 1));
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
        if (i != 200 && sum->status[i])
            trouble = fprintf(stderr, "estload: status %d: %ld times\n", i, sum->status[i]);
    for (int i = 1; i < LOAD_N_RESULTS; i++)
        if (sum->errors[i])
            trouble = fprintf(stderr, "estload: %s: failed %ld times\n", error_names[i], sum->errors[i]);
    if (run->exhausted)
        trouble = fprintf(stderr, "estload: all %ld requests are used up: a larger -g\n", load_options.requests);
    if (run->interrupted)
        trouble = fprintf(stderr, "estload: interrupted\n");
    if (!sum->n)
        trouble = fprintf(stderr, "estload: nothing was answered\n");
    return trouble != 0;
}

int load_report_print(load_report_t *sum, const load_run_t *run)
{
    qsort(sum->latency, sum->n, sizeof(*sum->latency), compare);
    if (load_options.machine)
        print_machine(sum, run);
    else
        print_text(sum, run);
    fflush(stdout);
    return !print_trouble(sum, run);
}
