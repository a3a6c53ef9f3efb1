/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TOKEN_TEST_H
#define TOKEN_TEST_H

/* Tokens of SoftHSM, in a directory of the running test's. The module is initialised once in a process: it sees those
 * of the next test when it is initialised anew. */

#include "x509_test.h"

#include "pki/pki_token.h"

#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <sys/wait.h>

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static const char *token_home;

static inline int token_test_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline apr_status_t token_test_remove(void *home)
{
    assert_int_equal(nftw(home, token_test_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    return APR_SUCCESS;
}

/* Says nothing, unless it fails */
static inline void run(char *const argv[])
{
    extern char **environ;
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("%s failed with status %d", argv[0], status);
}

/* Where all tokens of the running test are from now on; called once in a test */
static inline void make_hsm(void)
{
    char *home = apr_pstrdup(pool, "/tmp/est-test-XXXXXX");
    const char *conf;
    FILE *file;

    assert_non_null(mkdtemp(home));
    apr_pool_cleanup_register(pool, home, token_test_remove, apr_pool_cleanup_null);
    token_home = home;
    conf = apr_pstrcat(pool, home, "/conf", NULL);
    file = fopen(conf, "wx");
    assert_non_null(file);
    fprintf(file, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", home);
    fclose(file);
    assert_int_equal(mkdir(apr_pstrcat(pool, home, "/tokens", NULL), 0700), 0);
    assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
}

static inline void make_token(const char *label, const char *pin)
{
    char *argv[] = {"softhsm2-util", "--init-token", "--free",   "--label",   (char *)label,
                    "--pin",         (char *)pin,    "--so-pin", "so-secret", NULL};

    run(argv);
}

/* Under that label, and with that id (hex) */
static inline void import_key(const char *token, const char *pin, EVP_PKEY *key, const char *label, const char *id)
{
    const char *path = apr_pstrcat(pool, token_home, "/key", NULL);
    FILE *file = fopen(path, "wx");
    char *argv[] = {"softhsm2-util", "--import", (char *)path,  "--token", (char *)token, "--pin",
                    (char *)pin,     "--label",  (char *)label, "--id",    (char *)id,    NULL};

    assert_non_null(file);
    assert_true(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    run(argv);
    assert_int_equal(remove(path), 0);
}

static inline void move_tokens(const char *from, const char *to)
{
    assert_int_equal(
        rename(apr_pstrcat(pool, token_home, "/", from, NULL), apr_pstrcat(pool, token_home, "/", to, NULL)), 0);
}

/* All tokens are away: pulled out, or the HSM has lost its power */
static inline void take_tokens_away(void)
{
    move_tokens("tokens", "away");
    assert_int_equal(mkdir(apr_pstrcat(pool, token_home, "/tokens", NULL), 0700), 0);
}

static inline void bring_tokens_back(void)
{
    assert_int_equal(rmdir(apr_pstrcat(pool, token_home, "/tokens", NULL)), 0);
    move_tokens("away", "tokens");
}

#endif
