/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_enroll.h"
#include "est_auth.h"
#include "est_body.h"
#include "est_entity.h"
#include "est_issue.h"
#include "pki/pki_cert.h"

#include <apr_strings.h>
#include <string.h>

/* The message that carries the certificate: alone, as RFC 7030 4.2.3 wants it, or with the chain where the alias says
 * so */
static est_err_t *wrap(est_slice_t *message, const est_req_t *req, const est_service_t *service, est_slice_t der)
{
    const ca_facts_t *facts;
    ca_t *ca;
    est_slice_t *certs;

    if (!req->alias->enroll_chain) {
        *message = pki_certs_only(&der, 1, req->pool);
        return NULL;
    }
    EST_TRY(est_auth_ca(&ca, &facts, req->alias, service, req->pool));
    certs = apr_palloc(req->pool, (apr_size_t)(facts->n_certs + 1) * sizeof(*certs));
    certs[0] = der;
    memcpy(certs + 1, facts->certs, (apr_size_t)facts->n_certs * sizeof(*certs));
    *message = pki_certs_only(certs, facts->n_certs + 1, req->pool);
    return NULL;
}

est_err_t *op_enroll(est_resp_t *resp, est_req_t *req, est_service_t *service)
{
    est_slice_t body, message;
    est_issued_t issued;
    const pki_csr_t *csr;
    pki_csr_t *sent;

    if (req->alias->broken)
        return EST_FAIL(req->pool, alias_broken, "%s", req->alias->broken);
    EST_TRY(est_body_read(&body, req));
    EST_TRY(pki_csr_decode(&sent, body, req->pool));
    EST_TRY(pki_csr_verify(sent, req->pool));
    csr = sent;
    EST_TRY(est_entity_authenticate(&csr, req, service));
    EST_TRY(est_issue(&issued, req, service, csr));
    if (issued.pending) {
        est_issue_wait(resp, req, &issued);
        return NULL;
    }
    EST_TRY(wrap(&message, req, service, issued.der));

    resp->status = 200;
    resp->content_type = "application/pkcs7-mime; smime-type=certs-only";
    resp->no_store = 1;
    resp->serial = pki_cert_serial_text(issued.der, req->pool);
    resp->summary = apr_psprintf(req->pool, "certificate %s for \"%s\"%s%s", resp->serial, issued.subject,
                                 issued.dropped ? ", left out: " : "", issued.dropped ? issued.dropped : "");
    est_body_write(resp, req, message);
    return NULL;
}
