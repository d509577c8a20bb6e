/* SPDX-License-Identifier: MIT */
/*
 * spin.c: learning whether to look before sleeping.
 */
#include "proto/spin.h"

#define MISSES_MAX 2u
#define PAID_TO_FORGET 16u /* so many forgive earlier ends */

void spin_init(struct spin *spin, uint32_t us) {
        *spin = (struct spin){.ns = (uint64_t)us * 1000, .streak_wanted = SPIN_STREAK_MIN};
}

void spin_looked(struct spin *spin, bool found) {
        if (found) {
                spin->misses = 0;
                if (++spin->paid >= PAID_TO_FORGET)
                        spin->streak_wanted = SPIN_STREAK_MIN;
                return;
        }
        if (++spin->misses < MISSES_MAX && spin->paid > 0)
                return;
        spin->on = false;
        spin->streak = 0;
        if (spin->streak_wanted < SPIN_STREAK_MAX)
                spin->streak_wanted *= 2;
}

void spin_slept(struct spin *spin, uint64_t ns) {
        spin->streak = ns < spin->ns ? spin->streak + 1 : 0;
        if (spin->streak < spin->streak_wanted)
                return;
        spin->on = true;
        spin->misses = spin->paid = spin->streak = 0;
}
