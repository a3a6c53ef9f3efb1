/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_time.h"

#include <time.h>

#include <apr_strings.h>

static apr_time_t from_tm(struct tm *tm)
{
    return apr_time_from_sec((apr_time_t)timegm(tm));
}

int pki_time_take(apr_time_t *out, est_slice_t *in)
{
    pki_der_t v;
    int fields[7] = {0}, n_fields; /* century, year in it, month, day, hours, minutes, seconds */

    if (pki_der_take(in, PKI_DER_UTC_TIME, &v))
        n_fields = 6;
    else if (pki_der_take(in, PKI_DER_GENERALIZED_TIME, &v))
        n_fields = 7;
    else
        return 0;
    if (v.body.n != (apr_size_t)n_fields * 2 + 1 || v.body.p[v.body.n - 1] != 'Z')
        return 0;
    int *field = fields + 7 - n_fields;
    for (apr_size_t i = 0; i + 1 < v.body.n; i += 2) {
        unsigned char tens = v.body.p[i], ones = v.body.p[i + 1];

        if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
            return 0;
        *field++ = (tens - '0') * 10 + ones - '0';
    }
    if (n_fields == 6)
        fields[0] = fields[1] >= 50 ? 19 : 20;
    if (fields[2] < 1 || fields[2] > 12 || fields[3] < 1 || fields[3] > 31 || fields[4] > 23 || fields[5] > 59 ||
        fields[6] > 59)
        return 0;
    struct tm tm = {.tm_year = fields[0] * 100 + fields[1] - 1900,
                    .tm_mon = fields[2] - 1,
                    .tm_mday = fields[3],
                    .tm_hour = fields[4],
                    .tm_min = fields[5],
                    .tm_sec = fields[6]};
    *out = from_tm(&tm);
    return 1;
}

int pki_time_from_asn1(apr_time_t *out, const ASN1_TIME *t)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(t, &tm))
        return 0;
    *out = from_tm(&tm);
    return 1;
}

int pki_time_put(pki_der_out_t *out, apr_time_t t)
{
    apr_time_exp_t x;
    char text[32];

    apr_time_exp_gmt(&x, t);
    int year = x.tm_year + 1900, utc = year >= 1950 && year < 2050;
    if (year < 0 || year > 9999)
        return 0;
    apr_snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02dZ", year, x.tm_mon + 1, x.tm_mday, x.tm_hour, x.tm_min,
                 x.tm_sec);
    pki_der_put_value(out, utc ? PKI_DER_UTC_TIME : PKI_DER_GENERALIZED_TIME,
                      utc ? est_slice(text + 2, 13) : est_slice(text, 15));
    return 1;
}

const char *pki_time_text(apr_time_t t, apr_pool_t *pool)
{
    apr_time_exp_t x;

    apr_time_exp_gmt(&x, t);
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02dZ", x.tm_year + 1900, x.tm_mon + 1, x.tm_mday, x.tm_hour,
                        x.tm_min, x.tm_sec);
}
