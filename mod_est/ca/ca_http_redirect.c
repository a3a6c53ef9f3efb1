/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http_redirect.h"
#include "ca_http_text.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <curl/curl.h>

/*
 * 307 and 308 have the same request sent again (RFC 9110 15.4.8, 15.4.9). 301 and 302 let a client make a GET of a
 * POST, as browsers do (15.4.2, 15.4.3), and do not ask for it: an enrolment is a POST or it is none (RFC 7030 4.2), so
 * that who redirects one can only want the POST. 303 has the client fetch something else than it asked for, by GET
 * (15.4.4).
 */
static int keeps_the_request(int status)
{
    return status == 301 || status == 302 || status == 307 || status == 308;
}

/* libcurl is lenient where RFC 3986 is not: it escapes blanks, and takes what others have other opinions on ("\") */
static int has_octets_of_a_url(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}", *p))
            return 0;
    return *text != '\0';
}

static int is_same(CURLU *target, CURLU *asked, CURLUPart part)
{
    char *there = NULL, *here = NULL;
    CURLUcode code = curl_url_get(target, part, &there, CURLU_DEFAULT_PORT);
    CURLUcode own = curl_url_get(asked, part, &here, CURLU_DEFAULT_PORT);
    int same = there && here ? !strcasecmp(there, here) : code == CURLUE_NO_ZONEID && own == CURLUE_NO_ZONEID;

    curl_free(there);
    curl_free(here);
    return same;
}

/* Takes out what stands before an "@", for it is not for the log; 0: there was nothing */
static int take_user(CURLU *target)
{
    static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS};
    int found = 0;

    for (apr_size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *text = NULL;

        found |= curl_url_get(target, parts[i], &text, 0) == CURLUE_OK; /* also an empty one */
        curl_free(text);
        curl_url_set(target, parts[i], NULL, 0);
    }
    return found;
}

/* NULL: libcurl cannot read it */
static CURLU *parse(const char *text)
{
    CURLU *url = curl_url();

    if (url && curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS)) {
        curl_url_cleanup(url);
        url = NULL;
    }
    return url;
}

/* Relative to what was asked (RFC 9110 10.2.2). The fragment is not sent, and libcurl resolves one that is alone to
 * another document. NULL: that is no URL */
static CURLU *resolve(const char *location, const char *asked, apr_pool_t *pool)
{
    const char *reference = apr_pstrmemdup(pool, location, strcspn(location, "#"));
    /* not curl_url_dup(), which in 7.88 forgets the zone of an IPv6 address */
    CURLU *target = has_octets_of_a_url(reference) ? parse(asked) : NULL;

    if (target && curl_url_set(target, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME)) {
        curl_url_cleanup(target);
        target = NULL;
    }
    return target;
}

static const char *url_of(CURLU *target, apr_pool_t *pool)
{
    char *text = NULL;
    const char *url = curl_url_get(target, CURLUPART_URL, &text, 0) == CURLUE_OK ? apr_pstrdup(pool, text) : NULL;

    curl_free(text);
    return url;
}

/* What nobody could take apart: before an "@" there may be a password */
static const char *without_user(const char *location, apr_pool_t *pool)
{
    const char *at = strrchr(location, '@');

    return at ? apr_pstrcat(pool, "...", at, NULL) : location;
}

/* Why we do not go there; NULL: we do */
static const char *objection(CURLU *target, CURLU *asked, int has_user, const ca_http_redirect_t *redirect)
{
    static const struct {
        CURLUPart part;
        const char *objection;
    } origin[] = {
        {CURLUPART_SCHEME, "another scheme"},
        {CURLUPART_HOST, "another host (EstCAUpstream has to name it, if it is the right one)"},
        {CURLUPART_ZONEID, "another network"},
        {CURLUPART_PORT, "another port (EstCAUpstream has to name it, if it is the right one)"},
    };

    if (!keeps_the_request(redirect->status))
        return "only 301, 302, 307 and 308 have the same request sent again";
    if (!redirect->location)
        return "it has no Location";
    if (redirect->n_locations > 1)
        return "it has several Locations";
    if (!target)
        return "that is no URL";
    if (has_user)
        return "it has a user name";
    for (apr_size_t i = 0; i < sizeof(origin) / sizeof(origin[0]); i++)
        if (!is_same(target, asked, origin[i].part))
            return origin[i].objection;
    return redirect->n_before < CA_HTTP_REDIRECT_MAX ? NULL : "too many in a row";
}

est_err_t *ca_http_redirect(const char **out, const ca_http_redirect_t *redirect, apr_pool_t *pool)
{
    const char *words = redirect->location, *reason;
    CURLU *asked = parse(redirect->url), *target = NULL;
    int has_user = 0;

    *out = NULL;
    if (!asked)
        return EST_FAIL(pool, internal, "libcurl cannot read the URL %s", redirect->url);
    if (words)
        target = resolve(words, redirect->url, pool);
    if (target) {
        has_user = take_user(target);
        words = *out = url_of(target, pool);
    } else if (words) {
        words = without_user(words, pool);
    }
    reason = objection(target, asked, has_user, redirect);
    curl_url_cleanup(target);
    curl_url_cleanup(asked);
    if (!reason && *out)
        return NULL;
    *out = NULL;
    words = words ? ca_http_text_line(words, pool) : NULL;
    return EST_FAIL(pool, ca_answer, "%s: HTTP %d: the redirection%s is not followed: %s",
                    ca_http_text_host(redirect->url, pool), redirect->status,
                    words ? apr_psprintf(pool, " to \"%s\"", words) : "", reason ? reason : "that is no URL");
}
