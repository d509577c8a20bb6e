/* SPDX-License-Identifier: MIT */
/*
 * codec_samples.h: messages with the most extreme values each operation and answer can have, and comparisons of them.
 */
#ifndef FSOP_TEST_CODEC_SAMPLES_H
#define FSOP_TEST_CODEC_SAMPLES_H

#include "proto/message.h"

#define SAMPLE_FDS 3u /* descriptors that the samples need beside them */

/* Operations: at least one of every verb. Static memory, read only. */
const struct operation *sample_operations(uint32_t *ret_n);
/* Results: at least one of every verb, successes and failures. */
const struct result *sample_results(uint32_t *ret_n);
struct hello sample_hello(void);
struct welcome sample_welcome(void);
struct error sample_error(void);
/* Every number at its longest, short paths. */
struct job_info sample_longest_job(void);

/* The body of MESSAGE's frame in memory of exactly its size, to be freed. Ends the program when it cannot be
 * encoded. */
struct bytes sample_encode(const struct message *message);
/* The same for a batch of one operation, and for results of one. */
struct bytes sample_encode_operation(const struct operation *op);
struct bytes sample_encode_result(const struct result *result);
void sample_free(struct bytes body);

bool bytes_equal(struct bytes a, struct bytes b);
bool operation_equal(const struct operation *a, const struct operation *b);
bool error_equal(const struct error *a, const struct error *b);
bool result_equal(const struct result *a, const struct result *b);
bool support_equal(const struct support *a, uint32_t n_a, const struct support *b, uint32_t n_b);

#endif
