/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp_state.h"

#include "pki/pki_der.h"

static const unsigned char version = 1;

est_slice_t ca_cmp_state_encode(const ca_cmp_state_t *state, apr_pool_t *pool)
{
    const unsigned char request = (unsigned char)state->request;
    pki_der_out_t *out = pki_der_out_make(4096, pool);
    apr_size_t all = pki_der_mark(out);

    for (int i = state->n; i-- > 0;)
        pki_der_put(out, state->answers[i]);
    pki_der_wrap(out, PKI_DER_SEQUENCE, all);
    pki_der_put_value(out, PKI_DER_INTEGER, est_slice(&request, 1));
    pki_der_put_value(out, PKI_DER_INTEGER, est_slice(&version, 1));
    pki_der_wrap(out, PKI_DER_SEQUENCE, all);
    return est_slice_dup(pki_der_result(out), pool);
}

/* A small number in one octet */
static int take_number(est_slice_t *in, int *number)
{
    pki_der_t value;

    if (!pki_der_take(in, PKI_DER_INTEGER, &value) || value.body.n != 1 || value.body.p[0] > 0x7f)
        return 0;
    *number = value.body.p[0];
    return 1;
}

int ca_cmp_state_decode(ca_cmp_state_t *state, est_slice_t in)
{
    pki_der_t all, answers, answer;
    int found;

    *state = (ca_cmp_state_t){0};
    if (!pki_der_take(&in, PKI_DER_SEQUENCE, &all) || in.n || !take_number(&all.body, &found) || found != version ||
        !take_number(&all.body, &state->request) || !pki_der_take(&all.body, PKI_DER_SEQUENCE, &answers) || all.body.n)
        return 0;
    while (answers.body.n) {
        if (state->n == CA_CMP_STATE_ANSWERS || !pki_der_take(&answers.body, PKI_DER_SEQUENCE, &answer))
            return 0;
        state->answers[state->n++] = answer.whole;
    }
    return state->n > 0;
}
