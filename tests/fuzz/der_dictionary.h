/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DER_DICTIONARY_H
#define DER_DICTIONARY_H

/* What the mutator of DER puts in: values and contents that the decoders know, and some that they must refuse */

#include "der_tree.h"

#define OCTETS(literal)                                                                                                \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* contents of OBJECT IDENTIFIERs that the decoders know, and some that they refuse */
static const octets_t oids[] = {
    OCTETS("\x55\x04\x03"),                                 /* 2.5.4.3 */
    OCTETS("\x55\x04\x04"),                                 /* 2.5.4.4 */
    OCTETS("\x55\x04\x05"),                                 /* 2.5.4.5 */
    OCTETS("\x55\x04\x06"),                                 /* 2.5.4.6 */
    OCTETS("\x55\x04\x07"),                                 /* 2.5.4.7 */
    OCTETS("\x55\x04\x08"),                                 /* 2.5.4.8 */
    OCTETS("\x55\x04\x0a"),                                 /* 2.5.4.10 */
    OCTETS("\x55\x04\x0b"),                                 /* 2.5.4.11 */
    OCTETS("\x55\x04\x0c"),                                 /* 2.5.4.12 */
    OCTETS("\x55\x04\x29"),                                 /* 2.5.4.41 */
    OCTETS("\x55\x04\x2a"),                                 /* 2.5.4.42 */
    OCTETS("\x55\x04\x2b"),                                 /* 2.5.4.43 */
    OCTETS("\x55\x04\x2c"),                                 /* 2.5.4.44 */
    OCTETS("\x55\x04\x2e"),                                 /* 2.5.4.46 */
    OCTETS("\x55\x04\x41"),                                 /* 2.5.4.65 */
    OCTETS("\x55\x04\x61"),                                 /* 2.5.4.97 */
    OCTETS("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"),     /* 0.9.2342.19200300.100.1.1 */
    OCTETS("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"),     /* 0.9.2342.19200300.100.1.25 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"),         /* 1.2.840.113549.1.9.1 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"),         /* 1.2.840.113549.1.9.2 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"),         /* 1.2.840.113549.1.9.7 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08"),         /* 1.2.840.113549.1.9.8 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"),         /* 1.2.840.113549.1.9.14 */
    OCTETS("\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0e"),     /* 1.3.6.1.4.1.311.2.1.14 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x38"), /* 1.2.840.113549.1.9.16.2.56 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x39"), /* 1.2.840.113549.1.9.16.2.57 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3a"), /* 1.2.840.113549.1.9.16.2.58 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x07\x24"),             /* 1.3.6.1.5.5.7.7.36 */
    OCTETS("\x55\x1d\x0e"),                                 /* 2.5.29.14 */
    OCTETS("\x55\x1d\x0f"),                                 /* 2.5.29.15 */
    OCTETS("\x55\x1d\x11"),                                 /* 2.5.29.17 */
    OCTETS("\x55\x1d\x12"),                                 /* 2.5.29.18 */
    OCTETS("\x55\x1d\x13"),                                 /* 2.5.29.19 */
    OCTETS("\x55\x1d\x1e"),                                 /* 2.5.29.30 */
    OCTETS("\x55\x1d\x20"),                                 /* 2.5.29.32 */
    OCTETS("\x55\x1d\x21"),                                 /* 2.5.29.33 */
    OCTETS("\x55\x1d\x23"),                                 /* 2.5.29.35 */
    OCTETS("\x55\x1d\x24"),                                 /* 2.5.29.36 */
    OCTETS("\x55\x1d\x25"),                                 /* 2.5.29.37 */
    OCTETS("\x55\x1d\x25\x00"),                             /* 2.5.29.37.0 */
    OCTETS("\x55\x1d\x36"),                                 /* 2.5.29.54 */
    OCTETS("\x60\x86\x48\x01\x86\xf8\x42\x01\x01"),         /* 2.16.840.1.113730.1.1 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x01"),             /* 1.3.6.1.5.5.7.3.1 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x02"),             /* 1.3.6.1.5.5.7.3.2 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x08"),             /* 1.3.6.1.5.5.7.3.8 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x09"),             /* 1.3.6.1.5.5.7.3.9 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x1b"),             /* 1.3.6.1.5.5.7.3.27 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x1c"),             /* 1.3.6.1.5.5.7.3.28 */
    OCTETS("\x2b\x06\x01\x05\x05\x07\x03\x1d"),             /* 1.3.6.1.5.5.7.3.29 */
    OCTETS("\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"),     /* 1.3.6.1.4.1.311.20.2.3 */
    OCTETS("\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03"),     /* 1.3.6.1.4.1.11129.2.4.3 */
    OCTETS("\x2a\x86\x48\xce\x3d\x02\x01"),                 /* 1.2.840.10045.2.1 */
    OCTETS("\x2a\x86\x48\xce\x3d\x03\x01\x07"),             /* 1.2.840.10045.3.1.7 */
    OCTETS("\x2b\x81\x04\x00\x22"),                         /* 1.3.132.0.34 */
    OCTETS("\x2b\x81\x04\x00\x23"),                         /* 1.3.132.0.35 */
    OCTETS("\x2b\x81\x04\x00\x0a"),                         /* 1.3.132.0.10 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),         /* 1.2.840.113549.1.1.1 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"),         /* 1.2.840.113549.1.1.5 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"),         /* 1.2.840.113549.1.1.10 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),         /* 1.2.840.113549.1.1.11 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"),         /* 1.2.840.113549.1.1.12 */
    OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"),         /* 1.2.840.113549.1.1.13 */
    OCTETS("\x2a\x86\x48\xce\x3d\x04\x01"),                 /* 1.2.840.10045.4.1 */
    OCTETS("\x2a\x86\x48\xce\x3d\x04\x03\x02"),             /* 1.2.840.10045.4.3.2 */
    OCTETS("\x2a\x86\x48\xce\x3d\x04\x03\x03"),             /* 1.2.840.10045.4.3.3 */
    OCTETS("\x2a\x86\x48\xce\x3d\x04\x03\x04"),             /* 1.2.840.10045.4.3.4 */
    OCTETS("\x2b\x65\x6e"),                                 /* 1.3.101.110 */
    OCTETS("\x2b\x65\x70"),                                 /* 1.3.101.112 */
    OCTETS("\x2b\x65\x71"),                                 /* 1.3.101.113 */
    /* 2.25.340282366920938463463374607431768211455 */
    OCTETS("\x69\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
};

/* whole values */
static const octets_t snippets[] = {
    OCTETS("0\x0e\x06\x03U\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"), /* keyUsage digitalSignature */
    OCTETS("0\x0e\x06\x03U\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x06"), /* keyUsage keyCertSign, cRLSign */
    OCTETS("0\x0c\x06\x03U\x1d\x0f\x04\x05\x03\x03\x07\x00\x80"),         /* keyUsage decipherOnly */
    /* extendedKeyUsage clientAuth, serverAuth */
    OCTETS("0\x1d\x06\x03U\x1d%\x04\x16"
           "0\x14\x06\x08+\x06\x01\x05\x05\x07\x03\x02\x06\x08+\x06\x01\x05\x05\x07\x03\x01"),
    OCTETS("0\x13\x06\x03U\x1d%\x04\x0c"
           "0\x0a\x06\x08+\x06\x01\x05\x05\x07\x03\x1c"), /* extendedKeyUsage cmcRA */
    OCTETS("0\x12\x06\x03U\x1d\x13\x01\x01\xff\x04\x08"
           "0\x06\x01\x01\xff\x02\x01\x00"), /* basicConstraints CA */
    OCTETS("0\x09\x06\x03U\x1d\x13\x04\x02"
           "0\x00"), /* basicConstraints */
    OCTETS("0\x14\x06\x03U\x1d\x11\x04\x0d"
           "0\x0b\x82\x09"
           "a.example"), /* subjectAltName */
    OCTETS("0\x1a\x06\x03U\x1d\x1e\x01\x01\xff\x04\x10"
           "0\x0e\xa0\x0c"
           "0\x0a\x82\x08.example"), /* nameConstraints */
    OCTETS("0\x11\x06\x03U\x1d \x04\x0a"
           "0\x08"
           "0\x06\x06\x04U\x1d \x00"), /* certificatePolicies */
    OCTETS("0\x11\x06\x08+\x06\x01\x05\x05\x07\x01\x18\x04\x05"
           "0\x03\x02\x01\x05"), /* tlsfeature */
    /* security identifier of Microsoft */
    OCTETS("03\x06\x09+\x06\x01\x04\x01\x82"
           "7\x19\x02\x04&0$\xa0\x22\x06\x0a+\x06\x01\x04\x01\x82"
           "7\x19\x02\x01\xa0\x14\x04\x12S-1-5-21-1-2-3-500"),
    OCTETS("0\x13\x06\x0a+\x06\x01\x04\x01\xd6y\x02\x04\x03\x01\x01\xff\x04\x02\x05\x00"), /* poison */
    /* extensionRequest */
    OCTETS("0+\x06\x09*\x86H\x86\xf7\x0d\x01\x09\x0e"
           "1\x1e"
           "0\x1c"
           "0\x1a\x06\x03U\x1d\x11\x04\x13"
           "0\x11\x82\x09"
           "b.example\x87\x04\x0a\x00\x00\x01"),
    OCTETS("0\x1b\x06\x09*\x86H\x86\xf7\x0d\x01\x09\x07"
           "1\x0e\x0c\x0cYSB2YWx1ZQ=="), /* challengePassword */
    OCTETS("0\x17\x06\x0b*\x86H\x86\xf7\x0d\x01\x09\x10\x02"
           "81\x08\x0c\x06"
           "123456"), /* otpChallenge */
    OCTETS("0\x14\x06\x0b*\x86H\x86\xf7\x0d\x01\x09\x10\x02"
           "91\x05\x0c\x03"
           "abc"),                                                                       /* revocationChallenge */
    OCTETS("0\x1d\x06\x0b*\x86H\x86\xf7\x0d\x01\x09\x10\x02:1\x0e\x0c\x0cYSB2YWx1ZQ=="), /* estIdentityLinking */
    /* ChangeSubjectName */
    OCTETS("0-\x06\x08+\x06\x01\x05\x05\x07\x07$1!0\x1f"
           "0\x0e"
           "1\x0c"
           "0\x0a\x06\x03U\x04\x03\x0c\x03new\xa1\x0d\x82\x0bnew.example"),
    OCTETS("0\x10\x06\x09*\x86H\x86\xf7\x0d\x01\x09\x02"
           "1\x03\x0c\x01x"), /* unstructuredName */
    OCTETS("\x82\x09"
           "a.example"),                      /* dNSName */
    OCTETS("\x82\x0b*.a.example"),            /* dNSName with a wildcard */
    OCTETS("\x82\x16xn--mnchen-3ya.example"), /* dNSName, internationalised */
    OCTETS("\x81\x0d"
           "a.b@c.example"), /* rfc822Name */
    OCTETS("\x86\x18https://[::1]:80/%20\x3f"
           "a#b"),                                                                   /* URI */
    OCTETS("\x87\x04\x0a\x00\x00\x01"),                                              /* iPAddress */
    OCTETS("\x87\x10 \x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), /* iPAddress, IPv6 */
    OCTETS("\x88\x03*\x03\x04"),                                                     /* registeredID */
    /* otherName with a UPN */
    OCTETS("\xa0\x1b\x06\x0a+\x06\x01\x04\x01\x82"
           "7\x14\x02\x03\xa0\x0d\x0c\x0b"
           "a@b.example"),
    OCTETS("\xa4\x0e"
           "0\x0c"
           "1\x0a"
           "0\x08\x06\x03U\x04\x03\x0c\x01"
           "a"), /* directoryName */
    OCTETS("\xa3\x04"
           "0\x00"
           "0\x00"), /* x400Address */
    OCTETS("\xa5\x05\xa1\x03\x0c\x01"
           "a"), /* ediPartyName */
    OCTETS("1\x0d"
           "0\x0b\x06\x03U\x04\x03\x0c\x04"
           "dev7"), /* CN */
    OCTETS("1\x10"
           "0\x0e\x06\x03U\x04\x0a\x0c\x07"
           "Example"), /* O */
    OCTETS("1\x0b"
           "0\x09\x06\x03U\x04\x06\x13\x02"
           "DE"), /* C */
    OCTETS("1\x0d"
           "0\x0b\x06\x03U\x04\x05\x13\x04"
           "0001"), /* serialNumber */
    OCTETS("1\x1c"
           "0\x1a\x06\x09*\x86H\x86\xf7\x0d\x01\x09\x01\x16\x0d"
           "a.b@c.example"), /* emailAddress */
    OCTETS("1\x17"
           "0\x15\x06\x0a\x09\x92&\x89\x93\xf2,d\x01\x19\x16\x07"
           "example"), /* DC */
    /* CN and UID in one RDN */
    OCTETS("1\x1e"
           "0\x0b\x06\x03U\x04\x03\x0c\x04"
           "dev70\x0f\x06\x0a\x09\x92&\x89\x93\xf2,d\x01\x01\x0c\x01u"),
    /* Ed25519 key of small order */
    OCTETS("0*0\x05\x06\x03+ep\x03!"
           "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
           "\x00\x00\x00\x00\x00\x00\x00"),
    OCTETS("0\x0b\x06\x09*\x86H\x86\xf7\x0d\x01\x01\x0b"), /* RSA without parameters */
    OCTETS("0\x09\x06\x07*\x86H\xce=\x04\x01"),            /* ECDSA with SHA-1 */
    OCTETS("\x17\x0d"
           "500101000000Z"), /* a time of two digits */
};

/* contents of strings and times */
static const octets_t texts[] = {
    OCTETS("\x00"),
    OCTETS("a\x00"
           "b"),
    OCTETS("\xe2\x80\xaegnp"),
    OCTETS("\xe2\x80\x8b"),
    OCTETS("\xef\xbb\xbf"),
    OCTETS("\xff"),
    OCTETS("\xc0\x80"),
    OCTETS("\xed\xa0\x80"),
    OCTETS("\xf4\x90\x80\x80"),
    OCTETS("\xc3\xa4"),
    OCTETS("\xf0\x9f\x94\x91"),
    OCTETS(" a"),
    OCTETS("a "),
    OCTETS("a  b"),
    OCTETS("*"),
    OCTETS("*.example"),
    OCTETS("**"),
    OCTETS("dev7"),
    OCTETS("DEV7"),
    OCTETS("ra"),
    OCTETS("a.example"),
    OCTETS("xn--a"),
    OCTETS("1.2.3.4"),
    OCTETS("::1"),
    OCTETS("a@b"),
    OCTETS("/../"),
    OCTETS("%s%n"),
    OCTETS("\x0d\x0aX: y"),
    OCTETS("a,CN=b+C=DE"),
    OCTETS("#04"),
    OCTETS("\x5c"),
    OCTETS("YSB2YWx1ZQ=="),
    OCTETS("260102030405Z"),
    OCTETS("991231235959Z"),
    OCTETS("20500101000000Z"),
    OCTETS("S-1-5-21-1-2-3-500"),
};

static const octets_t booleans[] = {OCTETS("\x00"), OCTETS("\xff"), OCTETS("\x01"), OCTETS("\xff\xff")};

/* contents of INTEGERs at the borders of what is allowed, and not minimal ones */
static const octets_t integers[] = {
    OCTETS(""),
    OCTETS("\x00"),
    OCTETS("\x01"),
    OCTETS("\x02"),
    OCTETS("\x7f"),
    OCTETS("\x80"),
    OCTETS("\xff"),
    OCTETS("\x00\x00"),
    OCTETS("\x00\x01"),
    OCTETS("\x00\x80"),
    OCTETS("\xff\xff"),
    OCTETS("\x01\x00\x00"),
    OCTETS("\x01\x00\x01"),
    OCTETS("\x7f\xff\xff\xff"),
    OCTETS("\x80\x00\x00\x00"),
    OCTETS("\x01\x00\x00\x00\x00\x00\x00\x00\x01"),
};

/* contents of BIT STRINGs: usages, counts of unused bits, bits that are not zero but should */
static const octets_t bit_strings[] = {
    OCTETS(""),
    OCTETS("\x00"),
    OCTETS("\x07"),
    OCTETS("\x08\x00"),
    OCTETS("\x00\xff"),
    OCTETS("\x01\x06"),
    OCTETS("\x07\x80"),
    OCTETS("\x07\xff"),
    OCTETS("\x07\x00\x80"),
    OCTETS("\x03\xa8"),
    OCTETS("\x00\x01\x02\x03\x04"),
};

#endif
