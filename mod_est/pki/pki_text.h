/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_TEXT_H
#define PKI_TEXT_H

/* Which characters a text may have that becomes a name, a record or a line of a log. */

#include "base/est_bytes.h"

/* NULL when every character of the UTF-8 string may stand in a name; else a static text that says what is wrong
 * ("not UTF-8", "control character", "format character") */
const char *pki_text_flaw(const char *s, apr_size_t n);

/* A text without that flaw can still look like another one, or be the same by RFC 5280 7.1 (conformance N-09). NULL, or
 * a static text: blanks at an end or doubled, blanks other than U+0020, fullwidth, halfwidth and mathematical letters,
 * and words of more than one of the scripts that share shapes, Latin, Greek and Cyrillic. A word ends at blanks and
 * punctuation. For names that are to be issued: those of certificates that exist are what they are. */
const char *pki_text_disguise(const char *s);

#endif
