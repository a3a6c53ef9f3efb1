/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_gate.h"

#include <string.h>

/*
 * Each place, and the circuit breaker, is one word of 64 bits, changed by compare-and-swap alone: whoever dies in
 * between leaves nothing half done. Times are in ticks of 1/16 second, rounded up.
 *
 *   place    until 38 | epoch 13 | ticket 13
 *            until 0: it is free; else the end of its lease. The ticket counts who took it, so that one who comes back
 *            after its lease finds that the place has passed to another. The epoch is that of the breaker then.
 *   breaker  until 38 | epoch 13 | failures 7 | step 4 | probing 1 | told 1
 *            until 0: open. Else closed until then; when one is let through to see (probing), the end of its lease.
 *            step: how often the cooldown has doubled. told: CA_GATE_WENT_DOWN was returned for it.
 *
 * The epoch changes whenever the breaker closes or lets one through to see. A result counts only in the epoch that its
 * request came in: what was under way when the gate closed neither opens it, though it ends well after all, nor keeps
 * it closed for longer. Epochs and tickets come round after 8192 changes, which takes longer than any lease.
 */

#define TICKS 16
#define BITS_UNTIL 38
#define BITS_EPOCH 13
#define BITS_TICKET 13
#define MASK(bits) ((1u << (bits)) - 1)
#define MAX_FAILURES 100 /* fits into 7 bits */
#define MAX_STEP 9       /* 1 second doubles that often up to the most */

typedef struct {
    apr_uint64_t until;
    unsigned epoch, ticket;
} place_t;

typedef struct {
    apr_uint64_t until;
    unsigned epoch, failures, step, probing, told;
} breaker_t;

struct ca_gate_t {
    apr_uint64_t breaker;
    apr_uint64_t unused[7]; /* gates stand side by side: each has cache lines of its own */
    apr_uint64_t places[CA_GATE_MAX];
};

static apr_uint64_t pack_place(const place_t *place)
{
    return place->until << (BITS_EPOCH + BITS_TICKET) | (apr_uint64_t)place->epoch << BITS_TICKET | place->ticket;
}

static place_t unpack_place(apr_uint64_t word)
{
    place_t place = {word >> (BITS_EPOCH + BITS_TICKET), (unsigned)(word >> BITS_TICKET) & MASK(BITS_EPOCH),
                     (unsigned)word & MASK(BITS_TICKET)};

    return place;
}

static apr_uint64_t pack_breaker(const breaker_t *breaker)
{
    return breaker->until << 26 | (apr_uint64_t)breaker->epoch << 13 | (apr_uint64_t)breaker->failures << 6 |
           (apr_uint64_t)breaker->step << 2 | (apr_uint64_t)breaker->probing << 1 | breaker->told;
}

static breaker_t unpack_breaker(apr_uint64_t word)
{
    breaker_t breaker = {word >> 26,
                         (unsigned)(word >> 13) & MASK(BITS_EPOCH),
                         (unsigned)(word >> 6) & MASK(7),
                         (unsigned)(word >> 2) & MASK(4),
                         (unsigned)(word >> 1) & 1,
                         (unsigned)word & 1};

    return breaker;
}

static apr_uint64_t load(const apr_uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static int swap(apr_uint64_t *word, apr_uint64_t from, apr_uint64_t to)
{
    return __atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Rounded down, for the time that it is */
static apr_uint64_t ticks_now(apr_time_t now)
{
    return now <= 0 ? 0 : (apr_uint64_t)now * TICKS / APR_USEC_PER_SEC;
}

/* Rounded up, for times that are to come and for how long something lasts: nothing ends early */
static apr_uint64_t ticks(apr_time_t t)
{
    return t <= 0 ? 0 : ((apr_uint64_t)t * TICKS + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC;
}

/* An end that is further away than any can be was set before the clock was put back: over, too. Not when that is
 * little, for now may be of a thread that had to wait since it looked at the clock. */
static int is_over(apr_uint64_t until, const ca_gate_rules_t *rules, apr_time_t now)
{
    apr_time_t most = apr_time_from_sec(CA_GATE_MAX_COOLDOWN);

    if (most < rules->lease)
        most = rules->lease;
    return until <= ticks_now(now) || until > ticks(now + most + APR_TIME_C(60) * APR_USEC_PER_SEC);
}

static apr_uint64_t cooldown(const ca_gate_rules_t *rules, unsigned step)
{
    apr_interval_time_t most = apr_time_from_sec(CA_GATE_MAX_COOLDOWN), t = rules->cooldown;

    while (step-- && t < most)
        t *= 2;
    return ticks(t < most ? t : most);
}

apr_size_t ca_gate_size(void)
{
    return sizeof(ca_gate_t);
}

/* ---- the circuit breaker */

static unsigned next_epoch(unsigned epoch)
{
    return (epoch + 1) & MASK(BITS_EPOCH);
}

/* when: in ticks */
static void count_failure(breaker_t *breaker, const ca_gate_rules_t *rules, apr_uint64_t when)
{
    if (breaker->probing) {
        breaker->step += breaker->step < MAX_STEP;
    } else {
        breaker->failures += breaker->failures < MAX_FAILURES;
        if (breaker->failures < (unsigned)rules->failures && breaker->failures < MAX_FAILURES)
            return;
        breaker->step = 0;
        breaker->told = 0;
    }
    breaker->probing = 0;
    breaker->epoch = next_epoch(breaker->epoch);
    breaker->until = when + cooldown(rules, breaker->step);
}

/* Of a request that came in that epoch. told: whether the caller can say what has changed; else that waits for one who
 * can. */
static ca_gate_change_t count(ca_gate_t *gate, const ca_gate_rules_t *rules, unsigned epoch, ca_gate_result_t result,
                              int told, apr_time_t now)
{
    for (;;) {
        apr_uint64_t word = load(&gate->breaker);
        breaker_t breaker = unpack_breaker(word), next = breaker;
        ca_gate_change_t change = CA_GATE_SAME;

        if (breaker.epoch != epoch ||
            (!breaker.until && (result == CA_GATE_UNTRIED || (result == CA_GATE_GOOD && !breaker.failures))))
            return CA_GATE_SAME;
        /* Open, or the request is the one that was let through to see */
        if (result == CA_GATE_BAD) {
            count_failure(&next, rules, ticks_now(now));
            if (next.until && told && !next.told) {
                next.told = 1;
                change = CA_GATE_WENT_DOWN;
            }
        } else if (result == CA_GATE_GOOD) {
            if (breaker.told)
                change = CA_GATE_CAME_BACK;
            next.until = 0;
            next.failures = next.step = next.probing = next.told = 0;
        } else {
            next.probing = 0;
            next.until = 1; /* long over: the next one may see at once */
        }
        if (swap(&gate->breaker, word, pack_breaker(&next)))
            return change;
    }
}

/* Who was let through to see has not come back: that was a failure, when its lease ended */
static void count_lost_probe(breaker_t *breaker, const ca_gate_rules_t *rules, apr_time_t now)
{
    apr_uint64_t today = ticks_now(now);

    count_failure(breaker, rules, breaker->until < today ? breaker->until : today);
}

/* Seconds until another one is let through, at least 1 */
static int wait_of(const breaker_t *breaker, const ca_gate_rules_t *rules, apr_time_t now)
{
    apr_uint64_t left = breaker->until - ticks_now(now), first = cooldown(rules, 0);

    if (breaker->probing && left > first) /* its lease is for the worst case */
        left = first;
    return left <= TICKS ? 1 : (int)((left + TICKS - 1) / TICKS);
}

int ca_gate_wait(const ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now)
{
    breaker_t breaker = unpack_breaker(load(&gate->breaker));

    return breaker.until && !is_over(breaker.until, rules, now) ? wait_of(&breaker, rules, now) : 0;
}

/* ---- places */

/* How many may be used: as many as the rules say, less those that are taken beyond, from when the rules said more */
static int usable(const ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now)
{
    int n = rules->places < CA_GATE_MAX ? rules->places : CA_GATE_MAX;

    for (int i = rules->places; i < CA_GATE_MAX; i++)
        n -= !is_over(unpack_place(load(&gate->places[i])).until, rules, now);
    return n;
}

/* 0: there is none */
static int take(int *place, ca_gate_t *gate, const ca_gate_rules_t *rules, unsigned epoch, apr_time_t now)
{
    for (int i = 0, n = usable(gate, rules, now); i < n; i++) {
        apr_uint64_t word = load(&gate->places[i]);
        place_t before = unpack_place(word), after = {ticks(now + rules->lease), epoch, before.ticket};

        if (!is_over(before.until, rules, now))
            continue;
        after.ticket = (after.ticket + 1) & MASK(BITS_TICKET);
        if (!swap(&gate->places[i], word, pack_place(&after)))
            continue;
        *place = i | (int)(after.ticket * CA_GATE_MAX);
        if (before.until) /* who had it has not come back */
            count(gate, rules, before.epoch, CA_GATE_BAD, 0, now);
        return 1;
    }
    return 0;
}

/* 0: the lease was over, and another one has the place */
static int release(unsigned *epoch, ca_gate_t *gate, int place)
{
    apr_uint64_t *word = &gate->places[place % CA_GATE_MAX];

    for (;;) {
        apr_uint64_t before = load(word);
        place_t mine = unpack_place(before);

        if (!mine.until || mine.ticket != (unsigned)place / CA_GATE_MAX)
            return 0;
        *epoch = mine.epoch;
        mine.until = 0;
        if (swap(word, before, pack_place(&mine)))
            return 1;
    }
}

/* ---- both */

ca_gate_verdict_t ca_gate_enter(int *place, int *wait, ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now)
{
    *wait = 1;
    for (;;) {
        apr_uint64_t word = load(&gate->breaker);
        breaker_t breaker = unpack_breaker(word), next = breaker;
        unsigned epoch;

        if (breaker.until && !is_over(breaker.until, rules, now)) {
            *wait = wait_of(&breaker, rules, now);
            return CA_GATE_CLOSED;
        }
        if (breaker.probing) {
            count_lost_probe(&next, rules, now);
            swap(&gate->breaker, word, pack_breaker(&next));
            continue;
        }
        if (breaker.until) {
            next.probing = 1;
            next.epoch = next_epoch(breaker.epoch);
            next.until = ticks(now + rules->lease);
        }
        if (!take(place, gate, rules, next.epoch, now))
            return CA_GATE_FULL;
        /* Taking a place may have been one failure too many, and another one may have been quicker to see */
        if (next.probing ? swap(&gate->breaker, word, pack_breaker(&next))
                         : unpack_breaker(load(&gate->breaker)).epoch == next.epoch)
            return CA_GATE_OPEN;
        release(&epoch, gate, *place);
    }
}

ca_gate_change_t ca_gate_leave(ca_gate_t *gate, const ca_gate_rules_t *rules, int place, ca_gate_result_t result,
                               apr_time_t now)
{
    unsigned epoch;

    return release(&epoch, gate, place) ? count(gate, rules, epoch, result, 1, now) : CA_GATE_SAME;
}

void ca_gate_look(ca_gate_look_t *out, const ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now)
{
    breaker_t breaker = unpack_breaker(load(&gate->breaker));

    memset(out, 0, sizeof(*out));
    if (breaker.probing && is_over(breaker.until, rules, now))
        count_lost_probe(&breaker, rules, now); /* as the next one that comes will find it */
    if (breaker.until) {
        out->state = breaker.probing || is_over(breaker.until, rules, now) ? CA_GATE_IS_HALF_OPEN : CA_GATE_IS_CLOSED;
        if (out->state == CA_GATE_IS_CLOSED)
            out->wait = wait_of(&breaker, rules, now);
    }
    out->failures = (int)breaker.failures;
    for (int i = 0; i < CA_GATE_MAX; i++)
        out->inside += !is_over(unpack_place(load(&gate->places[i])).until, rules, now);
}
