/* SPDX-License-Identifier: MIT */
/*
 * copy_job.c: makes a small tree below a directory, copies it as a job of the daemon, and shows how far it is. The
 * daemon may be restarted meanwhile: the job goes on, and so does this program.
 *
 *      cc copy_job.c -o copy_job $(pkg-config --cflags --libs fsop)
 *      ./copy_job /srv/build nightly-17
 *
 * The second argument is the job's key. Run again with the same one, the program watches the job that it submitted
 * before; without one it cannot submit again when the connection breaks before the answer.
 */
#include <fsop.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILES = 100, TRIES = 20 };

struct program {
        struct fsop_client *client;
        char from[4096], to[4096];
        const char *key; /* NULL: none */
};

/* Tries so many times, half a second apart. */
static int program_connect(struct program *program, int tries) {
        struct fsop_open_failure failure = {.size = sizeof(failure)};
        struct fsop_client_options options = {.size = sizeof(options),
                                              .socket_path = getenv("FSOP_SOCKET"), /* NULL: the usual one */
                                              .name = "copy_job",
                                              .failure = &failure};
        struct timespec pause = {.tv_nsec = 500000000};
        fsop_close(program->client);
        int r = fsop_open(&options, &program->client);
        while (r < 0 && --tries > 0) {
                nanosleep(&pause, NULL);
                r = fsop_open(&options, &program->client);
        }
        if (r < 0)
                fprintf(stderr, "%s\n", failure.message);
        return r;
}

static bool is_lost(int r) {
        return r == -FSOP_ECONNRESET || r == -FSOP_ENOTCONN;
}

/* The tree that is copied. That it is there already is fine. */
static int program_make(struct program *program) {
        struct fsop_at at = fsop_at_path(program->from, false);
        int r = fsop_mkdir(program->client, &at, NULL);
        for (int i = 0; i < FILES && (r == 0 || r == -FSOP_EEXIST); i++) {
                char path[sizeof(program->from) + 16];
                snprintf(path, sizeof(path), "%s/%d", program->from, i);
                struct fsop_truncate_args args = {
                        .size = sizeof(args), .length = 1000, .create = {.create = true, .mode = 0644}};
                at = fsop_at_path(path, false);
                r = fsop_truncate(program->client, &at, &args);
        }
        return r;
}

static int program_submit(struct program *program, uint64_t *ret_id) {
        struct fsop_at from = fsop_at_path(program->from, false), to = fsop_at_path(program->to, false);
        struct fsop_cp_args args = {.size = sizeof(args),
                                    .recursive = true,
                                    .preserve = FSOP_PRESERVE_MODE | FSOP_PRESERVE_TIMES,
                                    .key = fsop_bytes_of(program->key)};
        const struct fsop_job_info *job;
        int r = fsop_cp(program->client, &from, &to, &args, &job);
        while (is_lost(r) && program->key) {
                r = program_connect(program, TRIES);
                if (r < 0)
                        return r;
                r = fsop_cp(program->client, &from, &to, &args, &job);
        }
        if (r == 0)
                *ret_id = job->id;
        return r;
}

static void show(const struct fsop_job_event *event) {
        const struct fsop_job_info *job = &event->job;
        if (event->kind == FSOP_JOB_EVENT_FAILURE)
                printf("%s: %s\n", (const char *)event->failure.path.data,
                       (const char *)event->failure.error.message.data);
        else if (event->kind != FSOP_JOB_EVENT_NONE)
                printf("%s, %" PRIu64 " files are copied\n", fsop_job_state_name(job->state), job->files_done);
}

/* Returns 0 when the job has ended. */
static int program_watch(struct program *program, uint64_t id, enum fsop_job_state *ret_state) {
        struct fsop_job_args args = {.size = sizeof(args), .id = id};
        bool over = false;
        int r = 0;
        while (r == 0 && !over) {
                const struct fsop_job_answer *answer;
                r = fsop_job_watch(program->client, &args, &answer);
                if (is_lost(r)) {
                        r = program_connect(program, TRIES); /* and on from the event that was the last */
                        continue;
                }
                for (uint32_t i = 0; r == 0 && i < answer->n_events; i++) {
                        const struct fsop_job_event *event = &answer->events[i];
                        show(event);
                        args.after = event->number;
                        if (event->kind == FSOP_JOB_EVENT_STATE)
                                *ret_state = event->job.state;
                }
                over = r == 0 && answer->end;
        }
        return r;
}

int main(int argc, char **argv) {
        struct program program = {0};
        enum fsop_job_state state = FSOP_JOB_UNKNOWN;
        uint64_t id = 0;
        if (argc < 2 || argc > 3) {
                fprintf(stderr, "usage: %s DIRECTORY [KEY]\n", argv[0]);
                return 2;
        }
        program.key = argv[2];
        snprintf(program.from, sizeof(program.from), "%s/from", argv[1]);
        snprintf(program.to, sizeof(program.to), "%s/to", argv[1]);
        int r = program_connect(&program, 1);
        if (r == 0)
                r = program_make(&program);
        if (r == 0)
                r = program_submit(&program, &id);
        if (r == 0)
                r = program_watch(&program, id, &state);
        if (r < 0 && program.client)
                fprintf(stderr, "%s\n", (const char *)fsop_last_error(program.client)->message.data);
        fsop_close(program.client);
        return r == 0 && state == FSOP_JOB_DONE ? EXIT_SUCCESS : EXIT_FAILURE;
}
