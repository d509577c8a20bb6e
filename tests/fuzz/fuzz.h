/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h: what every entry point shares. A fuzzer gives it bytes; what must hold whatever they are is demanded with
 * must(), which ends the program. Linked with libFuzzer, or with afl_main.c, which also replays files.
 */
#ifndef FSOP_FUZZ_H
#define FSOP_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether the last input was what its reader takes for good: true for files of the corpus named y_*, false for n_*. */
extern bool fuzz_accepted;

#define must(holds, ...) ((holds) ? (void)0 : fuzz_failed(#holds, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* An input that is used up from its front; behind its end there are zeros. */
struct input {
        const uint8_t *data;
        size_t len;
};

static inline uint8_t input_byte(struct input *input) {
        if (input->len == 0)
                return 0;
        input->len--;
        return *input->data++;
}

static inline uint64_t input_number(struct input *input, unsigned bytes) {
        uint64_t value = 0;

        for (unsigned i = 0; i < bytes; i++)
                value |= (uint64_t)input_byte(input) << 8 * i;
        return value;
}

/* LEN bytes, or as many as there are. */
static inline const uint8_t *input_bytes(struct input *input, size_t *len) {
        const uint8_t *data = input->data;

        if (*len > input->len)
                *len = input->len;
        if (*len > 0)
                input->data += *len;
        input->len -= *len;
        return data;
}

#endif
