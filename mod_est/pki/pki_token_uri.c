/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_token_uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#define SCHEME "pkcs11:"
#define SCHEME_LENGTH (sizeof(SCHEME) - 1)

typedef enum { IS_TOKEN, IS_OBJECT, IS_TYPE, IS_OTHER } what_t;

/* The attributes of the path, RFC 7512 2.3 */
static const struct {
    const char *name;
    what_t what;
} attributes[] = {
    {"token", IS_TOKEN},
    {"manufacturer", IS_TOKEN},
    {"serial", IS_TOKEN},
    {"model", IS_TOKEN},
    {"slot-id", IS_TOKEN},
    {"slot-description", IS_TOKEN},
    {"slot-manufacturer", IS_TOKEN},
    {"library-manufacturer", IS_OTHER},
    {"library-version", IS_OTHER},
    {"library-description", IS_OTHER},
    {"object", IS_OBJECT},
    {"id", IS_OBJECT},
    {"type", IS_TYPE},
};
#define N_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

int pki_token_is_uri(const char *text)
{
    return strncasecmp(text, SCHEME, SCHEME_LENGTH) == 0;
}

/* Percent signs are followed by two hexadecimal digits, and the rest is what RFC 7512 2.3 leaves as it is */
static int is_value(const char *p, apr_size_t n)
{
    for (apr_size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '%') {
            if (i + 2 >= n || !isxdigit((unsigned char)p[i + 1]) || !isxdigit((unsigned char)p[i + 2]))
                return 0;
            i += 2;
        } else if (!(isalnum(c) && c < 128) && !strchr("-._~:[]@!$'()*+,=&", c)) {
            return 0;
        }
    }
    return n > 0;
}

/* Index into attributes, or -1 */
static int find(const char *name, apr_size_t n)
{
    for (apr_size_t i = 0; i < N_ATTRIBUTES; i++)
        if (strlen(attributes[i].name) == n && !strncmp(attributes[i].name, name, n))
            return (int)i;
    return -1;
}

/* pin-value or pin-source, wherever: a message must not repeat what follows */
static int has_pin(const char *uri)
{
    for (const char *p = uri; (p = strstr(p, "pin-")) != NULL; p++)
        if (strchr(":;?&", p[-1]))
            return 1;
    return 0;
}

/* The query of it: whatever stands there, it does not belong there */
static est_err_t *refuse_query(const char *path, const char *query, apr_pool_t *pool)
{
    return EST_FAIL(pool, config, "%s?...: %s", path,
                    strstr(query, "module-") ? "the module is named by EstCAKeyModule"
                                             : "nothing may follow, not even the \"?\"");
}

/* p up to end is one attribute of uri; seen: a bit for each that was there */
static est_err_t *check_attribute(unsigned *seen, const char *p, const char *end, const char *uri, apr_pool_t *pool)
{
    const char *equals = memchr(p, '=', (apr_size_t)(end - p));
    int i = equals ? find(p, (apr_size_t)(equals - p)) : -1;

    if (i < 0)
        return EST_FAIL(pool, config, "%s: \"%s\" is no attribute of a pkcs11: URI (RFC 7512)", uri,
                        apr_pstrmemdup(pool, p, (apr_size_t)((equals ? equals : end) - p)));
    if (!is_value(equals + 1, (apr_size_t)(end - equals - 1)))
        return EST_FAIL(pool, config, "%s: the value of %s is empty or has characters to be written as %%XX", uri,
                        attributes[i].name);
    if (*seen & 1u << i)
        return EST_FAIL(pool, config, "%s: %s is there twice", uri, attributes[i].name);
    *seen |= 1u << i;
    if (attributes[i].what == IS_TYPE && (end - equals != 8 || strncmp(equals + 1, "private", 7) != 0))
        return EST_FAIL(pool, config, "%s: a CA needs type=private", uri);
    return NULL;
}

static int has(unsigned seen, what_t what)
{
    for (apr_size_t i = 0; i < N_ATTRIBUTES; i++)
        if (attributes[i].what == what && seen & 1u << i)
            return 1;
    return 0;
}

est_err_t *pki_token_uri_check(const char **out, const char *uri, apr_pool_t *pool)
{
    const char *query = strchr(uri, '?');
    unsigned seen = 0;

    if (!pki_token_is_uri(uri))
        return EST_FAIL(pool, config, "not a pkcs11: URI");
    if (has_pin(uri))
        return EST_FAIL(pool, config,
                        "pkcs11:...: the PIN does not belong into a configuration, which people print: say "
                        "with EstCAKeyPassphrase where it is");
    if (query)
        return refuse_query(apr_pstrmemdup(pool, uri, (apr_size_t)(query - uri)), query + 1, pool);
    for (const char *p = uri + SCHEME_LENGTH; *p;) {
        const char *end = p + strcspn(p, ";");

        EST_TRY(check_attribute(&seen, p, end, uri, pool));
        if (*end && !end[1])
            return EST_FAIL(pool, config, "%s: nothing follows the last \";\"", uri);
        p = *end ? end + 1 : end;
    }
    if (!has(seen, IS_TOKEN))
        return EST_FAIL(pool, config, "%s names no token: token=LABEL or serial=NUMBER is missing", uri);
    if (!has(seen, IS_OBJECT))
        return EST_FAIL(pool, config, "%s names no key: object=LABEL or id=%%XX... is missing", uri);
    *out = apr_pstrcat(pool, SCHEME, uri + SCHEME_LENGTH, has(seen, IS_TYPE) ? NULL : ";type=private", NULL);
    return NULL;
}
