/* SPDX-License-Identifier: MIT */
/*
 * refusals.h: keeps the log short where much is refused: the first of a kind are told as they come, of the others how
 * many they were.
 */
#ifndef FSOP_REFUSALS_H
#define FSOP_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSALS_TOLD 10u /* of each kind in a period */
#define REFUSALS_PERIOD_MS 10000u

enum refusal {
        REFUSAL_CONNECTION, /* accepted, and closed at once */
        REFUSAL_ACCEPT,     /* not even accepted */
        REFUSAL_SESSION,    /* closed for what it sent, or did not send */
        N_REFUSALS,
};

struct refusals {
        uint64_t n[N_REFUSALS]; /* in this period */
        uint64_t end_ms;        /* of the period; 0: there is none */
};

/* One more of that kind. Whether it is to be told. */
bool refusals_add(struct refusals *refusals, enum refusal kind, uint64_t now_ms);
/* Once the period is over: tells how many were not. */
void refusals_tick(struct refusals *refusals, uint64_t now_ms);

#endif
