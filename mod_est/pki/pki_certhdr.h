/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_CERTHDR_H
#define PKI_CERTHDR_H

/* The header in which a TLS-terminating proxy hands on its client's certificate. */

#include "base/est_err.h"

#include <openssl/x509.h>

typedef enum {
    PKI_CERTHDR_RFC9440, /* Client-Cert, and Client-Cert-Chain besides */
    PKI_CERTHDR_PEM,     /* PEM, percent-encoded or not, or base64 of DER without armour */
    PKI_CERTHDR_XFCC     /* Envoy's X-Forwarded-Client-Cert */
} pki_certhdr_form_t;

#define PKI_CERTHDR_MAX_SIZE 65536 /* octets of one header's value */
#define PKI_CERTHDR_MAX_CHAIN 10   /* certificates besides the leaf: as many as path validation would use */

/*
 * Reads value, which came from a proxy that is trusted to write it, strictly: whatever is not exactly one of the forms
 * below, or not DER inside, fails with proxy_certificate. There is no value that means "no certificate": a proxy says
 * that by sending no header, so an empty one fails, too.
 *
 * RFC9440  value is one Byte Sequence (":" base64 ":", RFC 8941 3.3.5) with the leaf, chain_value, NULL when there is
 *          none, a List of them with its issuers. No parameters: RFC 9440 2.2 knows none.
 * PEM      one or more certificates, the leaf first: CERTIFICATE blocks, one behind the other or with commas between
 *          them, any blanks in the place of line ends; or base64 without armour, commas between certificates. "%" and
 *          two digits stand for an octet; "+" is always the base64 character, not a blank, but in the armour
 *          ("BEGIN+CERTIFICATE"), where it cannot be one.
 * XFCC     elements with commas between them, of which THE LAST COUNTS: it is the one that the proxy next to us wrote,
 *          those before it came in from its own client. In an element pairs "key=value" with semicolons between them,
 *          a value may stand in double quotes; "Cert" holds the leaf, "Chain" leaf and issuers, both in form PEM. When
 *          both are there Chain must begin with Cert. Other keys mean nothing here.
 * chain_value must be NULL with the other two forms.
 *
 * Two headers of one name, which a web server joins by comma and blank, fail: no form has a blank behind a comma, but
 * for the List of the chain.
 *
 * *leaf and *chain (what came besides the leaf, perhaps empty, in the order of the header) are freed with pool.
 */
est_err_t *pki_certhdr_decode(X509 **leaf, STACK_OF(X509) **chain, pki_certhdr_form_t form, const char *value,
                              const char *chain_value, apr_pool_t *pool);

#endif
