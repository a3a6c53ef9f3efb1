/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* estload: a bounded HTTPS load generator for EST servers. README.md has the options. Each thread has one connection at
 * a time and one request under way; a run ends by itself. */

#include "load_cpu.h"
#include "load_opt.h"
#include "load_report.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 65536

typedef struct {
    pthread_t thread;
    int number;
    load_conn_t conn;
    load_report_t report;
} worker_t;

static char head[4096]; /* of every request, without the length */
static atomic_long next_request;
static atomic_int stop, measuring, exhausted;

void load_die(const char *fmt, ...)
{
    va_list ap;

    fputs("estload: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

void *load_need(void *p)
{
    if (!p)
        load_die("out of memory, or OpenSSL failed");
    return p;
}

double load_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- a request */

static void make_head(void)
{
    char authorization[600] = "";
    int n;

    if (load_options.user) {
        unsigned char text[500];

        if (strlen(load_options.user) > 300)
            load_die("user and password are too long");
        EVP_EncodeBlock(text, (const unsigned char *)load_options.user, (int)strlen(load_options.user));
        snprintf(authorization, sizeof(authorization), "Authorization: Basic %s\r\n", text);
    }
    n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: estload\r\n%s%s%s",
                 load_options.requests ? "POST" : "GET", load_options.path, load_options.host, load_options.port,
                 authorization, load_options.keep ? "" : "Connection: close\r\n",
                 load_options.requests ? "Content-Type: application/pkcs10\r\n" : "\r\n");
    if (n < 0 || (size_t)n >= sizeof(head))
        load_die("request is too long");
}

static size_t make_request(char *out, const load_csr_t *csr)
{
    int n = csr ? snprintf(out, REQUEST_MAX, "%sContent-Length: %zu\r\n\r\n", head, csr->n_body)
                : snprintf(out, REQUEST_MAX, "%s", head);

    if (n < 0 || (size_t)n + (csr ? csr->n_body : 0) >= REQUEST_MAX)
        load_die("request is too long");
    if (csr)
        memcpy(out + n, csr->body, csr->n_body);
    return (size_t)n + (csr ? csr->n_body : 0);
}

static void keep_answer(load_csr_t *csr, const load_answer_t *answer)
{
    csr->answer = load_need(malloc(answer->n_body + 1));
    memcpy(csr->answer, answer->body, answer->n_body);
    csr->n_answer = answer->n_body;
}

/* began: when the request was due. Seconds after which it is to come again; 0 = that was it. */
static double send_one(worker_t *w, char *request, load_csr_t *csr, double began)
{
    load_answer_t answer = {0};
    load_result_t result = load_conn_exchange(&answer, &w->conn, request, make_request(request, csr));

    if (result != LOAD_OK) {
        w->report.errors[result]++;
    } else {
        if (atomic_load(&measuring))
            load_report_latency(&w->report, answer.status, load_now() - began);
        w->report.status[answer.status]++;
        if (load_options.check && csr && answer.status == 200)
            keep_answer(csr, &answer);
    }
    if (result == LOAD_CONNECT)
        usleep(10000);
    if (result != LOAD_OK || !load_options.keep || !answer.reusable ||
        (load_options.per_connection && w->conn.requests >= load_options.per_connection))
        load_conn_close(&w->conn);
    if (result != LOAD_OK || !load_report_is_put_off(answer.status))
        return 0;
    return answer.retry_after > load_options.patience ? answer.retry_after : load_options.patience;
}

/* Until that time, or the end of the run */
static void pause_until(double due)
{
    double wait;

    while (!atomic_load(&stop) && (wait = due - load_now()) > 0)
        usleep((useconds_t)(wait < 0.05 ? wait * 1e6 : 50000));
}

/* As often as it takes (-P) */
static void send_until_answered(worker_t *w, char *request, load_csr_t *csr, double began)
{
    unsigned seed = (unsigned)w->number;
    double wait;

    while ((wait = send_one(w, request, csr, began)) > 0) {
        pause_until(load_now() + wait * (1 + 0.5 * rand_r(&seed) / RAND_MAX));
        if (atomic_load(&stop))
            break;
        began = load_now();
    }
}

static void *work(void *arg)
{
    worker_t *w = arg;
    char *request = load_need(malloc(REQUEST_MAX));
    double gap = load_options.rate > 0 ? load_options.threads / load_options.rate : 0;
    double due = load_now() + gap * w->number / load_options.threads;

    /* Devices do not come all at once */
    if (load_options.patience > 0)
        pause_until(load_now() + load_options.patience * w->number / load_options.threads);
    while (!atomic_load(&stop)) {
        long i = atomic_fetch_add(&next_request, 1);
        load_csr_t *csr = load_csr_get(i);
        double wait = due - load_now();

        if (load_options.count && i >= load_options.count)
            break;
        if (load_options.requests && !csr) {
            atomic_store(&exhausted, 1);
            break;
        }
        if (gap > 0 && wait > 0)
            usleep((useconds_t)(wait * 1e6));
        send_until_answered(w, request, csr, gap > 0 ? due : load_now());
        due += gap;
    }
    load_conn_close(&w->conn);
    free(request);
    return NULL;
}

/* ---- the run */

static void on_signal(int signal_number)
{
    (void)signal_number;
    atomic_store(&stop, 1);
}

static int is_over(double until)
{
    return atomic_load(&stop) || atomic_load(&exhausted) || load_now() >= until ||
           (load_options.count && atomic_load(&next_request) >= load_options.count);
}

static void wait_for(double until)
{
    while (!is_over(until))
        usleep(2000);
}

static void start_all(worker_t *workers)
{
    for (int i = 0; i < load_options.threads; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
            load_die("cannot start a thread");
}

static void join_all(worker_t *workers)
{
    for (int i = 0; i < load_options.threads; i++)
        pthread_join(workers[i].thread, NULL);
}

static void measure(load_run_t *run, worker_t *workers)
{
    double began, own, cpu[LOAD_MAX_TREES];
    int joined = 0;

    start_all(workers);
    if (load_options.warmup > 0)
        wait_for(load_now() + load_options.warmup);
    load_cpu_read(cpu);
    own = load_cpu_own();
    began = load_now();
    atomic_store(&measuring, 1);
    wait_for(began + load_options.seconds);
    /* With -n the requests still under way count */
    if (load_options.count && atomic_load(&next_request) >= load_options.count) {
        join_all(workers);
        joined = 1;
    }
    atomic_store(&measuring, 0);
    run->seconds = load_now() - began;
    run->own_cpu = load_cpu_own() - own;
    load_cpu_read(run->cpu);
    for (int i = 0; i < load_options.n_trees; i++)
        run->cpu[i] -= cpu[i];
    run->interrupted = atomic_exchange(&stop, 1);
    if (!joined)
        join_all(workers);
    run->exhausted = atomic_load(&exhausted);
}

int main(int argc, char **argv)
{
    load_report_t sum = {0};
    load_run_t run = {0};
    worker_t *workers;

    load_opt_parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    load_conn_setup();
    load_csr_prepare();
    make_head();
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    workers = load_need(calloc((size_t)load_options.threads, sizeof(*workers)));
    for (int i = 0; i < load_options.threads; i++) {
        workers[i].number = i;
        load_conn_init(&workers[i].conn);
    }
    measure(&run, workers);
    for (int i = 0; i < load_options.threads; i++) {
        workers[i].report.connections = workers[i].conn.connections;
        workers[i].report.resumed = workers[i].conn.resumed;
        workers[i].report.tls_version = workers[i].conn.tls_version;
        load_report_add(&sum, &workers[i].report);
    }
    if (load_options.check)
        load_csr_check(&run.findings);
    return load_report_print(&sum, &run) ? 0 : 1;
}
