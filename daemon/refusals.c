/* SPDX-License-Identifier: MIT */
/*
 * refusals.c: counters, and a line for each at the end of a period.
 */
#include "daemon/refusals.h"

#include <string.h>

#include "daemon/log.h"

bool refusals_add(struct refusals *refusals, enum refusal kind, uint64_t now_ms) {
        refusals_tick(refusals, now_ms);
        if (refusals->end_ms == 0)
                refusals->end_ms = now_ms + REFUSALS_PERIOD_MS;
        return ++refusals->n[kind] <= REFUSALS_TOLD;
}

void refusals_tick(struct refusals *refusals, uint64_t now_ms) {
        static const char *const what[N_REFUSALS] = {"connections were refused",
                                                     "times a connection could not be accepted",
                                                     "sessions were closed for what they sent or did not send"};

        if (refusals->end_ms == 0 || now_ms < refusals->end_ms)
                return;
        for (unsigned kind = 0; kind < N_REFUSALS; kind++)
                if (refusals->n[kind] > REFUSALS_TOLD)
                        log_line(LOG_LEVEL_WARNING, "%llu further %s within %u s",
                                 (unsigned long long)(refusals->n[kind] - REFUSALS_TOLD), what[kind],
                                 REFUSALS_PERIOD_MS / 1000);
        memset(refusals, 0, sizeof(*refusals));
}
