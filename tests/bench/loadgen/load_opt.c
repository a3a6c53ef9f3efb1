/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_opt.h"
#include "load.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

load_options_t load_options = {.key_type = "p256", .prefix = "load", .threads = 4, .timeout = 30};

static const char usage_text[] =
    "usage: estload -u URL [options]\n"
    "  -u URL        https://host:port/path; localhost means 127.0.0.1\n"
    "  -t N          threads, one connection each (default 4)\n"
    "  -n N          number of requests\n"
    "  -d SECONDS    duration (default 10 without -n; never more than 600)\n"
    "  -w SECONDS    warm-up that is not measured\n"
    "  -R RATE       open loop: requests are due at RATE a second, and latency counts from then\n"
    "  -P SECONDS    as devices that wait: 202 and 503 are no failure; the same request comes again after Retry-After\n"
    "                or SECONDS, what is longer, and up to half as much again; a signal ends it well\n"
    "  -k            keep connections      -r N  at most N requests on each\n"
    "  -s            resume TLS sessions   -T 1.2|1.3  one TLS version     -q  TCP_QUICKACK\n"
    "  -g N          POST: make N PKCS#10 requests before, each with a key of its own; none is sent twice\n"
    "  -y TYPE       their keys: p256 (default), p384, rsa2048, ed25519\n"
    "  -x PREFIX     their common names: PREFIX-0, PREFIX-1, ...\n"
    "  -V            check every answer's certificate against its request, after the clock has stopped\n"
    "  -I FILE       check that this CA has signed it, too (implies -V)\n"
    "  -a USER:PASS  HTTP Basic, sent at once\n"
    "  -c CERT -K KEY  client certificate and key\n"
    "  -C FILE       verify the server by these CA certificates\n"
    "  -p NAME=PID   report the CPU time of this process and its descendants; may be repeated\n"
    "  -i SECONDS    time-out of a socket (default 30)\n"
    "  -m            one line of name=value\n";

static void usage(void)
{
    fputs(usage_text, stderr);
    exit(2);
}

static void parse_url(const char *url)
{
    static const char scheme[] = "https://";
    const char *host = url + sizeof(scheme) - 1, *slash, *colon;
    size_t n;

    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        load_die("%s: want an https URL", url);
    slash = strchr(host, '/');
    n = slash ? (size_t)(slash - host) : strlen(host);
    colon = memchr(host, ':', n);
    snprintf(load_options.path, sizeof(load_options.path), "%s", slash ? slash : "/");
    if (colon)
        snprintf(load_options.port, sizeof(load_options.port), "%.*s", (int)(host + n - colon - 1), colon + 1);
    else
        snprintf(load_options.port, sizeof(load_options.port), "443");
    snprintf(load_options.host, sizeof(load_options.host), "%.*s", (int)(colon ? (size_t)(colon - host) : n), host);
}

static void add_tree(char *text)
{
    char *equals = strchr(text, '=');
    load_tree_t *tree = &load_options.trees[load_options.n_trees++];

    if (!equals || load_options.n_trees > LOAD_MAX_TREES)
        usage();
    *equals = '\0';
    tree->name = text;
    tree->pid = atoi(equals + 1);
}

static int tls_version(const char *text)
{
    if (!strcmp(text, "1.2"))
        return TLS1_2_VERSION;
    if (strcmp(text, "1.3") != 0)
        usage();
    return TLS1_3_VERSION;
}

/* Options without a value; 0 = another one */
static int parse_flag(int option)
{
    switch (option) {
    case 'k':
        return load_options.keep = 1;
    case 's':
        return load_options.resume = 1;
    case 'q':
        return load_options.quickack = 1;
    case 'V':
        return load_options.check = 1;
    case 'm':
        return load_options.machine = 1;
    default:
        return 0;
    }
}

/* Options that are a number; 0 = another one */
static int parse_number(int option, const char *value)
{
    switch (option) {
    case 't':
        return (load_options.threads = atoi(value)), 1;
    case 'n':
        return (load_options.count = atol(value)), 1;
    case 'd':
        return (load_options.seconds = atof(value)), 1;
    case 'w':
        return (load_options.warmup = atof(value)), 1;
    case 'R':
        return (load_options.rate = atof(value)), 1;
    case 'P':
        return (load_options.patience = atof(value)), 1;
    case 'r':
        return (load_options.per_connection = atoi(value)), 1;
    case 'g':
        return (load_options.requests = atol(value)), 1;
    case 'i':
        return (load_options.timeout = atoi(value)), 1;
    default:
        return 0;
    }
}

static void parse_text(int option, char *value)
{
    switch (option) {
    case 'u':
        parse_url(value);
        break;
    case 'T':
        load_options.tls_version = tls_version(value);
        break;
    case 'y':
        load_options.key_type = value;
        break;
    case 'x':
        load_options.prefix = value;
        break;
    case 'I':
        load_options.issuer = value;
        load_options.check = 1;
        break;
    case 'a':
        load_options.user = value;
        break;
    case 'c':
        load_options.cert = value;
        break;
    case 'K':
        load_options.key = value;
        break;
    case 'C':
        load_options.ca = value;
        break;
    case 'p':
        add_tree(value);
        break;
    default:
        usage();
    }
}

void load_opt_parse(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "u:t:n:d:w:R:P:kr:sT:qg:y:x:VI:a:c:K:C:p:i:m")) != -1)
        if (!parse_flag(option) && !parse_number(option, optarg))
            parse_text(option, optarg);
    if (!load_options.path[0] || optind != argc || load_options.threads < 1 || load_options.threads > LOAD_MAX_THREADS)
        usage();
    if (load_options.check && !load_options.requests)
        load_die("-V and -I need requests (-g)");
    if (load_options.seconds <= 0)
        load_options.seconds = load_options.count ? LOAD_MAX_SECONDS : 10;
    if (load_options.seconds > LOAD_MAX_SECONDS)
        load_options.seconds = LOAD_MAX_SECONDS;
}
