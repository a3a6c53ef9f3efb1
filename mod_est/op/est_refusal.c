/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_refusal.h"
#include "est_issue.h"

#include <apr_strings.h>
#include <string.h>

void est_refusal_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, int anywhere)
{
    const char *text = apr_psprintf(req->pool, "%d %d %s", anywhere ? 0 : req->alias->id, req->identity.kind,
                                    est_issue_who(&req->identity, req->pool));

    pki_sha256(key, est_slice_of(text));
}

est_err_t *est_refusal_check_rate(const est_req_t *req, const est_service_t *service)
{
    unsigned char key[PKI_SHA256_SIZE];
    est_err_t *err;
    int wait;

    if (!req->alias->has_rates || !service->guard)
        return NULL;
    est_refusal_key(key, req, 0);
    wait = service->guard->limited(est_slice(key, sizeof(key)), req->now);
    if (wait <= 0)
        return NULL;
    err = EST_FAIL(req->pool, rate_exceeded, "told to wait %d s more", wait);
    err->retry_after = wait;
    return err;
}

static void remember(int wait, const est_req_t *req, const est_service_t *service)
{
    unsigned char key[PKI_SHA256_SIZE];

    if (wait <= 0 || !service->guard)
        return;
    est_refusal_key(key, req, 0);
    service->guard->limit(est_slice(key, sizeof(key)), req->now + apr_time_from_sec(wait));
}

/* Whose enrolment code is not verified yet has not shown who he is */
static int is_authenticated(const policy_identity_t *identity)
{
    return identity->kind != POLICY_IDENTITY_NONE && !identity->code_to_come;
}

/* Trouble of our own is none. What people have denied is on record already. */
static int is_for_the_records(const est_err_t *err)
{
    int status = est_err_row(err->code)->status;

    return status >= 400 && status < 500 && status != 401 && status != 429 && err->code != EST_E_approval_denied;
}

void est_refusal_note(const est_err_t *err, const est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    unsigned char spki_hash[PKI_SHA256_SIZE];
    store_refusal_t row = {.id = req->id,
                           .alias = req->alias ? req->alias->id : 0,
                           .operation = req->op->name,
                           .identity = &req->identity,
                           .network = req->network,
                           .subject = csr->subject->text,
                           .san = &csr->san,
                           .spki_hash = spki_hash,
                           .rule = err->rule ? err->rule : est_err_row(err->code)->name,
                           .reason = est_err_text(err)};
    int wait = 0;

    if (err->code == EST_E_rate_exceeded)
        remember(err->retry_after, req, service);
    if (!is_for_the_records(err) || !is_authenticated(&req->identity))
        return;
    if (service->guard && !service->guard->may_record(req)) {
        if (!req->alias || !req->alias->has_client_rate)
            return;
        row.id = NULL; /* a row less, but no request less */
    }
    pki_sha256(spki_hash, csr->key->spki);
    err = service->store->vt->record_refused(service->store, &wait, &row, req->pool);
    if (err)
        est_env_log(service->env, EST_LOG_WARNING, "the refusal of request %s is not on record: %s", req->id,
                    est_err_text(err));
    else if (req->alias)
        remember(wait, req, service);
}
