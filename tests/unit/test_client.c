/* SPDX-License-Identifier: MIT */
/*
 * test_client.c: libfsop against a server in the test's own hands: connecting, blocking calls, forks, and every way in
 * which a connection ends.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fake_server.h"
#include "tests/support/suite.h"

static struct fake_server fake;

static void setup(void) {
        fake_start(&fake, NULL);
}

static void teardown(void) {
        fake_fini(&fake);
}

static struct fsop_batch *new_batch(void) {
        struct fsop_batch *batch;
        ck_assert_int_eq(fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch), 0);
        return batch;
}

/* A batch of so many stats of /0, /1, … */
static struct fsop_batch *new_stats(unsigned n) {
        struct fsop_batch *batch = new_batch();
        for (unsigned i = 0; i < n; i++) {
                char path[32];
                snprintf(path, sizeof(path), "/%u", i);
                struct fsop_at at = fsop_at_path(path, false);
                ck_assert_int_eq(fsop_batch_stat(batch, &at), (int)i);
        }
        return batch;
}

static int calls;
static struct fsop_batch *called_with;

static void count_call(struct fsop_batch *batch, void *userdata) {
        ck_assert_ptr_eq(userdata, &calls);
        calls++;
        called_with = batch;
}

static uint64_t submit(struct fsop_batch *batch) {
        uint64_t id = 0;
        ck_assert_int_eq(fsop_batch_submit(batch, count_call, &calls, &id), 0);
        ck_assert_uint_ne(id, 0);
        return id;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

START_TEST(open_says_hello_and_learns) {
        struct welcome welcome = fake_welcome();
        struct support support = {.verb = FSOP_VERB_MKNOD,
                                  .feature = wire_text("mknod"),
                                  .level = FSOP_SUPPORT_NATIVE,
                                  .note = wire_text("all")};
        welcome.support = &support;
        welcome.n_support = 1;
        struct fsop_client_options options = {.size = sizeof(options), .name = "tester", .want_support = true};
        fake_init(&fake);
        ck_assert_int_eq(fake_open(&fake, &welcome, &options), 0);
        struct message hello = fake_receive(&fake);
        ck_assert_int_eq(hello.kind, MESSAGE_HELLO);
        ck_assert_uint_eq(hello.body.hello.version_min, WIRE_VERSION);
        ck_assert_uint_eq(hello.body.hello.version_max, WIRE_VERSION);
        ck_assert_uint_eq(hello.body.hello.features, WIRE_FEATURE_FDS);
        ck_assert(hello.body.hello.want_support);
        ck_assert_uint_eq(hello.body.hello.client.len, 6);
        const struct fsop_server_info *info = fsop_server_info(fake.client);
        expect_text(info->engine, "fake");
        expect_text(info->version, "9.8.7");
        expect_text(info->platform, "Test");
        ck_assert_uint_eq(info->batches_max, 4);
        ck_assert_uint_eq(info->uid, geteuid());
        ck_assert(info->descriptors);
        ck_assert(!info->foreign);
        ck_assert_uint_eq(info->n_support, 1);
        ck_assert_int_eq(info->support[0].verb, FSOP_VERB_MKNOD);
        expect_text(info->support[0].note, "all");
        ck_assert_int_eq(fsop_last_error(fake.client)->code, 0);
        fake_fini(&fake);
}
END_TEST

/* Opens, having sent what PREPARE sends; it must fail with CODE and say TEXT. The socket given must be closed then. */
static void expect_no_client(int code, const char *text, void (*prepare)(void)) {
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {
                .size = sizeof(options), .connect_ms = prepare ? 100000 : 200, .failure = &failure};
        fake_init(&fake);
        int client_fd = fake.client_fd;
        if (prepare)
                prepare();
        ck_assert_int_eq(fake_open(&fake, NULL, &options), -code);
        ck_assert_ptr_null(fake.client);
        ck_assert_msg(strstr(failure.message, text) != NULL, "'%s' does not say '%s'", failure.message, text);
        ck_assert_int_eq(fcntl(client_fd, F_GETFD), -1);
        fake_fini(&fake);
}

static void send_wrong_version(void) {
        struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = fake_welcome()};
        message.body.welcome.version = 7;
        fake_send(&fake, &message, NULL, 0);
}

static void send_no_limits(void) {
        struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = fake_welcome()};
        message.body.welcome.batches_max = 0;
        fake_send(&fake, &message, NULL, 0);
}

static void send_failure(void) {
        struct message message = {.kind = MESSAGE_FAILURE,
                                  .body.failure = {.code = FSOP_EUSERS,
                                                   .class_ = FSOP_CLASS_BUSY,
                                                   .message = wire_text("too many \x1b connections")}};
        fake_send(&fake, &message, NULL, 0);
        shutdown(fake.fd, SHUT_RDWR);
}

static void send_garbage(void) {
        fake_send_raw(&fake, "GET / HTTP/1.1\r\n\r\n", 18, NULL, 0);
}

static void send_out_of_turn(void) {
        fake_answer_one(&fake, 1, stat_result(0));
}

START_TEST(open_fails_well) {
        expect_no_client(FSOP_EPROTO, "version 7", send_wrong_version);
        expect_no_client(FSOP_EPROTO, "limits", send_no_limits);
        expect_no_client(FSOP_EUSERS, "too many \\x1b connections", send_failure);
        expect_no_client(FSOP_EPROTO, "no frame", send_garbage);
        expect_no_client(FSOP_EPROTO, "out of turn", send_out_of_turn);
        expect_no_client(FSOP_ETIMEDOUT, "in time", NULL);
}
END_TEST

static void hang_up(void) {
        fake_hang_up(&fake);
}

START_TEST(open_notices_the_end) {
        expect_no_client(FSOP_ECONNRESET, "closed", hang_up);
}
END_TEST

START_TEST(open_refuses_bad_options) {
        struct fsop_client *client = (struct fsop_client *)(uintptr_t)1;
        struct fsop_client_options options = {.size = 0};
        ck_assert_int_eq(fsop_open(&options, &client), -FSOP_EINVAL);
        ck_assert_ptr_null(client);
        options = (struct fsop_client_options){.size = sizeof(options), .as = (enum fsop_as)9};
        fake_init(&fake);
        ck_assert_int_eq(fake_open(&fake, NULL, &options), -FSOP_EINVAL);
        fake_fini(&fake);
        struct {
                struct fsop_client_options known;
                uint64_t later;
        } longer = {.known = {.size = sizeof(longer), .socket_path = "/nowhere/at/all"}, .later = 1};
        ck_assert_int_eq(fsop_open(&longer.known, &client), -FSOP_EINVAL);
        longer.later = 0;
        ck_assert_int_eq(fsop_open(&longer.known, &client), -FSOP_ENOENT);
}
END_TEST

/* ---- sockets by path -------------------------------------------------------------------------------------------- */

static char directory[64];

static void make_directory(void) {
        strcpy(directory, "/tmp/fsop-client.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_eq(chmod(directory, 0755), 0);
}

static int listen_at(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(chmod(path, 0777), 0);
        ck_assert_int_eq(listen(fd, 4), 0);
        return fd;
}

/* Serves one connection on LISTENER in a child of UID; greets, answers a ping, leaves. */
static pid_t serve_as(uid_t uid, const char *path) {
        int ready[2];
        ck_assert_int_eq(pipe(ready), 0);
        pid_t pid = fork();
        if (pid == 0) {
                if (uid != geteuid() && setuid(uid) < 0)
                        _exit(1);
                int listener = listen_at(path);
                if (write(ready[1], "r", 1) != 1)
                        _exit(1);
                struct fake_server served = {.fd = accept(listener, NULL, NULL), .client_fd = -1};
                arena_init(&served.arena, 1u << 20);
                struct message message = {.kind = MESSAGE_WELCOME, .body.welcome = fake_welcome()};
                fake_send(&served, &message, NULL, 0);
                char buffer[512];
                while (read(served.fd, buffer, sizeof(buffer)) > 0)
                        ;
                _exit(0);
        }
        char byte;
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        return pid;
}

START_TEST(server_of_somebody_else_is_refused) {
        if (geteuid() != 0) {
                puts("SKIP: server_of_somebody_else_is_refused needs root: it serves as another user");
                return;
        }
        char path[96];
        make_directory();
        ck_assert_int_eq(chmod(directory, 0777), 0);
        for (int trusted = 0; trusted < 2; trusted++) {
                snprintf(path, sizeof(path), "%s/%d", directory, trusted);
                pid_t pid = serve_as(65534, path);
                struct fsop_open_failure failure = {.size = sizeof(failure)};
                struct fsop_client_options options = {.size = sizeof(options),
                                                      .socket_path = path,
                                                      .has_server_uid = trusted,
                                                      .server_uid = 65534,
                                                      .failure = &failure};
                struct fsop_client *client;
                ck_assert_int_eq(fsop_open(&options, &client), trusted ? 0 : -FSOP_EPERM);
                ck_assert(trusted || strstr(failure.message, "65534"));
                fsop_close(client);
                ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
                unlink(path);
        }
        rmdir(directory);
}
END_TEST

START_TEST(sockets_by_path) {
        char path[96], lost[160];
        struct fsop_client *client;
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {.size = sizeof(options), .socket_path = path, .failure = &failure};
        make_directory();
        snprintf(path, sizeof(path), "%s/none", directory);
        ck_assert_int_eq(fsop_open(&options, &client), -FSOP_ENOENT);
        ck_assert_int_eq(failure.os_error, ENOENT);
        ck_assert_ptr_nonnull(strstr(failure.message, path));
        ck_assert_ptr_nonnull(strstr(failure.message, "is fsopd running?"));
        memset(lost, 'x', sizeof(lost));
        lost[sizeof(lost) - 1] = 0;
        options.socket_path = lost;
        ck_assert_int_eq(fsop_open(&options, &client), -FSOP_ENAMETOOLONG);
        options.socket_path = path;
        int listener = listen_at(path);
        close(listener);
        ck_assert_int_eq(fsop_open(&options, &client), -FSOP_ECONNREFUSED);
        unlink(path);
        pid_t pid = serve_as(geteuid(), path);
        ck_assert_int_eq(fsop_open(&options, &client), 0);
        fsop_close(client);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        unlink(path);
        rmdir(directory);
}
END_TEST

START_TEST(private_service_is_found) {
        if (access("/run/fsopd/fsopd.sock", F_OK) == 0) {
                puts("SKIP: private_service_is_found: a system service runs here, and comes first");
                return;
        }
        char path[128], below[96];
        struct fsop_client *client;
        make_directory();
        snprintf(below, sizeof(below), "%s/fsopd", directory);
        ck_assert_int_eq(mkdir(below, 0755), 0);
        snprintf(path, sizeof(path), "%s/fsopd.sock", below);
        ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", directory, 1), 0);
        ck_assert_int_eq(fsop_open(NULL, &client), -FSOP_ENOENT);
        pid_t pid = serve_as(geteuid(), path);
        ck_assert_int_eq(fsop_open(NULL, &client), 0);
        fsop_close(client);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        unlink(path);
        rmdir(below);
        rmdir(directory);
}
END_TEST

/* ---- blocking calls --------------------------------------------------------------------------------------------- */

START_TEST(stat_goes_and_comes) {
        struct fsop_at at = fsop_at_path("/some/file", true);
        struct fsop_stat st;
        fake_answer_one(&fake, 1, stat_result(0));
        ck_assert_int_eq(fsop_set_as(fake.client, FSOP_AS_ELEVATED), 0);
        ck_assert_int_eq(fsop_set_timeout_ms(fake.client, 60000), 0);
        ck_assert_int_eq(fsop_stat(fake.client, &at, &st), 0);
        ck_assert_uint_eq(st.ino, 1000);
        ck_assert_int_eq(fsop_last_result(fake.client)->outcome, FSOP_OUTCOME_DONE);
        struct batch batch = fake_receive_batch(&fake);
        ck_assert_uint_eq(batch.id, 1);
        ck_assert_uint_eq(batch.deadline_ms, 60000);
        ck_assert_uint_eq(batch.n_ops, 1);
        ck_assert_int_eq(batch.ops[0].verb, FSOP_VERB_STAT);
        ck_assert_int_eq(batch.ops[0].as, FSOP_AS_ELEVATED);
        ck_assert_int_eq(batch.ops[0].at.kind, LOCATION_PATH);
        ck_assert(batch.ops[0].at.follow);
        ck_assert_int_eq(memcmp(batch.ops[0].at.path.data, "/some/file", 10), 0);
}
END_TEST

START_TEST(an_error_says_all) {
        struct fsop_at at = fsop_at_path("/x", false);
        struct fsop_chown_args args = {.size = sizeof(args), .has_uid = true, .uid = 5};
        struct fsop_walk_result walk;
        struct result result = failed_result(0, FSOP_VERB_CHOWN, FSOP_EROFS, FSOP_OUTCOME_DONE);
        struct walk_failure failure = {.path = wire_text("below"), .code = FSOP_EROFS, .os_error = 30};
        result.elevated = true;
        result.value.walk =
                (struct walk_result){.visited = 3, .changed = 2, .failed = 1, .failures = &failure, .n_failures = 1};
        fake_answer_one(&fake, 1, result);
        ck_assert_int_eq(fsop_chown(fake.client, &at, &args, &walk), -FSOP_EROFS);
        const struct fsop_error *error = fsop_last_error(fake.client);
        ck_assert_int_eq(error->code, FSOP_EROFS);
        ck_assert_int_eq(error->class_, FSOP_CLASS_OS);
        ck_assert_int_eq(error->os_error, 77);
        ck_assert_int_eq(error->verb, FSOP_VERB_CHOWN);
        expect_text(error->rule, "a-rule");
        expect_text(error->message, "it is so");
        ck_assert(fsop_last_result(fake.client)->elevated);
        ck_assert_uint_eq(walk.changed, 2);
        ck_assert_uint_eq(walk.n_failures, 1);
        expect_text(walk.failures[0].path, "below");
        /* The next call forgets the result, not the error. */
        fake_answer_one(&fake, 2, (struct result){.verb = FSOP_VERB_PING});
        ck_assert_int_eq(fsop_ping(fake.client), 0);
        expect_text(fsop_last_error(fake.client)->message, "it is so");
}
END_TEST

START_TEST(reading_and_writing_go_on) {
        static uint8_t data[WIRE_IO_BYTES_MAX + 10], back[sizeof(data)];
        struct fsop_at at = fsop_at_fd(0, NULL, false);
        size_t count = 0;
        memset(data, 'd', sizeof(data));
        /* Short answers are asked after; the last is empty: the end of the file. */
        struct result reads[] = {{.verb = FSOP_VERB_READ, .value.data = {data, 7}},
                                 {.verb = FSOP_VERB_READ, .value.data = {data, 8}},
                                 {.verb = FSOP_VERB_READ, .value.data = {data, 0}},
                                 {.verb = FSOP_VERB_READ, .value.data = {data, 9}}};
        fake_serve(&fake, reads, 3);
        ck_assert_int_eq(fsop_read(fake.client, &at, 100, back, 50, &count), 0);
        fake_served(&fake);
        ck_assert_uint_eq(count, 15);
        ck_assert_uint_eq(fake.served[0].args.read.offset, 100);
        ck_assert_uint_eq(fake.served[1].args.read.offset, 107);
        ck_assert_uint_eq(fake.served[1].args.read.length, 43);
        ck_assert_uint_eq(fake.served[2].args.read.offset, 115);
        /* More than was asked for is a lie. */
        fake_serve(&fake, &reads[3], 1);
        ck_assert_int_eq(fsop_read(fake.client, &at, 0, back, 8, &count), -FSOP_EPROTO);
        fake_served(&fake);
        ck_assert_uint_eq(count, 0);
        /* An error after some: what was written counts. */
        struct result writes[] = {{.verb = FSOP_VERB_WRITE, .value.count = 40},
                                  failed_result(0, FSOP_VERB_WRITE, FSOP_ENOSPC, FSOP_OUTCOME_DONE)};
        fake_serve(&fake, writes, 2);
        ck_assert_int_eq(fsop_write(fake.client, &at, 1000, (struct fsop_bytes){data, 100}, &count), -FSOP_ENOSPC);
        fake_served(&fake);
        ck_assert_uint_eq(count, 40);
        ck_assert_uint_eq(fake.served[1].args.write.offset, 1040);
        ck_assert_uint_eq(fake.served[1].args.write.data.len, 60);
        /* More than one request can hold. */
        struct result halves[] = {{.verb = FSOP_VERB_WRITE, .value.count = WIRE_IO_BYTES_MAX},
                                  {.verb = FSOP_VERB_WRITE, .value.count = 10},
                                  {.verb = FSOP_VERB_READ, .value.data = {data, WIRE_IO_BYTES_MAX}},
                                  {.verb = FSOP_VERB_READ, .value.data = {data, 10}}};
        fake_serve(&fake, halves, 4);
        ck_assert_int_eq(fsop_write(fake.client, &at, 0, (struct fsop_bytes){data, sizeof(data)}, &count), 0);
        ck_assert_uint_eq(count, sizeof(data));
        ck_assert_int_eq(fsop_read(fake.client, &at, 0, back, sizeof(back), &count), 0);
        fake_served(&fake);
        ck_assert_uint_eq(count, sizeof(data));
        ck_assert_int_eq(memcmp(data, back, sizeof(data)), 0);
        ck_assert_uint_eq(fake.served[1].args.write.data.len, 10);
}
END_TEST

START_TEST(a_directory_comes_in_pages) {
        struct fsop_at at = fsop_at_path("/d", false);
        const struct fsop_entry *entry;
        struct entry entries[2] = {{.name = wire_text("a"), .type = FSOP_TYPE_FIFO, .ino = 5},
                                   {.name = wire_text("b"), .has_stat = true, .stat = {.size = 9}}};
        struct result pages[] = {{.verb = FSOP_VERB_LS, .value.ls = {.entries = entries, .n_entries = 2, .cookie = 99}},
                                 {.verb = FSOP_VERB_LS, .value.ls = {.entries = entries, .n_entries = 1, .end = true}},
                                 {.verb = FSOP_VERB_LS, .value.ls = {.cookie = 99}}};
        struct fsop_ls *ls;
        fake_serve(&fake, pages, 3);
        ck_assert_int_eq(fsop_ls_open(fake.client, &at, true, &ls), 0);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(fsop_ls_next(ls, &entry), 1);
                expect_text(entry->name, i % 2 ? "b" : "a");
                ck_assert_int_eq(entry->type, i % 2 ? FSOP_TYPE_UNKNOWN : FSOP_TYPE_FIFO);
                ck_assert_uint_eq(entry->stat.size, i % 2 ? 9 : 0);
        }
        ck_assert_int_eq(fsop_ls_next(ls, &entry), 0);
        ck_assert_int_eq(fsop_ls_next(ls, &entry), 0);
        fsop_ls_close(ls);
        /* A page without entries that is not the last would go on for ever. */
        ck_assert_int_eq(fsop_ls_open(fake.client, &at, false, &ls), 0);
        ck_assert_int_eq(fsop_ls_next(ls, &entry), -FSOP_EPROTO);
        fsop_ls_close(ls);
        fake_served(&fake);
        ck_assert_uint_eq(fake.served[0].args.ls.cookie, 0);
        ck_assert(fake.served[0].args.ls.with_stat);
        ck_assert_uint_eq(fake.served[1].args.ls.cookie, 99);
        ck_assert_uint_eq(fake.served[2].args.ls.cookie, 0);
}
END_TEST

/* ---- how it ends ------------------------------------------------------------------------------------------------ */

/* The connection is over: this batch is answered with CODE, and nothing works any more. */
static void expect_broken(struct fsop_batch *batch, int code) {
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
        ck_assert_int_eq(calls, 1);
        ck_assert_int_eq(fsop_batch_result(batch, 0)->error.code, code);
        ck_assert_int_eq(fsop_batch_result(batch, 0)->outcome, FSOP_OUTCOME_UNKNOWN);
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ENOTCONN);
        ck_assert_int_eq(fsop_ping(fake.client), -FSOP_ENOTCONN);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), -FSOP_ENOTCONN);
        ck_assert_int_eq(calls, 1);
        fsop_batch_free(batch);
        fake_fini(&fake);
}

START_TEST(server_dies) {
        fake_start(&fake, NULL);
        struct fsop_batch *batch = new_stats(2);
        submit(batch);
        fake_receive(&fake);
        fake_hang_up(&fake);
        expect_broken(batch, FSOP_ECONNRESET);

        fake_start(&fake, NULL);
        struct fsop_at at = fsop_at_path("/", false);
        shutdown(fake.fd, SHUT_WR);
        ck_assert_int_eq(fsop_stat(fake.client, &at, NULL), -FSOP_ECONNRESET);
        ck_assert_int_eq(fsop_last_result(fake.client)->outcome, FSOP_OUTCOME_UNKNOWN);
        fake_fini(&fake);
}
END_TEST

START_TEST(server_says_why) {
        struct message message = {.kind = MESSAGE_FAILURE,
                                  .body.failure = {.code = FSOP_EPROTO, .message = wire_text("enough of you")}};
        fake_start(&fake, NULL);
        struct fsop_batch *batch = new_stats(1);
        submit(batch);
        fake_send(&fake, &message, NULL, 0);
        ck_assert_int_eq(fsop_wait(fake.client, UINT64_MAX), 1);
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
        ck_assert_ptr_nonnull(strstr((const char *)fsop_last_error(fake.client)->message.data, "enough of you"));
        ck_assert_ptr_nonnull(strstr((const char *)fsop_batch_result(batch, 0)->error.message.data, "enough of you"));
        fsop_batch_free(batch);
        fake_fini(&fake);
}
END_TEST

/* Each of these answers to a batch of two stats breaks the connection. */
START_TEST(answers_that_make_no_sense) {
        struct result twice[] = {stat_result(0), stat_result(0)};
        struct result beyond[] = {stat_result(0), stat_result(2)};
        struct result other[] = {stat_result(0), {.index = 1, .verb = FSOP_VERB_PING, .outcome = FSOP_OUTCOME_DONE}};
        struct result one[] = {stat_result(0)};
        static const char garbage[] = "\4\0\0\0\0\0\0\0\xff\xff\xff\xff";
        static const char endless[] = "\xff\xff\xff\x7f\0\0\0\0";
        calls = 0;
        fake_start(&fake, NULL);
        struct fsop_batch *batch = new_stats(2);
        uint64_t id = submit(batch);
        switch (_i) {
        case 0:
                fake_answer(&fake, id, twice, 2, true);
                break;
        case 1:
                fake_answer(&fake, id, beyond, 2, true);
                break;
        case 2:
                fake_answer(&fake, id, other, 2, true);
                break;
        case 3:
                fake_answer(&fake, id, one, 1, true);
                ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
                ck_assert_int_eq(fsop_batch_result(batch, 0)->error.code, 0); /* what is known stays known */
                ck_assert_int_eq(fsop_batch_result(batch, 1)->error.code, FSOP_EPROTO);
                fsop_batch_free(batch);
                fake_fini(&fake);
                return;
        case 4:
                fake_answer(&fake, id + 5, one, 1, true);
                break;
        case 5:
                fake_send_raw(&fake, garbage, sizeof(garbage) - 1, NULL, 0);
                break;
        case 6:
                fake_send_raw(&fake, endless, sizeof(endless) - 1, NULL, 0);
                break;
        case 7:
                fake_send(&fake, &(struct message){.kind = MESSAGE_WELCOME, .body.welcome = fake_welcome()}, NULL, 0);
                break;
        default:
                fake_send_raw(&fake, "\4\0\0\0\1\0\0\0", 8, NULL, 0); /* a descriptor that does not come */
                fake_send_raw(&fake, "\0\0\0\0", 4, NULL, 0);
                break;
        }
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
        ck_assert_int_eq(calls, 1);
        ck_assert(fsop_batch_is_done(batch));
        ck_assert_int_eq(fsop_batch_result(batch, 1)->error.code, FSOP_EPROTO);
        ck_assert_int_eq(fsop_batch_result(batch, 1)->outcome, FSOP_OUTCOME_UNKNOWN);
        fsop_batch_free(batch);
        fake_fini(&fake);
}
END_TEST

START_TEST(what_was_not_sent_was_not_started) {
        static const uint8_t data[WIRE_IO_BYTES_MAX];
        struct fsop_at at = fsop_at_fd(0, NULL, false);
        struct fsop_write_args args = {.size = sizeof(args), .data = {data, sizeof(data)}};
        struct fsop_batch *batches[4];
        for (int i = 0; i < 4; i++) {
                batches[i] = new_batch();
                ck_assert_int_eq(fsop_batch_write(batches[i], &at, &args), 0);
                submit(batches[i]);
        }
        fake_hang_up(&fake);
        ck_assert_int_eq(fsop_process(fake.client), -FSOP_ECONNRESET);
        ck_assert_int_eq(calls, 4);
        for (int i = 0; i < 4; i++) {
                ck_assert_int_eq(fsop_batch_result(batches[i], 0)->error.code, FSOP_ECONNRESET);
                ck_assert_int_eq(fsop_batch_result(batches[i], 0)->outcome, FSOP_OUTCOME_NOT_STARTED);
                fsop_batch_free(batches[i]);
        }
}
END_TEST

START_TEST(closed_with_batches) {
        struct fsop_batch *flying = new_stats(1), *filling = new_stats(1);
        struct fsop_at at = fsop_at_path("/", false);
        submit(flying);
        fake_receive(&fake);
        fsop_close(fake.client);
        fake.client = NULL;
        ck_assert(fake_is_closed(&fake));
        ck_assert_int_eq(fsop_batch_result(flying, 0)->error.code, FSOP_ECONNRESET);
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(fsop_batch_stat(filling, &at), -FSOP_ENOTCONN);
        ck_assert_int_eq(fsop_batch_run(filling), -FSOP_ENOTCONN);
        fsop_batch_free(flying);
        fsop_batch_free(filling);
}
END_TEST

/* In a child: everything is refused, and closing sends nothing. Exit status 0: it was so. */
static int child_of_fork(struct fsop_batch *flying, struct fsop_batch *filling, uint64_t id) {
        struct fsop_at at = fsop_at_path("/", false);
        struct fsop_batch *batch;
        uint64_t timeout_ms;
        intptr_t fd;
        int wrong = 0;
        wrong += fsop_ping(fake.client) != -FSOP_ECHILD;
        wrong += fsop_process(fake.client) != -FSOP_ECHILD;
        wrong += fsop_wait(fake.client, 0) != -FSOP_ECHILD;
        wrong += fsop_events(fake.client) != -FSOP_ECHILD;
        wrong += fsop_timeout_ms(fake.client, &timeout_ms) != -FSOP_ECHILD;
        wrong += fsop_descriptor(fake.client, &fd) != -FSOP_ECHILD;
        wrong += fsop_cancel(fake.client, id) != -FSOP_ECHILD;
        wrong += fsop_batch_new(fake.client, FSOP_BATCH_PARALLEL, &batch) != -FSOP_ECHILD;
        wrong += fsop_batch_stat(filling, &at) != -FSOP_ECHILD;
        wrong += fsop_batch_run(filling) != -FSOP_ECHILD;
        wrong += fsop_last_error(fake.client)->code != FSOP_ECHILD;
        fsop_batch_free(flying);
        fsop_close(fake.client);
        fsop_batch_free(filling);
        return wrong;
}

START_TEST(fork_is_noticed) {
        struct fsop_batch *flying = new_stats(1), *filling = new_stats(1);
        struct result result = stat_result(0);
        uint64_t id = submit(flying);
        fake_receive(&fake);
        pid_t pid = fork();
        if (pid == 0)
                _exit(child_of_fork(flying, filling, id));
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert(fake_is_silent(&fake));
        fake_answer(&fake, id, &result, 1, true);
        ck_assert_int_eq(fsop_process(fake.client), 1);
        fsop_batch_free(flying);
        fsop_batch_free(filling);
}
END_TEST

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static Suite *client_suite(void) {
        Suite *suite = suite_create("client");
        TCase *bare = tcase_create("bare");
        tcase_add_test(bare, open_says_hello_and_learns);
        tcase_add_test(bare, open_fails_well);
        tcase_add_test(bare, open_notices_the_end);
        tcase_add_test(bare, open_refuses_bad_options);
        tcase_add_test(bare, server_of_somebody_else_is_refused);
        tcase_add_test(bare, sockets_by_path);
        tcase_add_test(bare, private_service_is_found);
        tcase_add_test(bare, server_dies);
        tcase_add_test(bare, server_says_why);
        tcase_add_loop_test(bare, answers_that_make_no_sense, 0, 9);
        suite_add_tcase(suite, bare);

        TCase *connected = tcase_create("connected");
        tcase_add_checked_fixture(connected, setup, teardown);
        tcase_add_test(connected, stat_goes_and_comes);
        tcase_add_test(connected, an_error_says_all);
        tcase_add_test(connected, reading_and_writing_go_on);
        tcase_add_test(connected, a_directory_comes_in_pages);
        tcase_add_test(connected, what_was_not_sent_was_not_started);
        tcase_add_test(connected, closed_with_batches);
        tcase_add_test(connected, fork_is_noticed);
        suite_add_tcase(suite, connected);
        return suite;
}

int main(void) {
        return suite_run(client_suite());
}
