/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_access.h"
#include "policy_glob.h"
#include "policy_network.h"
#include "policy_text.h"

#include <apr_strings.h>
#include <string.h>

#define CLIENT_COLUMNS 10
/* Both views of a client's row: by name and by number */
typedef union {
    policy_client_row_t row;
    const char *column[CLIENT_COLUMNS];
} client_columns_t;

_Static_assert(sizeof(policy_client_row_t) == CLIENT_COLUMNS * sizeof(const char *), "CLIENT_COLUMNS is out of date");

est_err_t *policy_client_make(policy_client_t **out, const policy_client_row_t *row, apr_pool_t *pool)
{
    policy_client_t *client = apr_pcalloc(pool, sizeof(*client));
    const char *const *groups;
    int *ids, bad = 0;

    client->id = (int)policy_text_int(row->id, 1, APR_INT32_MAX, &bad);
    client->version = policy_text_int(row->version, 0, APR_INT64_MAX, &bad);
    client->user = row->user_name ? apr_pstrdup(pool, row->user_name) : "";
    client->hash = row->password_hash ? apr_pstrdup(pool, row->password_hash) : NULL;
    client->names = policy_text_list(&client->n_names, row->names, pool);
    client->networks = policy_text_list(&client->n_networks, row->networks, pool);
    groups = policy_text_list(&client->n_groups, row->groups, pool);
    client->groups = ids = apr_palloc(pool, ((apr_size_t)client->n_groups + 1) * sizeof(int));
    for (int i = 0; i < client->n_groups; i++)
        ids[i] = (int)policy_text_int(groups[i], 1, APR_INT32_MAX, &bad);
    client->enabled = policy_text_bool(row->enabled);
    client->valid_from = policy_text_time(row->valid_from, &bad);
    client->valid_until = policy_text_time(row->valid_until, &bad);
    if (bad)
        return EST_FAIL(pool, alias_broken, "row of client \"%s\" cannot be understood", client->user);
    *out = client;
    return NULL;
}

/* Columns one after another: 0 for NULL, or 1, the text and a NUL */
est_slice_t policy_client_pack(const policy_client_row_t *row, apr_pool_t *pool)
{
    client_columns_t c = {.row = *row};
    apr_size_t n = 0;
    unsigned char *packed, *p;

    for (int i = 0; i < CLIENT_COLUMNS; i++)
        n += 1 + (c.column[i] ? strlen(c.column[i]) + 1 : 0);
    p = packed = apr_palloc(pool, n);
    for (int i = 0; i < CLIENT_COLUMNS; i++) {
        *p++ = c.column[i] != NULL;
        if (c.column[i]) {
            apr_size_t length = strlen(c.column[i]) + 1;

            memcpy(p, c.column[i], length);
            p += length;
        }
    }
    return est_slice(packed, n);
}

est_err_t *policy_client_unpack(policy_client_t **out, est_slice_t packed, apr_pool_t *pool)
{
    client_columns_t c = {.column = {NULL}};
    const unsigned char *p = packed.p, *end = packed.p + packed.n;

    for (int i = 0; i < CLIENT_COLUMNS; i++) {
        const unsigned char *nul;

        if (p == end)
            return EST_FAIL(pool, internal, "packed client is cut off");
        if (!*p++)
            continue;
        if (!(nul = memchr(p, 0, (apr_size_t)(end - p))))
            return EST_FAIL(pool, internal, "packed client is cut off");
        c.column[i] = (const char *)p;
        p = nul + 1;
    }
    return policy_client_make(out, &c.row, pool);
}

int policy_access_is_anonymous(const policy_alias_t *alias, policy_op_t op)
{
    return (op == POLICY_OP_CACERTS || op == POLICY_OP_CSRATTRS) && !alias->auth_cacerts;
}

/* What this operation asks for */
static policy_auth_t auth_of(const policy_alias_t *alias, policy_op_t op)
{
    if (op != POLICY_OP_REENROLL)
        return alias->auth_enroll;
    return alias->reenroll_by_password ? POLICY_AUTH_BASIC_OR_CERT : POLICY_AUTH_CERT;
}

int policy_access_takes_code(const policy_alias_t *alias, policy_op_t op)
{
    return alias->mode == POLICY_MODE_CLIENT && alias->code_source != POLICY_CODE_BASIC &&
           (op == POLICY_OP_ENROLL || op == POLICY_OP_REENROLL) && auth_of(alias, op) != POLICY_AUTH_CERT;
}

int policy_access_takes_user(const policy_alias_t *alias, policy_op_t op)
{
    return !policy_access_is_anonymous(alias, op) && auth_of(alias, op) != POLICY_AUTH_CERT &&
           !policy_access_takes_code(alias, op);
}

/* ---- registered clients */

static est_err_t *check_networks(const policy_client_t *client, apr_sockaddr_t *address, apr_pool_t *pool)
{
    for (int i = 0; i < client->n_networks; i++)
        if (policy_network_has(client->networks[i], address, pool))
            return NULL;
    return client->n_networks ? EST_FAIL(pool, network_refused, "client \"%s\" is bound to others", client->user)
                              : NULL;
}

static est_err_t *check_group(const policy_alias_t *alias, const policy_client_t *client, apr_pool_t *pool)
{
    for (int i = 0; alias->group && i < client->n_groups; i++)
        if (client->groups[i] == alias->group->id)
            return NULL;
    return EST_FAIL(pool, group_refused, "client \"%s\" is not in group \"%s\"", client->user,
                    alias->group ? alias->group->name : "(none set)");
}

/* May this client, whoever it is known by, come to the alias? */
static est_err_t *check_client(const policy_alias_t *alias, const policy_client_t *client, apr_sockaddr_t *address,
                               apr_time_t now, apr_pool_t *pool)
{
    if (!client->enabled)
        return EST_FAIL(pool, not_authorized, "client \"%s\" is disabled", client->user);
    if (client->valid_from && now < client->valid_from)
        return EST_FAIL(pool, not_authorized, "client \"%s\" is not valid yet", client->user);
    if (client->valid_until && now >= client->valid_until)
        return EST_FAIL(pool, not_authorized, "registration of client \"%s\" has ended", client->user);
    EST_TRY(check_networks(client, address, pool));
    return check_group(alias, client, pool);
}

/* Is this user, whose password was verified, registered for the alias? */
static est_err_t *check_user(const policy_alias_t *alias, const policy_credentials_t *cred, apr_time_t now,
                             apr_pool_t *pool)
{
    if (cred->client)
        return check_client(alias, cred->client, cred->address, now, pool);
    return alias->other_users ? NULL
                              : EST_FAIL(pool, not_authorized, "user \"%s\" is not a registered client", cred->user);
}

/* ---- certificates */

int policy_access_is_ra(const policy_alias_t *alias, policy_op_t op, const policy_credentials_t *cred)
{
    const unsigned wanted = PKI_CERT_CLIENT_AUTH | PKI_CERT_CMC_RA;

    /* What is renewed is the certificate of its holder, whatever else that is */
    if (!cred->cert || op == POLICY_OP_REENROLL)
        return 0;
    if (cred->cert_kind == POLICY_ANCHOR_RA)
        return 1;
    return cred->cert_kind == POLICY_ANCHOR_HOLDER && alias->ra_certificates && cred->cert_is_ours &&
           (cred->cert->purposes & wanted) == wanted &&
           !(cred->cert->purposes & (PKI_CERT_SERVER_AUTH | PKI_CERT_ANY_PURPOSE));
}

static est_err_t *check_ra(const policy_alias_t *alias, const policy_credentials_t *cred, apr_time_t now,
                           apr_pool_t *pool)
{
    const char *subject = cred->cert->subject->text;

    if (cred->cert_kind == POLICY_ANCHOR_RA && (cred->cert->purposes & PKI_CERT_SERVER_AUTH))
        return EST_FAIL(pool, certificate_refused, "\"%s\" is for a TLS server: no registration authority", subject);
    if (cred->cert_kind == POLICY_ANCHOR_RA && !cred->ra)
        return EST_FAIL(pool, not_authorized, "\"%s\" is not registered as a client", subject);
    return cred->ra ? check_client(alias, cred->ra, cred->address, now, pool) : NULL;
}

int policy_access_device_names(const char *names[POLICY_ACCESS_DEVICE_NAMES], const pki_cert_t *cert, apr_pool_t *pool)
{
    int n = 0;

    if (cert->serial_number)
        names[n++] = cert->serial_number;
    if (cert->hardware_type)
        names[n++] = apr_pstrcat(pool, cert->hardware_type, ":", cert->hardware_serial, NULL);
    return n;
}

static est_err_t *check_vendor(const policy_alias_t *alias, const pki_cert_t *cert, apr_pool_t *pool)
{
    const char *names[POLICY_ACCESS_DEVICE_NAMES];
    int n = policy_access_device_names(names, cert, pool);

    if (alias->vendor == POLICY_VENDOR_LISTED) /* the database has the list */
        return NULL;
    for (int i = 0; alias->vendor == POLICY_VENDOR_PATTERN && i < n; i++)
        for (int j = 0; j < alias->n_vendor_patterns; j++)
            if (policy_glob_match(alias->vendor_patterns[j], names[i], 0))
                return NULL;
    return n ? EST_FAIL(pool, vendor_refused, "device \"%s\"", names[0])
             : EST_FAIL(pool, vendor_refused, "\"%s\" has neither serialNumber nor hardwareModuleName",
                        cert->subject->text);
}

/* Is a certificate that authenticates its owner good for that here? */
static est_err_t *check_certificate(const policy_alias_t *alias, policy_op_t op, const policy_credentials_t *cred,
                                    apr_time_t now, apr_pool_t *pool)
{
    if (policy_access_is_ra(alias, op, cred))
        return check_ra(alias, cred, now, pool);
    return cred->cert_kind == POLICY_ANCHOR_VENDOR ? check_vendor(alias, cred->cert, pool) : NULL;
}

/* Only what the alias has issued, or took over from those who did, can be renewed (conformance TLS-13) */
static est_err_t *check_renewable(policy_op_t op, const policy_credentials_t *cred, apr_pool_t *pool)
{
    if (op != POLICY_OP_REENROLL || !cred->cert || cred->cert_kind == POLICY_ANCHOR_HOLDER)
        return NULL;
    return cred->cert_kind == POLICY_ANCHOR_VENDOR
               ? EST_FAIL(pool, vendor_refused, "it is good for a first enrolment only")
               : EST_FAIL(pool, not_authorized, "certificate \"%s\" of a registration authority is not renewed here",
                          cred->cert->subject->text);
}

static est_err_t *certificate_required(const policy_credentials_t *cred, apr_pool_t *pool)
{
    return cred->cert_ignored ? EST_FAIL(pool, certificate_required, "%s", cred->cert_ignored)
                              : EST_FAIL(pool, certificate_required, NULL);
}

/* ---- who it is */

static policy_access_t deny(est_err_t **why, est_err_t *err)
{
    *why = err;
    return POLICY_ACCESS_DENIED;
}

static policy_access_t grant(policy_identity_t *identity, policy_identity_kind_t kind, const char *name)
{
    identity->kind = kind;
    identity->name = name;
    return POLICY_ACCESS_GRANTED;
}

static policy_access_t grant_user(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias,
                                  const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool)
{
    est_err_t *err = check_user(alias, cred, now, pool);

    if (err)
        return deny(why, err);
    identity->client = cred->client;
    return grant(identity, POLICY_IDENTITY_USER, cred->user);
}

/* The owner of a certificate that check_certificate() has passed. An IDevID may be without a subject (IEEE 802.1AR). */
static policy_access_t grant_certificate(policy_identity_t *identity, const policy_alias_t *alias, policy_op_t op,
                                         const policy_credentials_t *cred, apr_pool_t *pool)
{
    const char *names[POLICY_ACCESS_DEVICE_NAMES], *name = cred->cert->subject->text;

    if (!*name && policy_access_device_names(names, cred->cert, pool))
        name = names[0];
    if (policy_access_is_ra(alias, op, cred)) {
        identity->client = cred->ra;
        return grant(identity, POLICY_IDENTITY_RA, name);
    }
    return grant(identity,
                 cred->cert_kind == POLICY_ANCHOR_VENDOR ? POLICY_IDENTITY_VENDOR : POLICY_IDENTITY_CERTIFICATE, name);
}

/* Known by its code, or about to be */
static policy_access_t grant_entity(policy_identity_t *identity, const policy_entity_t *entity)
{
    identity->entity = entity;
    identity->code_to_come = entity == NULL;
    return grant(identity, POLICY_IDENTITY_ENTITY, entity ? entity->name : "");
}

/* What was brought is enough as it stands, and what a certificate has to be is looked at by now where one is needed */
static policy_access_t access_of(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias,
                                 policy_op_t op, const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool)
{
    policy_auth_t auth = auth_of(alias, op);
    int takes_code = policy_access_takes_code(alias, op);
    est_err_t *err;

    if (auth != POLICY_AUTH_CERT && cred->entity && alias->mode == POLICY_MODE_CLIENT)
        return grant_entity(identity, cred->entity);
    if (auth != POLICY_AUTH_CERT && cred->user && !takes_code)
        return grant_user(identity, why, alias, cred, now, pool);
    /* A password that was sent is looked at, so that a wrong one is noticed even beside a good certificate */
    if (auth == POLICY_AUTH_CERT ||
        (auth == POLICY_AUTH_BASIC_OR_CERT && cred->cert && (takes_code || !cred->has_authorization))) {
        err = check_certificate(alias, op, cred, now, pool);
        return err ? deny(why, err) : grant_certificate(identity, alias, op, cred, pool);
    }
    return takes_code ? grant_entity(identity, NULL) : POLICY_ACCESS_NEED_USER;
}

policy_access_t policy_access(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias, policy_op_t op,
                              const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool)
{
    policy_auth_t auth = auth_of(alias, op);
    est_err_t *err;

    memset(identity, 0, sizeof(*identity));
    *why = NULL;
    if (policy_access_is_anonymous(alias, op))
        return POLICY_ACCESS_GRANTED;
    /* An anchor's certificate that is not good is refused even beside a good password (decision 12) */
    if (cred->cert_error)
        return deny(why, cred->cert_error);
    if ((err = check_renewable(op, cred, pool)))
        return deny(why, err);
    identity->cert = cred->cert;
    identity->cert_kind = cred->cert_kind;
    if ((auth == POLICY_AUTH_CERT || auth == POLICY_AUTH_BASIC_AND_CERT) && !cred->cert)
        return deny(why, certificate_required(cred, pool));
    if (auth == POLICY_AUTH_BASIC_AND_CERT && (err = check_certificate(alias, op, cred, now, pool)))
        return deny(why, err);
    return access_of(identity, why, alias, op, cred, now, pool);
}
