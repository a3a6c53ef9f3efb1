/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_load.h"

#include "pki_ossl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <apr_time.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* To be closed by the caller before it returns, not with its pool, which is that of the configuration: httpd's
 * children, and the programs that they start, would have the open file of the CA's key. "e" is O_CLOEXEC. */
static est_err_t *open_file(BIO **out, const char *path, const char *what, apr_pool_t *pool)
{
    *out = BIO_new_file(path, "re");
    if (!*out) {
        int error = errno;

        ERR_clear_error();
        return EST_FAIL(pool, file, "%s %s cannot be opened: %s", what, path, strerror(error));
    }
    return NULL;
}

/* ---- Certificates ---- */

static est_err_t *read_certs(STACK_OF(X509) **out, BIO *bio, const char *path, apr_pool_t *pool)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    if (!certs)
        return EST_FAIL(pool, internal, "%s: %s", path, pki_ossl_reason(pool));
    pki_ossl_own_certs(certs, pool);

    X509 *cert;
    ERR_clear_error();
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            return EST_FAIL(pool, internal, "%s: %s", path, pki_ossl_reason(pool));
        }
    }
    unsigned long error = ERR_peek_last_error();
    int at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (!at_end)
        return EST_FAIL(pool, file, "certificate file %s: PEM block %d cannot be read as a certificate (%s)", path,
                        sk_X509_num(certs) + 1, pki_ossl_reason(pool));
    ERR_clear_error();
    if (sk_X509_num(certs) == 0)
        return EST_FAIL(pool, file, "certificate file %s holds no PEM certificate", path);
    *out = certs;
    return NULL;
}

est_err_t *pki_load_certs(STACK_OF(X509) **out, const char *path, apr_pool_t *pool)
{
    BIO *bio;

    EST_TRY(open_file(&bio, path, "certificate file", pool));
    est_err_t *err = read_certs(out, bio, path, pool);
    BIO_free(bio);
    return err;
}

/* 0: errno says why not */
static int read_all(est_slice_t *out, int fd, apr_size_t size, apr_pool_t *pool)
{
    char *octets = apr_palloc(pool, size + 1);
    apr_size_t n = 0;
    ssize_t more = 1;

    while (n < size && more) {
        more = read(fd, octets + n, size - n);
        if (more < 0 && errno != EINTR)
            return 0;
        n += more > 0 ? (apr_size_t)more : 0;
    }
    *out = est_slice(octets, n);
    return 1;
}

/* Neither open(2) nor read(2) waits for anybody, whatever it is */
static est_err_t *read_plain_file(est_slice_t *out, const char *path, apr_size_t most, apr_pool_t *pool)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ok, error;
    const char *flaw = NULL;
    struct stat st;

    ok = fd >= 0 && fstat(fd, &st) == 0;
    if (ok && !S_ISREG(st.st_mode))
        flaw = "is no regular file";
    else if (ok && st.st_size > (off_t)most)
        flaw = "is too long";
    else if (ok)
        ok = read_all(out, fd, (apr_size_t)st.st_size, pool);
    error = errno;
    if (fd >= 0)
        close(fd);
    if (!ok)
        return EST_FAIL(pool, file, "certificate file %s cannot be read: %s", path, strerror(error));
    return flaw ? EST_FAIL(pool, file, "certificate file %s %s", path, flaw) : NULL;
}

est_err_t *pki_load_certs_of_others(STACK_OF(X509) **out, const char *path, apr_size_t most, apr_pool_t *pool)
{
    est_slice_t text;
    BIO *bio;

    EST_TRY(read_plain_file(&text, path, most, pool));
    bio = BIO_new_mem_buf(text.p, (int)text.n);
    if (!bio)
        return EST_FAIL(pool, internal, "%s: %s", path, pki_ossl_reason(pool));
    est_err_t *err = read_certs(out, bio, path, pool);
    BIO_free(bio);
    return err;
}

est_err_t *pki_load_der(X509 **out, est_slice_t der, apr_pool_t *pool)
{
    const unsigned char *p = der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)der.n);

    if (cert)
        pki_ossl_own_x509(cert, pool);
    if (!cert || p != der.p + der.n)
        return EST_FAIL(pool, config, "not the DER of a certificate: %s", pki_ossl_reason(pool));
    *out = cert;
    return NULL;
}

/* ---- Private keys ---- */

typedef struct {
    const char *passphrase;
    int asked;
} prompt_t;

/* Without this OpenSSL would prompt on the terminal of whoever starts httpd */
static int answer_prompt(char *buf, int size, int writing, void *data)
{
    prompt_t *prompt = data;

    (void)writing;
    prompt->asked = 1;
    apr_size_t n = prompt->passphrase ? strlen(prompt->passphrase) : 0;
    if (n == 0 || n > (apr_size_t)size)
        return -1;
    memcpy(buf, prompt->passphrase, n);
    return (int)n;
}

static int is_loose(FILE *file)
{
    struct stat st;

    return fstat(fileno(file), &st) != 0 || (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

static est_err_t *read_key(EVP_PKEY **out, BIO *bio, const char *path, const char *passphrase, apr_pool_t *pool)
{
    prompt_t prompt = {passphrase, 0};
    ERR_clear_error();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, answer_prompt, &prompt);
    if (key) {
        ERR_clear_error();
        *out = pki_ossl_own_pkey(key, pool);
        return NULL;
    }
    if (prompt.asked && !passphrase)
        return EST_FAIL(pool, config, "key file %s is encrypted", path);
    if (prompt.asked)
        return EST_FAIL(pool, config, "key file %s cannot be decrypted, is the passphrase right? (%s)", path,
                        pki_ossl_reason(pool));
    return EST_FAIL(pool, file, "key file %s holds no PEM private key: %s", path, pki_ossl_reason(pool));
}

est_err_t *pki_load_key(EVP_PKEY **out, const char *path, const char *passphrase, int *loose, apr_pool_t *pool)
{
    FILE *file = NULL;
    BIO *bio;

    EST_TRY(open_file(&bio, path, "key file", pool));
    BIO_get_fp(bio, &file);
    (void)setvbuf(file, NULL, _IONBF, 0); /* stdio would leave the key in memory that it gives back */
    if (loose)
        *loose = is_loose(file);
    est_err_t *err = read_key(out, bio, path, passphrase, pool);
    BIO_free(bio);
    return err;
}

/* ---- Passphrases ---- */

#define PASSPHRASE_MAX 1024
#define TICK_MS 10
#define TICKS_MAX 3000 /* 30 seconds at most: every step below takes one tick and lasts TICK_MS at most */

typedef struct {
    char text[PASSPHRASE_MAX + 1];
    apr_size_t n;
} line_t;

static apr_status_t cleanse(void *data)
{
    OPENSSL_cleanse(data, sizeof(line_t));
    return APR_SUCCESS;
}

/* Reads on, one call of read(2); 0 at the end or when there is no room for more */
static int read_some(line_t *line, int fd)
{
    if (line->n == PASSPHRASE_MAX)
        return 0;
    ssize_t n;
    do {
        n = read(fd, line->text + line->n, PASSPHRASE_MAX - line->n);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        line->n += (apr_size_t)n;
    return n > 0;
}

static est_err_t *read_file(line_t *line, const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return EST_FAIL(pool, file, "passphrase file %s cannot be opened: %s", path, strerror(errno));
    while (read_some(line, fd))
        ;
    close(fd);
    return NULL;
}

/* Collects the output until the program closes it. 0 when time is up. */
static int collect(line_t *line, apr_file_t *pipe, int *ticks)
{
    apr_os_file_t fd;

    apr_os_file_get(&fd, pipe);
    while ((*ticks)++ < TICKS_MAX) {
        struct pollfd poller = {fd, POLLIN, 0};

        if (poll(&poller, 1, TICK_MS) > 0 && !read_some(line, fd))
            return 1;
    }
    return 0;
}

static est_err_t *run_program(line_t *line, const char *command, apr_pool_t *pool)
{
    char **argv;
    apr_procattr_t *attr;
    apr_proc_t process;
    apr_file_t *nothing;

    if (apr_tokenize_to_argv(command, &argv, pool) != APR_SUCCESS || !argv[0])
        return EST_FAIL(pool, config, "passphrase exec: names no program");
    if (apr_procattr_create(&attr, pool) != APR_SUCCESS ||
        apr_file_open(&nothing, "/dev/null", APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool) != APR_SUCCESS ||
        apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE) != APR_SUCCESS ||
        apr_procattr_child_in_set(attr, nothing, NULL) != APR_SUCCESS ||
        apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV) != APR_SUCCESS ||
        apr_procattr_error_check_set(attr, 1) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "passphrase program %s cannot be prepared", argv[0]);
    apr_status_t status = apr_proc_create(&process, argv[0], (const char *const *)argv, NULL, attr, pool);
    if (status != APR_SUCCESS) {
        char text[120];

        return EST_FAIL(pool, file, "passphrase program %s cannot be run: %s", argv[0],
                        apr_strerror(status, text, sizeof(text)));
    }

    int ticks = 0, code = 0;
    apr_exit_why_e why = APR_PROC_EXIT;
    int done = collect(line, process.out, &ticks);
    apr_file_close(process.out);
    status = APR_CHILD_NOTDONE;
    while (done && (status = apr_proc_wait(&process, &code, &why, APR_NOWAIT)) == APR_CHILD_NOTDONE &&
           ticks++ < TICKS_MAX)
        apr_sleep(TICK_MS * 1000);
    if (status == APR_CHILD_NOTDONE) {
        apr_proc_kill(&process, SIGKILL);
        apr_proc_wait(&process, &code, &why, APR_WAIT);
        return EST_FAIL(pool, file, "passphrase program %s did not end within 30 seconds", argv[0]);
    }
    if (!APR_STATUS_IS_CHILD_DONE(status) || why != APR_PROC_EXIT || code != 0)
        return EST_FAIL(pool, file, "passphrase program %s ended with status %d", argv[0], code);
    return NULL;
}

est_err_t *pki_load_passphrase(const char **out, const char *spec, apr_pool_t *pool)
{
    line_t *line = apr_pcalloc(pool, sizeof(*line));

    apr_pool_cleanup_register(pool, line, cleanse, apr_pool_cleanup_null);
    if (strncmp(spec, "file:", 5) == 0)
        EST_TRY(read_file(line, spec + 5, pool));
    else if (strncmp(spec, "exec:", 5) == 0)
        EST_TRY(run_program(line, spec + 5, pool));
    else
        return EST_FAIL(pool, config, "passphrase is given as file:PATH or exec:PROGRAM, not \"%s\"", spec);

    apr_size_t n = strcspn(line->text, "\r\n");
    if (n == PASSPHRASE_MAX)
        return EST_FAIL(pool, config, "passphrase of %s is longer than %d octets", spec, PASSPHRASE_MAX - 1);
    line->text[n] = '\0';
    if (n == 0)
        return EST_FAIL(pool, config, "passphrase of %s is empty", spec);
    *out = line->text;
    return NULL;
}
