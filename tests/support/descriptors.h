/* SPDX-License-Identifier: MIT */
/*
 * descriptors.h: how many descriptors this process has open, to be compared before and after.
 */
#ifndef FSOP_TESTS_DESCRIPTORS_H
#define FSOP_TESTS_DESCRIPTORS_H

unsigned open_descriptors(void);

#endif
