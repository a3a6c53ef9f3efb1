/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_access.h"
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
    return op == POLICY_OP_REENROLL ? POLICY_AUTH_CERT : alias->auth_enroll;
}

int policy_access_takes_user(const policy_alias_t *alias, policy_op_t op)
{
    return !policy_access_is_anonymous(alias, op) && auth_of(alias, op) != POLICY_AUTH_CERT;
}

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

/* Is this user, whose password was verified, registered for the alias? */
static est_err_t *check_user(const policy_alias_t *alias, const policy_credentials_t *cred, apr_time_t now,
                             apr_pool_t *pool)
{
    const policy_client_t *client = cred->client;

    if (!client)
        return alias->other_users
                   ? NULL
                   : EST_FAIL(pool, not_authorized, "user \"%s\" is not a registered client", cred->user);
    if (!client->enabled)
        return EST_FAIL(pool, not_authorized, "client \"%s\" is disabled", client->user);
    if (client->valid_from && now < client->valid_from)
        return EST_FAIL(pool, not_authorized, "client \"%s\" is not valid yet", client->user);
    if (client->valid_until && now >= client->valid_until)
        return EST_FAIL(pool, not_authorized, "registration of client \"%s\" has ended", client->user);
    EST_TRY(check_networks(client, cred->address, pool));
    return check_group(alias, client, pool);
}

static policy_access_t deny(est_err_t **why, est_err_t *err)
{
    *why = err;
    return POLICY_ACCESS_DENIED;
}

static policy_access_t grant_user(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias,
                                  const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool)
{
    est_err_t *err = check_user(alias, cred, now, pool);

    if (err)
        return deny(why, err);
    identity->kind = POLICY_IDENTITY_USER;
    identity->name = cred->user;
    identity->client = cred->client;
    return POLICY_ACCESS_GRANTED;
}

static policy_access_t grant_cert(policy_identity_t *identity, const policy_credentials_t *cred)
{
    identity->kind = POLICY_IDENTITY_CERTIFICATE;
    identity->name = cred->cert->subject->text;
    return POLICY_ACCESS_GRANTED;
}

static est_err_t *certificate_required(const policy_credentials_t *cred, apr_pool_t *pool)
{
    return cred->cert_ignored ? EST_FAIL(pool, certificate_required, "%s", cred->cert_ignored)
                              : EST_FAIL(pool, certificate_required, NULL);
}

policy_access_t policy_access(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias, policy_op_t op,
                              const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool)
{
    policy_auth_t auth = auth_of(alias, op);

    memset(identity, 0, sizeof(*identity));
    *why = NULL;
    if (policy_access_is_anonymous(alias, op))
        return POLICY_ACCESS_GRANTED;
    /* An anchor's certificate that is not good is refused even beside a good password (decision 12) */
    if (cred->cert_error)
        return deny(why, cred->cert_error);
    identity->cert = cred->cert;

    if ((auth == POLICY_AUTH_CERT || auth == POLICY_AUTH_BASIC_AND_CERT) && !cred->cert)
        return deny(why, certificate_required(cred, pool));
    if (auth == POLICY_AUTH_CERT)
        return grant_cert(identity, cred);
    if (cred->user)
        return grant_user(identity, why, alias, cred, now, pool);
    /* A password that was sent is looked at, so that a wrong one is noticed even beside a good certificate */
    if (auth == POLICY_AUTH_BASIC_OR_CERT && cred->cert && !cred->has_authorization)
        return grant_cert(identity, cred);
    return POLICY_ACCESS_NEED_USER;
}
