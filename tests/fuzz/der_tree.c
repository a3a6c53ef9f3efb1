/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "der_tree.h"

#include <string.h>

#define MAX_DEPTH 100
#define LENGTH_MAX 0x7fffffffu

/* ---- reading */

/* Identifier and length at the start of in; 0 when there are none, or less than length octets behind them. Lengths that
 * are not minimal are fine here. */
static int read_head(octets_t in, size_t *n_tag, octets_t *contents)
{
    size_t at = 1, length;

    if (in.n < 2)
        return 0;
    if ((in.p[0] & 0x1f) == 0x1f) {
        while (at < in.n && at < 5 && in.p[at] & 0x80)
            at++;
        at++;
    }
    if (at >= in.n || at > 6)
        return 0;
    *n_tag = at;
    length = in.p[at++];
    if (length >= 0x80) {
        size_t octets = length & 0x7f;

        if (octets < 1 || octets > 4 || octets > in.n - at)
            return 0;
        for (length = 0; octets > 0; octets--)
            length = length << 8 | in.p[at++];
    }
    if (length > in.n - at)
        return 0;
    *contents = (octets_t){in.p + at, length};
    return 1;
}

/* Is in one value and nothing else? */
static int is_value(octets_t in)
{
    octets_t contents;
    size_t n_tag;

    return read_head(in, &n_tag, &contents) && contents.p + contents.n == in.p + in.n;
}

der_node_t *der_tree_new(der_tree_t *tree)
{
    der_node_t *node;

    if (tree->n_nodes == DER_TREE_NODES)
        return NULL;
    node = &tree->nodes[tree->n_nodes++];
    memset(node, 0, sizeof(*node));
    return node;
}

static size_t read_values(der_tree_t *tree, der_node_t *parent, octets_t in, int depth);

static size_t read_contents(der_tree_t *tree, der_node_t *node, octets_t in, int depth)
{
    octets_t behind = {in.n ? in.p + 1 : in.p, in.n ? in.n - 1 : 0};

    node->leaf = in.p;
    node->n_leaf = in.n;
    if (node->tag[0] == 0x03 && in.n && in.p[0] == 0 && is_value(behind)) {
        node->bits = 1;
        in = behind;
    } else if (!(node->tag[0] & 0x20) && !(node->tag[0] == 0x04 && is_value(in))) {
        return 0;
    }
    node->parts = 1;
    return read_values(tree, node, in, depth + 1);
}

static size_t read_values(der_tree_t *tree, der_node_t *parent, octets_t in, int depth)
{
    der_node_t **link = &parent->first;
    size_t values = 0;

    while (in.n) {
        der_node_t *node = der_tree_new(tree);
        octets_t contents;
        size_t n_tag;

        if (!node)
            break;
        *link = node;
        link = &node->next;
        /* the last node takes what is left, so that nothing gets lost */
        if (depth > MAX_DEPTH || tree->n_nodes == DER_TREE_NODES || !read_head(in, &n_tag, &contents)) {
            node->leaf = in.p;
            node->n_leaf = in.n;
            break;
        }
        memcpy(node->tag, in.p, n_tag);
        node->n_tag = (uint8_t)n_tag;
        values += 1 + read_contents(tree, node, contents, depth);
        in = (octets_t){contents.p + contents.n, (size_t)(in.p + in.n - contents.p) - contents.n};
    }
    return values;
}

size_t der_tree_parse(der_tree_t *tree, const uint8_t *data, size_t size)
{
    tree->n_nodes = 0;
    memset(&tree->top, 0, sizeof(tree->top));
    tree->top.parts = 1;
    return read_values(tree, &tree->top, (octets_t){data, size}, 0);
}

der_node_t *der_tree_copy(der_tree_t *tree, const der_node_t *node)
{
    der_node_t *copy = der_tree_new(tree), **link;

    if (!copy)
        return NULL;
    *copy = *node;
    copy->first = copy->next = NULL;
    link = &copy->first;
    for (const der_node_t *child = node->first; child; child = child->next) {
        *link = der_tree_copy(tree, child);
        if (!*link)
            return NULL;
        link = &(*link)->next;
    }
    return copy;
}

/* ---- writing */

static size_t octets_of(size_t length)
{
    size_t octets = 1;

    while (octets < sizeof(length) && length >> (8 * octets))
        octets++;
    return octets;
}

/* Length octets to out, which has room for 6; returns how many */
static size_t put_length(uint8_t *out, size_t length, der_form_t form)
{
    size_t octets = length < 0x80 ? 0 : octets_of(length), n = 0;

    switch (form) {
    case DER_FORM_MORE:
        return put_length(out, length + 1, DER_FORM_DER);
    case DER_FORM_LESS:
        return put_length(out, length ? length - 1 : 0, DER_FORM_DER);
    case DER_FORM_HUGE:
        return put_length(out, LENGTH_MAX, DER_FORM_DER);
    case DER_FORM_INDEFINITE:
    case DER_FORM_RESERVED:
        out[0] = form == DER_FORM_RESERVED ? 0xff : 0x80;
        return 1;
    case DER_FORM_LONG:
        octets = 4;
        break;
    case DER_FORM_NOT_MINIMAL:
        octets++;
        break;
    default:
        break;
    }
    if (octets)
        out[n++] = (uint8_t)(0x80 | octets);
    else
        out[n++] = (uint8_t)length;
    while (octets-- > 0)
        out[n++] = (uint8_t)(length >> (8 * octets));
    return n;
}

/* Fills size from the leaves up; returns what the whole node takes */
static size_t measure(der_node_t *node)
{
    uint8_t length[6];

    node->size = node->n_leaf;
    if (node->parts) {
        node->size = node->bits;
        for (der_node_t *child = node->first; child; child = child->next)
            node->size += measure(child);
    }
    if (!node->n_tag)
        return node->size;
    return node->n_tag + put_length(length, node->size, node->form) + node->size +
           (node->form == DER_FORM_INDEFINITE ? 2 : 0);
}

/* There is room: it was measured */
static uint8_t *put_node(uint8_t *w, const der_node_t *node)
{
    if (node->n_tag) {
        memcpy(w, node->tag, node->n_tag);
        w += node->n_tag;
        w += put_length(w, node->size, node->form);
    }
    if (!node->parts) {
        if (node->n_leaf)
            memcpy(w, node->leaf, node->n_leaf);
        w += node->n_leaf;
    } else {
        if (node->bits)
            *w++ = 0;
        for (const der_node_t *child = node->first; child; child = child->next)
            w = put_node(w, child);
    }
    if (node->n_tag && node->form == DER_FORM_INDEFINITE) {
        *w++ = 0;
        *w++ = 0;
    }
    return w;
}

size_t der_tree_write(uint8_t *out, size_t max, der_node_t *node)
{
    size_t size = measure(node);

    if (size > max)
        return 0;
    return (size_t)(put_node(out, node) - out);
}
