/* SPDX-License-Identifier: MIT */
/*
 * fuzz_config.c: whatever the configuration file holds, reading it ends in settings that the daemon can live with or in
 * a message.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_sys.h"

static void check(const struct config *config) {
        const struct config_limits *limits = &config->limits;

        must(config->file && config->socket[0] == '/' && config->state_dir[0] == '/');
        for (uint32_t i = 0; i < config->n_policy_dirs; i++)
                must(config->policy_dirs[i][0] == '/');
        must(strcmp(config->audit, "journal") == 0 || strcmp(config->audit, "stderr") == 0 ||
             strncmp(config->audit, "file:/", 6) == 0);
        must(config->socket_mode <= 07777 && config->workers <= 64);
        must(config_engine_name(config->engine));
        must(limits->connections > 0 && limits->connections_per_uid > 0 && limits->handles > 0 && limits->jobs > 0);
        must(limits->batches_in_flight > 0 && limits->batches_in_flight <= 64);
        must(limits->batch_ops > 0 && limits->batch_ops <= WIRE_BATCH_OPS_MAX);
        must(limits->frame_bytes >= 4096 && limits->frame_bytes <= WIRE_FRAME_BYTES_MAX);
        must(limits->bytes_in_flight > 0 && limits->bytes_per_uid > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char file[] = "/c.yaml";
        struct config *config = NULL;
        char *error = NULL, *text = malloc(size + 1);
        const char *zero = size > 0 ? memchr(data, 0, size) : NULL;

        must(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        fake_reset();
        fake_file_add(file, text);
        fuzz_accepted = config_load(file, zero != NULL, &config, &error) == 0;
        if (fuzz_accepted) {
                must(!error);
                check(config);
        } else
                must(!config && error && error[0]);
        free(error);
        config_free(config);
        free(text);
        return 0;
}
