/* SPDX-License-Identifier: MIT */
/*
 * codec_answers.c: Welcome and the answers that come seldom (statfs, walks, info, status, explain, reload), by
 * protobuf-c.
 */
#include "proto/codec_internal.h"

#include "proto/names.h"

/* ---- texts and support tables ------------------------------------------------------------------------------------ */

static ProtobufCBinaryData *texts_to_leaf(struct arena *scratch, const struct bytes *texts, uint32_t n) {
        ProtobufCBinaryData *leaves = arena_calloc(scratch, n + 1u, sizeof(*leaves));
        for (uint32_t i = 0; leaves && i < n; i++)
                leaves[i] = leaf_data(texts[i]);
        return leaves;
}

static int texts_from_leaf(struct decoder *decoder, const ProtobufCBinaryData *leaves, size_t n,
                           const struct bytes **ret_texts, uint32_t *ret_n) {
        struct bytes *texts = arena_calloc(decoder->arena, n + 1, sizeof(*texts));
        if (!texts)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < n; i++)
                texts[i] = leaf_bytes(leaves[i]);
        *ret_texts = texts;
        *ret_n = (uint32_t)n;
        return 0;
}

static Fsop__V1__Support **support_to_leaf(struct arena *scratch, const struct support *support, uint32_t n) {
        LEAVES(scratch, Fsop__V1__Support, n, items, pointers);
        if (!items || !pointers)
                return NULL;
        for (uint32_t i = 0; i < n; i++) {
                fsop__v1__support__init(&items[i]);
                PUT_NUMBER(items[i], verb, (Fsop__V1__Verb)support[i].verb);
                PUT_TEXT(items[i], feature, support[i].feature);
                PUT_NUMBER(items[i], level, (Fsop__V1__SupportLevel)support[i].level);
                PUT_TEXT(items[i], note, support[i].note);
                pointers[i] = &items[i];
        }
        return pointers;
}

static int support_from_leaf(struct decoder *decoder, Fsop__V1__Support *const *leaves, size_t n,
                             const struct support **ret_support, uint32_t *ret_n) {
        struct support *support = arena_calloc(decoder->arena, n + 1, sizeof(*support));
        if (!support)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < n; i++) {
                unsigned verb = (unsigned)leaves[i]->verb, level = (unsigned)leaves[i]->level;
                support[i] = (struct support){
                        .verb = verb_name((enum fsop_verb)verb) ? (enum fsop_verb)verb : FSOP_VERB_NONE,
                        .feature = leaf_bytes(leaves[i]->feature),
                        .level = level <= FSOP_SUPPORT_UNKNOWN ? (enum fsop_support_level)level : FSOP_SUPPORT_UNKNOWN,
                        .note = leaf_bytes(leaves[i]->note),
                };
        }
        *ret_support = support;
        *ret_n = (uint32_t)n;
        return 0;
}

/* ---- Welcome ----------------------------------------------------------------------------------------------------- */

void welcome_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct welcome *welcome) {
        Fsop__V1__Welcome leaf = FSOP__V1__WELCOME__INIT;
        PUT_NUMBER(leaf, version, welcome->version);
        PUT_NUMBER(leaf, features, welcome->features);
        PUT_NUMBER(leaf, frame_bytes_max, welcome->frame_bytes_max);
        PUT_NUMBER(leaf, batch_ops_max, welcome->batch_ops_max);
        PUT_NUMBER(leaf, batches_max, welcome->batches_max);
        PUT_TEXT(leaf, engine, welcome->engine);
        PUT_TEXT(leaf, daemon_version, welcome->daemon_version);
        PUT_TEXT(leaf, platform, welcome->platform);
        PUT_NUMBER(leaf, foreign, welcome->foreign);
        leaf.n_support = welcome->n_support;
        leaf.support = support_to_leaf(scratch, welcome->support, welcome->n_support);
        if (!leaf.support)
                writer->failed = true;
        else
                leaf_put(writer, number, &leaf.base);
}

int welcome_decode(struct decoder *decoder, struct bytes bytes, struct welcome *ret_welcome) {
        ProtobufCMessage *message;
        int r = leaf_unpack(decoder, &fsop__v1__welcome__descriptor, bytes, ANSWER_UNKNOWN_MAX, &message);
        if (r < 0)
                return r;
        const Fsop__V1__Welcome *leaf = (const Fsop__V1__Welcome *)message;
        *ret_welcome = (struct welcome){
                .version = leaf->version,
                .features = leaf->features,
                .frame_bytes_max = leaf->frame_bytes_max,
                .batch_ops_max = leaf->batch_ops_max,
                .batches_max = leaf->batches_max,
                .engine = leaf_bytes(leaf->engine),
                .daemon_version = leaf_bytes(leaf->daemon_version),
                .platform = leaf_bytes(leaf->platform),
                .foreign = leaf->foreign,
        };
        return support_from_leaf(decoder, leaf->support, leaf->n_support, &ret_welcome->support,
                                 &ret_welcome->n_support);
}

/* ---- statfs, walks ----------------------------------------------------------------------------------------------- */

static void statfs_put(struct wire_writer *writer, uint32_t number, const struct fsop_statfs *statfs) {
        Fsop__V1__Statfs leaf = FSOP__V1__STATFS__INIT;
        PUT_NUMBER(leaf, type, statfs->type);
        PUT_NUMBER(leaf, bsize, statfs->bsize);
        PUT_NUMBER(leaf, frsize, statfs->frsize);
        PUT_NUMBER(leaf, blocks, statfs->blocks);
        PUT_NUMBER(leaf, bfree, statfs->bfree);
        PUT_NUMBER(leaf, bavail, statfs->bavail);
        PUT_NUMBER(leaf, files, statfs->files);
        PUT_NUMBER(leaf, ffree, statfs->ffree);
        PUT_NUMBER(leaf, fsid, statfs->fsid);
        PUT_NUMBER(leaf, namelen, statfs->namelen);
        PUT_NUMBER(leaf, flags, statfs->flags);
        leaf_put(writer, number, &leaf.base);
}

static int statfs_from(const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__Statfs *leaf = (const Fsop__V1__Statfs *)message;
        result->value.statfs = (struct fsop_statfs){
                .type = leaf->type,
                .bsize = leaf->bsize,
                .frsize = leaf->frsize,
                .blocks = leaf->blocks,
                .bfree = leaf->bfree,
                .bavail = leaf->bavail,
                .files = leaf->files,
                .ffree = leaf->ffree,
                .fsid = leaf->fsid,
                .namelen = leaf->namelen,
                .flags = leaf->flags,
        };
        return 0;
}

static void walk_put(struct wire_writer *writer, struct arena *scratch, uint32_t number,
                     const struct walk_result *walk) {
        Fsop__V1__WalkResult leaf = FSOP__V1__WALK_RESULT__INIT;
        PUT_NUMBER(leaf, visited, walk->visited);
        PUT_NUMBER(leaf, changed, walk->changed);
        PUT_NUMBER(leaf, failed, walk->failed);
        if (walk->n_failures) {
                LEAVES(scratch, Fsop__V1__WalkFailure, walk->n_failures, items, pointers);
                if (!items || !pointers) {
                        writer->failed = true;
                        return;
                }
                for (uint32_t i = 0; i < walk->n_failures; i++) {
                        fsop__v1__walk_failure__init(&items[i]);
                        PUT_TEXT(items[i], path, walk->failures[i].path);
                        PUT_NUMBER(items[i], code, (uint32_t)walk->failures[i].code);
                        PUT_NUMBER(items[i], os_error, walk->failures[i].os_error);
                        pointers[i] = &items[i];
                }
                leaf.n_failures = walk->n_failures;
                leaf.failures = pointers;
        }
        leaf_put(writer, number, &leaf.base);
}

static enum fsop_errno code_from(uint32_t code) {
        return code >= FSOP_EPERM && code <= FSOP_EUNKNOWN ? (enum fsop_errno)code : FSOP_EUNKNOWN;
}

static int walk_from(struct decoder *decoder, const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__WalkResult *leaf = (const Fsop__V1__WalkResult *)message;
        struct walk_failure *failures = arena_calloc(decoder->arena, leaf->n_failures + 1, sizeof(*failures));
        if (!failures)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_failures; i++)
                failures[i] = (struct walk_failure){
                        .path = leaf_bytes(leaf->failures[i]->path),
                        .code = code_from(leaf->failures[i]->code),
                        .os_error = leaf->failures[i]->os_error,
                };
        result->value.walk = (struct walk_result){
                .visited = leaf->visited,
                .changed = leaf->changed,
                .failed = leaf->failed,
                .failures = failures,
                .n_failures = (uint32_t)leaf->n_failures,
        };
        return 0;
}

/* ---- service ----------------------------------------------------------------------------------------------------- */

static void info_put(struct wire_writer *writer, struct arena *scratch, uint32_t number,
                     const struct info_result *info) {
        Fsop__V1__Info leaf = FSOP__V1__INFO__INIT;
        PUT_TEXT(leaf, version, info->version);
        PUT_TEXT(leaf, platform, info->platform);
        PUT_TEXT(leaf, engine, info->engine);
        leaf.has_filesystem = info->has_filesystem;
        leaf.filesystem = leaf_data(info->filesystem);
        leaf.n_support = info->n_support;
        leaf.support = support_to_leaf(scratch, info->support, info->n_support);
        leaf.n_features = info->n_features;
        leaf.features = support_to_leaf(scratch, info->features, info->n_features);
        if (!leaf.support || !leaf.features)
                writer->failed = true;
        else
                leaf_put(writer, number, &leaf.base);
}

static int info_from(struct decoder *decoder, const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__Info *leaf = (const Fsop__V1__Info *)message;
        struct info_result *info = &result->value.info;
        *info = (struct info_result){
                .version = leaf_bytes(leaf->version),
                .platform = leaf_bytes(leaf->platform),
                .engine = leaf_bytes(leaf->engine),
                .has_filesystem = leaf->has_filesystem,
                .filesystem = leaf_bytes(leaf->filesystem),
        };
        int r = support_from_leaf(decoder, leaf->support, leaf->n_support, &info->support, &info->n_support);
        if (r == 0)
                r = support_from_leaf(decoder, leaf->features, leaf->n_features, &info->features, &info->n_features);
        return r;
}

static void status_put(struct wire_writer *writer, struct arena *scratch, uint32_t number,
                       const struct result *result) {
        Fsop__V1__Status leaf = FSOP__V1__STATUS__INIT;
        uint32_t n = result->value.status.n_counters;
        LEAVES(scratch, Fsop__V1__Counter, n, items, pointers);
        if (!items || !pointers) {
                writer->failed = true;
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                const struct counter *counter = &result->value.status.counters[i];
                fsop__v1__counter__init(&items[i]);
                PUT_TEXT(items[i], name, counter->name);
                PUT_NUMBER(items[i], value, counter->value);
                items[i].has_limit = counter->has_limit;
                items[i].limit = counter->limit;
                pointers[i] = &items[i];
        }
        leaf.n_counters = n;
        leaf.counters = pointers;
        PUT_TEXT(leaf, no_jobs, result->value.status.no_jobs);
        leaf_put(writer, number, &leaf.base);
}

static int status_from(struct decoder *decoder, const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__Status *leaf = (const Fsop__V1__Status *)message;
        struct counter *counters = arena_calloc(decoder->arena, leaf->n_counters + 1, sizeof(*counters));
        if (!counters)
                return decoder_no_memory(decoder);
        for (size_t i = 0; i < leaf->n_counters; i++)
                counters[i] = (struct counter){
                        .name = leaf_bytes(leaf->counters[i]->name),
                        .value = leaf->counters[i]->value,
                        .has_limit = leaf->counters[i]->has_limit,
                        .limit = leaf->counters[i]->limit,
                };
        result->value.status.counters = counters;
        result->value.status.n_counters = (uint32_t)leaf->n_counters;
        result->value.status.no_jobs = leaf_bytes(leaf->no_jobs);
        return 0;
}

static void explanation_put(struct wire_writer *writer, struct arena *scratch, uint32_t number,
                            const struct explain_result *explain) {
        Fsop__V1__Explanation leaf = FSOP__V1__EXPLANATION__INIT;
        PUT_NUMBER(leaf, allowed, explain->allowed);
        PUT_NUMBER(leaf, as, (Fsop__V1__As)explain->as);
        PUT_TEXT(leaf, rule, explain->rule);
        PUT_TEXT(leaf, where, explain->where);
        PUT_TEXT(leaf, reason, explain->reason);
        leaf.n_notes = explain->n_notes;
        leaf.notes = texts_to_leaf(scratch, explain->notes, explain->n_notes);
        if (!leaf.notes)
                writer->failed = true;
        else
                leaf_put(writer, number, &leaf.base);
}

static int explanation_from(struct decoder *decoder, const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__Explanation *leaf = (const Fsop__V1__Explanation *)message;
        struct explain_result *explain = &result->value.explain;
        unsigned as = (unsigned)leaf->as;
        *explain = (struct explain_result){
                .allowed = leaf->allowed,
                .as = as <= FSOP_AS_ELEVATED ? (enum fsop_as)as : FSOP_AS_AUTO,
                .rule = leaf_bytes(leaf->rule),
                .where = leaf_bytes(leaf->where),
                .reason = leaf_bytes(leaf->reason),
        };
        return texts_from_leaf(decoder, leaf->notes, leaf->n_notes, &explain->notes, &explain->n_notes);
}

static void reloaded_put(struct wire_writer *writer, struct arena *scratch, uint32_t number,
                         const struct reload_result *reload) {
        Fsop__V1__Reloaded leaf = FSOP__V1__RELOADED__INIT;
        PUT_NUMBER(leaf, rules, reload->rules);
        leaf.n_warnings = reload->n_warnings;
        leaf.warnings = texts_to_leaf(scratch, reload->warnings, reload->n_warnings);
        if (!leaf.warnings)
                writer->failed = true;
        else
                leaf_put(writer, number, &leaf.base);
}

static int reloaded_from(struct decoder *decoder, const ProtobufCMessage *message, struct result *result) {
        const Fsop__V1__Reloaded *leaf = (const Fsop__V1__Reloaded *)message;
        result->value.reload.rules = leaf->rules;
        return texts_from_leaf(decoder, leaf->warnings, leaf->n_warnings, &result->value.reload.warnings,
                               &result->value.reload.n_warnings);
}

/* ---- by number --------------------------------------------------------------------------------------------------- */

void answer_put(struct wire_writer *writer, struct arena *scratch, uint32_t number, const struct result *result) {
        switch (number) {
        case FSOP__V1__RESULT__VALUE_STATFS:
                statfs_put(writer, number, &result->value.statfs);
                break;
        case FSOP__V1__RESULT__VALUE_WALK:
                walk_put(writer, scratch, number, &result->value.walk);
                break;
        case FSOP__V1__RESULT__VALUE_INFO:
                info_put(writer, scratch, number, &result->value.info);
                break;
        case FSOP__V1__RESULT__VALUE_STATUS:
                status_put(writer, scratch, number, result);
                break;
        case FSOP__V1__RESULT__VALUE_EXPLANATION:
                explanation_put(writer, scratch, number, &result->value.explain);
                break;
        case FSOP__V1__RESULT__VALUE_RELOADED:
                reloaded_put(writer, scratch, number, &result->value.reload);
                break;
        case FSOP__V1__RESULT__VALUE_JOBS:
                jobs_put(writer, scratch, number, &result->value.job);
                break;
        default:
                writer->failed = true;
                break;
        }
}

static const ProtobufCMessageDescriptor *answer_descriptor(uint32_t number) {
        switch (number) {
        case FSOP__V1__RESULT__VALUE_STATFS:
                return &fsop__v1__statfs__descriptor;
        case FSOP__V1__RESULT__VALUE_WALK:
                return &fsop__v1__walk_result__descriptor;
        case FSOP__V1__RESULT__VALUE_INFO:
                return &fsop__v1__info__descriptor;
        case FSOP__V1__RESULT__VALUE_STATUS:
                return &fsop__v1__status__descriptor;
        case FSOP__V1__RESULT__VALUE_EXPLANATION:
                return &fsop__v1__explanation__descriptor;
        case FSOP__V1__RESULT__VALUE_RELOADED:
                return &fsop__v1__reloaded__descriptor;
        default:
                return NULL;
        }
}

int answer_decode(struct decoder *decoder, uint32_t number, struct bytes bytes, struct result *result) {
        const ProtobufCMessageDescriptor *descriptor = answer_descriptor(number);
        ProtobufCMessage *message;
        if (number == FSOP__V1__RESULT__VALUE_JOBS)
                return jobs_decode(decoder, bytes, &result->value.job);
        if (!descriptor)
                return decoder_malformed(decoder, "Result");
        int r = leaf_unpack(decoder, descriptor, bytes, ANSWER_UNKNOWN_MAX, &message);
        if (r < 0)
                return r;
        switch (number) {
        case FSOP__V1__RESULT__VALUE_STATFS:
                return statfs_from(message, result);
        case FSOP__V1__RESULT__VALUE_WALK:
                return walk_from(decoder, message, result);
        case FSOP__V1__RESULT__VALUE_INFO:
                return info_from(decoder, message, result);
        case FSOP__V1__RESULT__VALUE_STATUS:
                return status_from(decoder, message, result);
        case FSOP__V1__RESULT__VALUE_EXPLANATION:
                return explanation_from(decoder, message, result);
        default:
                return reloaded_from(decoder, message, result);
        }
}
