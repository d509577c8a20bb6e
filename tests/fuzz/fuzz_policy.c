/* SPDX-License-Identifier: MIT */
/*
 * fuzz_policy.c: whatever a policy file holds, reading it ends in rules or in a message, and the rules answer
 * questions. The input is a file, and behind a zero byte who asks for what: a byte, and a path.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_sys.h"

static const struct peer peers[] = {
        {.uid = 0, .fully_capable = true}, {.uid = 0}, {.uid = 1000, .gid = 1000}, {.uid = 1001, .foreign = true}};

static void ask(const struct policy *policy, const struct peer *peer, enum fsop_as as, struct bytes path) {
        for (unsigned verb = 1; verb < FSOP_VERB_LIMIT; verb++) {
                struct operation op = {.verb = (enum fsop_verb)verb, .as = as};
                struct question question = {.peer = peer, .op = &op};
                struct verdict verdict;

                op.at = op.to = (struct location){.kind = LOCATION_PATH, .path = path};
                question.at = question.to = (struct end){.present = true, .path = path};
                if (verb == FSOP_VERB_SETXATTR || verb == FSOP_VERB_GETXATTR || verb == FSOP_VERB_REMOVEXATTR)
                        op.args.xattr.name = path;
                policy_decide(policy, &question, &verdict);
                must(verdict.kind != VERDICT_DENIED || (verdict.code < 0 && verdict.why));
                must(verdict.kind != VERDICT_ELEVATED || (verdict.rule && as != FSOP_AS_CALLER && !peer->foreign));
        }
}

/* Rules answer for every kind of user and wish: one of them an input. */
static void ask_as_said(const struct policy *policy, struct input rest) {
        uint8_t who = input_byte(&rest);
        struct bytes path = {rest.data, rest.len < WIRE_PATH_BYTES_MAX ? rest.len : WIRE_PATH_BYTES_MAX};

        ask(policy, &peers[who % 4], (enum fsop_as)(FSOP_AS_AUTO + who / 4 % 3), path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char file[] = "/p.yaml";
        const char *const files[] = {file};
        const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
        size_t len = end ? (size_t)(end - data) : size;
        struct input rest = {end ? end + 1 : NULL, end ? size - len - 1 : 0};
        struct policy_report report = {0};
        struct policy *policy = NULL;
        char *text = malloc(len + 1);

        must(text);
        if (len > 0)
                memcpy(text, data, len);
        text[len] = '\0';
        fake_reset();
        fake_file_add(file, text);
        fuzz_accepted = policy_load_files(files, 1, true, &policy, &report) == 0;
        if (fuzz_accepted) {
                must(report.n_rules == policy->n_rules);
                ask_as_said(policy, rest);
        } else
                must(!policy && report.n_notes > 0);
        policy_report_fini(&report);
        policy_unref(policy);
        free(text);
        return 0;
}
