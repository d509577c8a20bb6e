/* SPDX-License-Identifier: MIT */
/*
 * store_kit.h: for tests of the SQLite store: a directory for it, jobs to put into it, and what must come back.
 * Whatever goes wrong fails the test.
 */
#ifndef FSOP_STORE_KIT_H
#define FSOP_STORE_KIT_H

#include <string.h>
#include <sys/types.h>

#include "daemon/store_sqlite.h"

extern char kit_directory[256]; /* of the store */
extern char kit_file[300];      /* the store's file in it */

/* A checked fixture. */
void kit_setup(void);
void kit_teardown(void);

/* Calls EACH with every name in the directory. */
void kit_each_name(void (*each)(const char *name, void *context), void *context);

struct store *kit_open(void);
/* Opening fails with this code, and a note that has this in it. */
void kit_open_fails(int expected, const char *in_note);
/* Closes it as a crash would, but for the memory: the log stays for the next one. */
void kit_leave(struct store *store);
void kit_wait_for(pid_t pid, bool killed);
void kit_same_time(struct fsop_time a, struct fsop_time b);
/* Every field at its largest, every text with bytes that no SQL would survive. */
struct store_job *kit_largest_job(uint64_t id);
/* Nothing but what must be. */
struct store_job *kit_smallest_job(uint64_t id);
struct store_job *kit_plain_job(uint64_t id);
void kit_commit(struct store *store, const struct store_change *changes, uint32_t n);
int kit_commit_one(struct store *store, struct store_change change);
void kit_add(struct store *store, const struct store_job *job);
int kit_append(struct store *store, uint64_t id, uint32_t place, uint8_t byte, size_t len);
void kit_fill(struct store *store);
/* A process that adds job after job, each with its files in the same commit, and says what was acknowledged. */
void kit_add_for_ever(int acknowledge, uint64_t first);

#define KIT_SAME(a, b, field) ck_assert_msg((a)->field == (b)->field, "%s differs", #field)

/* The store has these jobs, and no others. */
void kit_has_jobs(struct store *store, const struct store_job *jobs, uint32_t n, uint64_t next_id);
struct blobs {
        uint32_t n;
        size_t len[16];
        uint8_t first[16];
};

int kit_take_blob(void *context, struct bytes data);
int kit_stop_at_once(void *context, const struct store_job *job);
/* Every job from 1 on is there, whole; returns how many. */
uint64_t kit_count_whole_jobs(struct store *store);

/* A whole file in memory. */
struct image {
        uint8_t *data;
        size_t len;
};

struct image kit_read_image(const char *path);
bool kit_same_image(const char *path, const struct image *image);
void kit_write_at(const char *path, off_t at, const void *data, size_t len);
void kit_garbage_at(off_t at, size_t len);
/* What a person with sqlite3 at hand could do. */
void kit_execute(const char *sql);
int64_t kit_count_rows(const char *sql);
off_t kit_file_bytes(const char *path);
off_t kit_log_bytes(void);

static inline struct bytes text(const char *string) {
        return (struct bytes){(const uint8_t *)string, strlen(string)};
}

#endif
