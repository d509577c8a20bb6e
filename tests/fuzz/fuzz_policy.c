/* SPDX-License-Identifier: MIT */
/*
 * fuzz_policy.c: whatever a policy file holds, reading it ends in rules or in a message, and the rules answer
 * questions. The input is a file, a zero byte, and a path to ask about.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/policy_internal.h"
#include "tests/support/fake_sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
        if (!holds)
                abort();
}

static void ask(const struct policy *policy, struct bytes path) {
        static const struct peer peers[] = {{.uid = 0, .fully_capable = true},
                                            {.uid = 0},
                                            {.uid = 1000, .gid = 1000},
                                            {.uid = 1001, .foreign = true}};

        for (unsigned i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
                for (unsigned verb = 1; verb < FSOP_VERB_LIMIT; verb++)
                        for (unsigned as = FSOP_AS_AUTO; as <= FSOP_AS_ELEVATED; as++) {
                                struct operation op = {.verb = (enum fsop_verb)verb, .as = (enum fsop_as)as};
                                struct question question = {.peer = &peers[i], .op = &op};
                                struct verdict verdict;

                                op.at = op.to = (struct location){.kind = LOCATION_PATH, .path = path};
                                question.at = question.to = (struct end){.present = true, .path = path};
                                if (verb == FSOP_VERB_SETXATTR || verb == FSOP_VERB_GETXATTR ||
                                    verb == FSOP_VERB_REMOVEXATTR)
                                        op.args.xattr.name = path;
                                policy_decide(policy, &question, &verdict);
                                must(verdict.kind != VERDICT_DENIED || (verdict.code < 0 && verdict.why));
                                must(verdict.kind != VERDICT_ELEVATED ||
                                     (verdict.rule && as != FSOP_AS_CALLER && !peers[i].foreign));
                        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, 0, size);
        size_t len = end ? (size_t)(end - data) : size;
        struct bytes path = {end ? end + 1 : data, end ? size - len - 1 : 0};
        struct policy_report report = {0};
        struct policy *policy = NULL;
        const char *file = "/p.yaml";
        char *text;

        if (path.len > WIRE_PATH_BYTES_MAX)
                path.len = WIRE_PATH_BYTES_MAX;
        fake_reset();
        text = malloc(len + 1);
        if (!text)
                return 0;
        memcpy(text, data, len);
        text[len] = '\0';
        fake_file_add(file, text);
        if (policy_load_files(&file, 1, true, &policy, &report) == 0) {
                must(report.n_rules == policy->n_rules);
                ask(policy, path);
        } else
                must(!policy && report.n_notes > 0);
        policy_report_fini(&report);
        policy_unref(policy);
        free(text);
        return 0;
}
