/* SPDX-License-Identifier: MIT */
/*
 * client_kit.h: a client of a fake_server with an empty batch, in a directory of its own that is the current one. For
 * tests of what leaves the process.
 */
#ifndef FSOP_CLIENT_KIT_H
#define FSOP_CLIENT_KIT_H

#include "tests/support/fake_server.h"

extern struct fake_server fake;
extern struct fsop_batch *batch;
extern char directory[64]; /* a/b/, link -> a/b, dangling -> nowhere */

/* Fixtures: a daemon that sees the same paths, or other ones. */
void setup(void);
void setup_foreign(void);
void setup_with(const struct welcome *welcome); /* NULL: the usual */
void teardown(void);

void expect_path(struct bytes path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends what was added and shows how the daemon sees it. */
struct batch sent(void);

#endif
