/* SPDX-License-Identifier: MIT */
/*
 * spin.h: whether it pays to look again for a moment before going to sleep. For both ends of a connection.
 *
 * Where client and daemon have a processor each, a wake-up is an interrupt to a processor that sleeps, which costs more
 * than most operations: who looks again for some microseconds instead needs none. Where they share a processor, or
 * nothing comes for long, that is time thrown away. So it is learnt: a few sleeps in a row that were shorter than the
 * time one would look start it; looking twice in vain ends it, or once if it never paid, and each such end doubles the
 * number of short sleeps it takes to start again. What is thrown away, once it was learnt, is one look in
 * SPIN_STREAK_MAX sleeps. (KVM's halt polling learns likewise.)
 *
 * Pure: no clock of its own, no system call. One thread for each struct.
 */
#ifndef FSOP_SPIN_H
#define FSOP_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SPIN_US_DEFAULT 100u
#define SPIN_US_MAX 1000u
#define SPIN_STREAK_MIN 4u
#define SPIN_STREAK_MAX 512u

struct spin {
        uint64_t ns;            /* how long to look; 0: never */
        bool on;                /* one looks now */
        uint32_t misses;        /* looks in vain, one after the other */
        uint32_t paid;          /* looks that found something, since it began */
        uint32_t streak;        /* short sleeps, one after the other */
        uint32_t streak_wanted; /* so many start it */
};

/* US: how long to look at most, in microseconds; 0: never. */
void spin_init(struct spin *spin, uint32_t us);

/* After a look, whether it found something. */
void spin_looked(struct spin *spin, bool found);

/* After a sleep without a look before it: how long it was. */
void spin_slept(struct spin *spin, uint64_t ns);

#endif
