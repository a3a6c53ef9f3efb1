/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DER_TREE_H
#define DER_TREE_H

/*
 * DER as a tree that can be taken apart and put together wrongly: for the mutator of the fuzz targets. It shares
 * nothing with pki_der on purpose. Whatever the octets are, there is a tree of them, and written again without a change
 * it gives the same octets as far as they were DER.
 */

#include <stddef.h>
#include <stdint.h>

#define DER_TREE_NODES 2048

typedef struct {
    const uint8_t *p;
    size_t n;
} octets_t;

/* How the length of a value is written */
typedef enum {
    DER_FORM_DER,
    DER_FORM_LONG,        /* four octets */
    DER_FORM_NOT_MINIMAL, /* one octet more than needed */
    DER_FORM_INDEFINITE,  /* with 00 00 behind the contents */
    DER_FORM_MORE,        /* one more than there is */
    DER_FORM_LESS,
    DER_FORM_HUGE,     /* 2^31 - 1 */
    DER_FORM_RESERVED, /* FF */
    DER_FORM_COUNT
} der_form_t;

typedef struct der_node_t der_node_t;
struct der_node_t {
    uint8_t tag[6];
    uint8_t n_tag; /* 0: octets without identifier and length, such as what follows a value */
    uint8_t bits;  /* the children stand in a BIT STRING, behind its first octet */
    uint8_t parts; /* the contents are the children, else leaf */
    der_form_t form;
    const uint8_t *leaf;
    size_t n_leaf;
    der_node_t *first, *next;
    size_t size; /* of the contents, while it is written */
};

/* Large: make it static */
typedef struct {
    der_node_t top; /* of no tag; its children are the values at the top */
    der_node_t nodes[DER_TREE_NODES];
    size_t n_nodes;
} der_tree_t;

/* The leaves borrow from data. Returns how many values with a tag there are. Contents of OCTET STRING and BIT STRING
 * that are DER become children. */
size_t der_tree_parse(der_tree_t *tree, const uint8_t *data, size_t size);

/* Both give NULL when no node is left */
der_node_t *der_tree_new(der_tree_t *tree);
der_node_t *der_tree_copy(der_tree_t *tree, const der_node_t *node);

/* The octets of node alone, without those that follow it; 0 when they are more than max */
size_t der_tree_write(uint8_t *out, size_t max, der_node_t *node);

#endif
