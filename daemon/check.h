/* SPDX-License-Identifier: MIT */
/*
 * check.h: fsopd --check-config and --check-policy: what would be said at start, without starting.
 */
#ifndef FSOP_CHECK_H
#define FSOP_CHECK_H

#include <stdint.h>

#include "daemon/config.h"

/* Loads the policy of these settings; every error and warning on stdout as "FILE:LINE:COLUMN: error: …". Then looks
 * whether what the settings name is here: the engine, the directories of the socket and of the audit file, the state
 * directory, groups, rules' directories; as "FILE:LINE:COLUMN: error: KEY VALUE …", "fsopd: error: --KEY VALUE …",
 * "default: warning: KEY VALUE …". Exit status: 0, or 1 for any error, and for any warning but those about defaults. */
int check_config(const struct config *config, bool private_service);

/* The same for single files, whoever they belong to. */
int check_policy_files(const char *const *files, uint32_t n_files);

#endif
