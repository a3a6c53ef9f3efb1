/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Runs a fuzz target once over every file of the directories given as arguments, without libFuzzer. Without arguments
 * the directory is tests/fuzz/corpus/<target>, found by the program's name (fuzz_<target>) and $top_srcdir. Speaks TAP.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0 when it is no file that can be read */
static int replay_file(const char *path)
{
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    if (!f)
        return 0;
    /* exactly as large as the input, so that a sanitizer sees an over-read */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    int ok = data && fread(data, 1, size, f) == size;
    fclose(f);
    if (ok) {
        printf("# %s\n", path);
        fflush(stdout); /* names the culprit when this is the last line */
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    return ok;
}

static int replay_directory(const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    int n = 0;
    if (!dir) {
        printf("# %s cannot be read\n", directory);
        return 0;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        if (snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
            n += replay_file(path);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    puts("1..1");
    for (int i = 1; i < argc; i++)
        n += replay_directory(argv[i]);
    if (argc == 1) {
        const char *top = getenv("top_srcdir"), *target = strstr(argv[0], "fuzz_");
        for (const char *later; target && (later = strstr(target + 1, "fuzz_")) != NULL;)
            target = later;
        char directory[4096];
        if (target && snprintf(directory, sizeof(directory), "%s/tests/fuzz/corpus/%s", top ? top : ".", target + 5) <
                          (int)sizeof(directory))
            n = replay_directory(directory);
    }
    printf("%s 1 - %d inputs replayed\n", n ? "ok" : "not ok", n);
    return n ? 0 : 1;
}
