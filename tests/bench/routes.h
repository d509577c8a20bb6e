/* SPDX-License-Identifier: MIT */
/*
 * routes.h: fsop-bench routes, with what follows that word. The exit status. A header of its own: it runs the backend
 * itself.
 */
#ifndef FSOP_BENCH_ROUTES_H
#define FSOP_BENCH_ROUTES_H

int routes_main(int argc, char **argv);

#endif
