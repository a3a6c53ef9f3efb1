/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "der_mutator.h"
#include "csr_signer.h"
#include "der_dictionary.h"
#include "der_tree.h"

#include <stdlib.h>
#include <string.h>

#define SCRATCH_SIZE 65536
#define STEPS_MAX 4

/* libFuzzer's own; not there where a target is only replayed */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

/* Where a node hangs, so that it can be taken away and others put before it */
typedef struct {
    der_node_t **link;
    unsigned depth;
} place_t;

/* One mutation. Static: libFuzzer has one thread. */
static struct {
    uint64_t random;
    der_tree_t tree, donor;
    place_t places[DER_TREE_NODES];
    size_t n_places;
    uint8_t scratch[SCRATCH_SIZE]; /* new contents of leaves */
    size_t scratch_used;
    uint8_t copy[SCRATCH_SIZE], out[SCRATCH_SIZE];
} m;

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = m.random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return n ? (size_t)(next_random() % n) : 0;
}

static int one_in(size_t n)
{
    return below(n) == 0;
}

/* ---- nodes */

static void collect(der_node_t **link, unsigned depth)
{
    for (; *link && m.n_places < DER_TREE_NODES; link = &(*link)->next) {
        m.places[m.n_places++] = (place_t){link, depth};
        collect(&(*link)->first, depth + 1);
    }
}

static place_t *any_place(void)
{
    m.n_places = 0;
    collect(&m.tree.top.first, 0);
    return m.n_places ? &m.places[below(m.n_places)] : NULL;
}

/* Any node that has a tag; NULL when some tries find none */
static der_node_t *any_node(void)
{
    for (int i = 0; i < 8; i++) {
        place_t *place = any_place();

        if (place && (*place->link)->n_tag)
            return *place->link;
    }
    return NULL;
}

static der_node_t *any_parent(void)
{
    for (int i = 0; i < 8; i++) {
        der_node_t *node = any_node();

        if (node && node->parts)
            return node;
    }
    return NULL;
}

static void insert(der_node_t **link, der_node_t *node)
{
    node->next = *link;
    *link = node;
}

/* Somewhere among the children of parent */
static void adopt(der_node_t *parent, der_node_t *node)
{
    der_node_t **link = &parent->first;

    while (*link && !one_in(3))
        link = &(*link)->next;
    insert(link, node);
}

static int set_leaf(der_node_t *node, octets_t contents)
{
    node->parts = node->bits = 0;
    node->first = NULL;
    node->leaf = contents.p;
    node->n_leaf = contents.n;
    return 1;
}

static octets_t keep(const uint8_t *p, size_t n)
{
    uint8_t *kept = m.scratch + m.scratch_used;

    if (n > SCRATCH_SIZE - m.scratch_used)
        n = SCRATCH_SIZE - m.scratch_used;
    if (n)
        memcpy(kept, p, n);
    m.scratch_used += n;
    return (octets_t){kept, n};
}

static octets_t pick(const octets_t *table, size_t n)
{
    return table[below(n)];
}
#define PICK(table) pick(table, COUNT(table))

/* ---- steps; each returns whether it changed something */

static int step_tag(void)
{
    static const uint8_t tags[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18,
                                   0x1a, 0x1c, 0x1e, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0x87, 0x88, 0xa0, 0xa1, 0xa3};
    der_node_t *node = any_node();

    if (!node)
        return 0;
    if (one_in(16)) {
        static const uint8_t long_tag[] = {0x1f, 0x81, 0x01};

        node->n_tag = (uint8_t)(2 + below(2));
        memcpy(node->tag, long_tag, sizeof(long_tag));
        node->tag[0] |= (uint8_t)(below(8) << 5);
    } else {
        node->n_tag = 1;
        node->tag[0] = one_in(4) ? node->tag[0] ^ 0x20 : tags[below(sizeof(tags))];
    }
    return 1;
}

static int step_delete(void)
{
    place_t *place = any_place();

    if (!place || m.n_places < 2)
        return 0;
    *place->link = (*place->link)->next;
    return 1;
}

static int step_duplicate(void)
{
    place_t *place = any_place();
    int times = one_in(32) ? 64 + (int)below(200) : 1;

    for (; place && times > 0; times--) {
        der_node_t *copy = der_tree_copy(&m.tree, *place->link);

        if (!copy)
            return 0;
        insert(&(*place->link)->next, copy);
    }
    return place != NULL;
}

/* With the one behind it */
static int step_swap(void)
{
    place_t *place = any_place();
    der_node_t *node = place ? *place->link : NULL, *other = node ? node->next : NULL;

    if (!other)
        return 0;
    node->next = other->next;
    other->next = node;
    *place->link = other;
    return 1;
}

static int is_below(const der_node_t *node, const der_node_t *top)
{
    if (node == top)
        return 1;
    for (const der_node_t *child = top->first; child; child = child->next)
        if (is_below(node, child))
            return 1;
    return 0;
}

static int step_move(void)
{
    der_node_t *parent = any_parent();
    place_t *place = any_place();
    der_node_t *node = place ? *place->link : NULL;

    if (!parent || !node || is_below(parent, node))
        return 0;
    *place->link = node->next;
    adopt(parent, node);
    return 1;
}

/* A value of the dictionary, beside others or instead of one */
static int step_add(void)
{
    octets_t snippet = PICK(snippets);
    der_node_t *node, *parent = any_parent();

    if (!parent || !der_tree_parse(&m.donor, snippet.p, snippet.n))
        return 0;
    node = der_tree_copy(&m.tree, m.donor.top.first);
    if (!node)
        return 0;
    if (one_in(3) && parent->first)
        parent->first = parent->first->next;
    adopt(parent, node);
    return 1;
}

static octets_t contents_for(uint8_t tag)
{
    switch (tag & 0x9f) {
    case 0x01:
        return PICK(booleans);
    case 0x02:
    case 0x0a:
        return PICK(integers);
    case 0x03:
        return PICK(bit_strings);
    case 0x06:
    case 0x88:
        return PICK(oids);
    default:
        return PICK(texts);
    }
}

/* Contents that are of interest for the type */
static int step_contents(void)
{
    der_node_t *node = any_node();

    return node && !node->parts && set_leaf(node, contents_for(node->tag[0]));
}

/* Some text before, in or behind what is there: a control character in a name that is fine otherwise */
static int step_insert_text(void)
{
    der_node_t *node = any_node();
    octets_t text = PICK(texts), head, tail;
    size_t at;

    if (!node || node->parts)
        return 0;
    at = below(node->n_leaf + 1);
    head = keep(node->leaf, at);
    keep(text.p, text.n);
    tail = keep(node->leaf + at, node->n_leaf - at);
    return set_leaf(node, (octets_t){head.p, (size_t)(tail.p - head.p) + tail.n});
}

/* To the limits of lengths */
static int step_lengthen(void)
{
    static const size_t lengths[] = {0, 1, 2, 63, 64, 65, 127, 128, 253, 254, 255, 256, 257, 1024, 2048, 2049};
    der_node_t *node = any_node();
    size_t want = lengths[below(COUNT(lengths))];
    octets_t first = {m.scratch + m.scratch_used, 0};

    if (!node || node->parts || !node->n_leaf)
        return 0;
    while (first.n < want) {
        octets_t more = keep(node->leaf, node->n_leaf < want - first.n ? node->n_leaf : want - first.n);

        if (!more.n)
            break;
        first.n += more.n;
    }
    return set_leaf(node, first);
}

static size_t mutate_octets(uint8_t *data, size_t size, size_t max)
{
    if (LLVMFuzzerMutate)
        return LLVMFuzzerMutate(data, size, max);
    if (size)
        data[below(size)] ^= (uint8_t)(1 + below(255));
    return size;
}

/* As libFuzzer would change them, but these alone */
static int step_octets(void)
{
    der_node_t *node = any_node();
    size_t room = SCRATCH_SIZE - m.scratch_used;
    octets_t leaf;

    if (!node || node->parts || !node->n_leaf || room < node->n_leaf + 16)
        return 0;
    leaf = keep(node->leaf, node->n_leaf);
    m.scratch_used -= leaf.n;
    leaf.n = mutate_octets(m.scratch + m.scratch_used, leaf.n, leaf.n + 16);
    m.scratch_used += leaf.n;
    return set_leaf(node, leaf);
}

static int step_length(void)
{
    der_node_t *node = any_node();

    if (!node)
        return 0;
    node->form = (der_form_t)below(DER_FORM_COUNT);
    return 1;
}

/* In one more value, or in very many */
static int step_wrap(void)
{
    static const uint8_t tags[] = {0x30, 0x31, 0xa0, 0xa1, 0x04, 0x24};
    place_t *place = any_place();
    size_t times = one_in(8) ? 1 + below(40) : 1;
    uint8_t tag = tags[below(sizeof(tags))];

    for (; place && times > 0; times--) {
        der_node_t *outer = der_tree_new(&m.tree), *node = *place->link;

        if (!outer)
            return 0;
        outer->tag[0] = tag;
        outer->n_tag = outer->parts = 1;
        outer->next = node->next;
        node->next = NULL;
        outer->first = node;
        *place->link = outer;
    }
    return place != NULL;
}

static int step_unwrap(void)
{
    place_t *place = any_place();
    der_node_t *node = place ? *place->link : NULL, **end;

    if (!node || !node->first)
        return 0;
    for (end = &node->first; *end;)
        end = &(*end)->next;
    *end = node->next;
    *place->link = node->first;
    return 1;
}

static int step_trailing(void)
{
    der_node_t *node = der_tree_new(&m.tree), **link = &m.tree.top.first;
    octets_t octets = PICK(texts);

    if (!node)
        return 0;
    node->leaf = octets.p;
    node->n_leaf = octets.n;
    while (*link)
        link = &(*link)->next;
    insert(link, node);
    return 1;
}

/* Those that leave most of it DER stand more than once */
static int (*const steps[])(void) = {
    step_tag,    step_delete,   step_duplicate, step_swap,     step_move,   step_add,         step_add,
    step_add,    step_contents, step_contents,  step_contents, step_octets, step_octets,      step_insert_text,
    step_length, step_wrap,     step_unwrap,    step_trailing, step_swap,   step_insert_text, step_lengthen,
};

/* ---- */

static void start(unsigned seed)
{
    m.random = seed;
    m.scratch_used = 0;
}

/* What follows the options, as a tree; 0 when it has nothing of DER */
static size_t parse(der_tree_t *tree, const uint8_t *data, size_t size, size_t prefix)
{
    return size > prefix ? der_tree_parse(tree, data + prefix, size - prefix) : 0;
}

/* The tree to out behind the options; 0 when it does not fit */
static size_t finish(uint8_t *out, size_t max, const uint8_t *options, size_t prefix)
{
    size_t n = max > prefix && max - prefix <= SCRATCH_SIZE ? der_tree_write(m.out, max - prefix, &m.tree.top) : 0;

    if (!n)
        return 0;
    memmove(out, options, prefix);
    memcpy(out + prefix, m.out, n);
    return n + prefix;
}

static void mutate_tree(void)
{
    size_t wanted = 1 + below(STEPS_MAX);

    for (int tries = 0; wanted && tries < 16; tries++)
        wanted -= (size_t)(steps[below(COUNT(steps))]() != 0);
}

size_t der_mutator_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, size_t prefix, der_mutator_sign_t sign)
{
    size_t n;

    start(seed);
    if (max > SCRATCH_SIZE)
        max = SCRATCH_SIZE;
    if (size > max || one_in(16) || !parse(&m.tree, data, size, prefix))
        return mutate_octets(data, size, max);
    if (prefix && one_in(4))
        data[below(prefix)] = (uint8_t)next_random();
    memcpy(m.copy, data, size); /* the leaves must not change while the tree is written */
    parse(&m.tree, m.copy, size, prefix);
    mutate_tree();
    if (sign != DER_MUTATOR_PLAIN && !one_in(4))
        csr_signer_sign(&m.tree, sign == DER_MUTATOR_SIGN_ED25519 || one_in(4) ? CSR_SIGNER_ED25519 : CSR_SIGNER_P256);
    n = finish(data, max, data, prefix);
    return n ? n : mutate_octets(data, size, max);
}

size_t der_mutator_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out, size_t max,
                         unsigned seed, size_t prefix)
{
    der_node_t *donated, *node;
    place_t *place;

    start(seed);
    if (!parse(&m.donor, b, b_size, prefix) || !parse(&m.tree, a, a_size, prefix))
        return 0;
    /* a donor has a tag: the last node alone may have none */
    donated = &m.donor.nodes[below(m.donor.n_nodes)];
    node = donated->n_tag ? der_tree_copy(&m.tree, donated) : NULL;
    if (!node || !(place = any_place()))
        return 0;
    for (int tries = 0; tries < 8 && (*place->link)->tag[0] != node->tag[0]; tries++)
        place = any_place(); /* rather where its like stands */
    if (one_in(2)) {
        node->next = (*place->link)->next;
        *place->link = node;
    } else {
        insert(place->link, node);
    }
    return finish(out, max < SCRATCH_SIZE ? max : SCRATCH_SIZE, a, prefix);
}
