/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
    int pid, parent;
    unsigned trees; /* a bit for each tree it belongs to */
    double seconds;
} process_t;

typedef struct {
    process_t *at;
    size_t n, room;
} processes_t;

/* False when the process is gone meanwhile */
static int read_stat(process_t *process, const char *pid)
{
    char path[300], line[1024], *end;
    unsigned long user, system;
    long children_user, children_system;
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    if (!(f = fopen(path, "r")))
        return 0;
    n = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[n] = '\0';
    /* The command name before it may hold anything */
    if (!(end = strrchr(line, ')')) || sscanf(end + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
                                              &process->parent, &user, &system, &children_user, &children_system) != 5)
        return 0;
    process->pid = atoi(pid);
    process->trees = 0;
    process->seconds = (double)(user + system + (unsigned long)children_user + (unsigned long)children_system) /
                       (double)sysconf(_SC_CLK_TCK);
    return 1;
}

static void read_all(processes_t *all)
{
    DIR *proc = load_need(opendir("/proc"));
    const struct dirent *entry;

    while ((entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (all->n == all->room) {
            all->room = all->room ? all->room * 2 : 512;
            all->at = load_need(realloc(all->at, all->room * sizeof(*all->at)));
        }
        all->n += (size_t)read_stat(&all->at[all->n], entry->d_name);
    }
    closedir(proc);
}

/* Hands trees down from parents to children until nothing changes */
static void spread(const processes_t *all)
{
    for (int again = 1; again;) {
        again = 0;
        for (size_t i = 0; i < all->n; i++)
            for (size_t j = 0; j < all->n; j++)
                if (all->at[j].pid == all->at[i].parent && all->at[j].trees & ~all->at[i].trees) {
                    all->at[i].trees |= all->at[j].trees;
                    again = 1;
                }
    }
}

void load_cpu_read(double seconds[LOAD_MAX_TREES])
{
    processes_t all = {NULL, 0, 0};

    memset(seconds, 0, LOAD_MAX_TREES * sizeof(*seconds));
    if (!load_options.n_trees)
        return;
    read_all(&all);
    for (size_t i = 0; i < all.n; i++)
        for (int t = 0; t < load_options.n_trees; t++)
            if (all.at[i].pid == load_options.trees[t].pid)
                all.at[i].trees |= 1u << t;
    spread(&all);
    for (size_t i = 0; i < all.n; i++)
        for (int t = 0; t < load_options.n_trees; t++)
            if (all.at[i].trees & 1u << t)
                seconds[t] += all.at[i].seconds;
    free(all.at);
}

double load_cpu_own(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
