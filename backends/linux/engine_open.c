/* SPDX-License-Identifier: MIT */
/*
 * engine_open.c: which engine serves this process.
 */
#include "backends/engine.h"

#include <stdio.h>
#include <string.h>

#include "backends/linux/copy_linux.h"

#define LOG_NOTICE_LEVEL 5

#ifdef FSOP_HAVE_URING
static int open_uring(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        return engine_uring.open(config, ret_engine, ret_why);
}
#else
static int open_uring(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        (void)config;
        (void)ret_engine;
        *ret_why = "this fsopd was built without liburing";
        return -FSOP_EINVAL;
}
#endif

static int open_auto(const struct engine_config *config, struct engine **ret_engine, const char **ret_why) {
        char line[256];
        int r = open_uring(config, ret_engine, ret_why);

        if (r >= 0)
                return 0;
        if (config->log) {
                snprintf(line, sizeof(line), "io_uring is not used: %s; worker threads do its work", *ret_why);
                config->log(LOG_NOTICE_LEVEL, line);
        }
        return engine_threads.open(config, ret_engine, ret_why);
}

int engine_open(const char *name, const struct engine_config *config, struct engine **ret_engine,
                const char **ret_why) {
        copy_pump_allow_ring(strcmp(name, "threads") != 0); /* who asks for threads wants no ring anywhere */
        *ret_why = "there is no engine of this name here: auto, uring or threads";
        if (strcmp(name, "auto") == 0)
                return open_auto(config, ret_engine, ret_why);
        if (strcmp(name, "uring") == 0)
                return open_uring(config, ret_engine, ret_why);
        if (strcmp(name, "threads") == 0)
                return engine_threads.open(config, ret_engine, ret_why);
        return -FSOP_EINVAL;
}
