/* SPDX-License-Identifier: MIT */
/*
 * crowd.c: many clients of fsopd, or of the echo server, in one process that waits for all of them at once. Each has a
 * number of lanes, which have one request in flight; a lane always has the same part of the files, so that passes
 * follow each other file by file. What is asked for is built anew for every request.
 *
 * Where a rate is asked for, requests fall due by chance, whether those before them are answered or not, and their time
 * counts from then: who is slow does not get fewer of them.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define EVENTS_MAX 64

struct client;

struct lane {
        struct client *client;
        struct fsop_batch *batch;
        uint32_t first, n; /* files */
        uint32_t next, pass;
        uint64_t due_ns;
};

struct client {
        struct crowd *crowd;
        struct fsop_client *connection; /* to fsopd */
        int fd;                         /* to the echo server, else to wait for */
        struct lane *lanes;             /* n_lanes of the crowd */
};

struct crowd {
        enum side side;
        const char *address;
        struct client *clients;
        uint32_t n_clients, n_lanes; /* lanes of each */
        int set;                     /* epoll */
        struct lane **free;          /* a ring of those that can ask */
        uint32_t n_free, first_free, free_max;

        /* of a run */
        const struct files *files;
        const struct work *work;
        uint32_t ops; /* of a request */
        uint32_t *samples, n_samples, n_requests, sent;
        uint64_t chance;
        bool failed;
};

struct crowd *crowd_new(enum side side, const char *address) {
        struct crowd *crowd = bench_alloc(1, sizeof(*crowd));

        crowd->side = side;
        crowd->address = address;
        crowd->set = epoll_create1(EPOLL_CLOEXEC);
        return crowd;
}

/* ---- clients ---- */

void crowd_rest(struct crowd *crowd) {
        for (uint32_t i = 0; i < crowd->n_clients; i++) {
                struct client *client = &crowd->clients[i];

                for (uint32_t k = 0; k < crowd->n_lanes; k++)
                        fsop_batch_free(client->lanes[k].batch);
                free(client->lanes);
                if (client->connection)
                        fsop_close(client->connection);
                else if (client->fd >= 0)
                        close(client->fd);
        }
        free(crowd->clients);
        free(crowd->free);
        crowd->clients = NULL;
        crowd->free = NULL;
        crowd->n_clients = 0;
}

static int connect_echo(struct client *client) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", client->crowd->address);
        if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return bench_fail("echo server: %s", strerror(errno));
        return 0;
}

static int connect_ours(struct client *client) {
        intptr_t fd;

        client->connection = ours_connect(client->crowd->address);
        if (!client->connection || fsop_descriptor(client->connection, &fd) < 0)
                return -1;
        if (fsop_ping(client->connection) < 0) /* what a first request needs has been made then */
                return bench_fail("fsopd does not answer");
        client->fd = (int)fd;
        for (uint32_t i = 0; i < client->crowd->n_lanes; i++)
                if (fsop_batch_new(client->connection, FSOP_BATCH_PARALLEL, &client->lanes[i].batch) < 0)
                        return bench_fail("cannot make a batch");
        return 0;
}

static int connect_client(struct client *client) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        struct crowd *crowd = client->crowd;

        client->lanes = bench_alloc(crowd->n_lanes, sizeof(*client->lanes));
        for (uint32_t i = 0; i < crowd->n_lanes; i++)
                client->lanes[i].client = client;
        if ((crowd->side == SIDE_ECHO ? connect_echo(client) : connect_ours(client)) < 0)
                return -1;
        if (epoll_ctl(crowd->set, EPOLL_CTL_ADD, client->fd, &event) < 0)
                return bench_fail("epoll_ctl: %s", strerror(errno));
        return 0;
}

static int connect_all(struct crowd *crowd, uint32_t n_clients, uint32_t n_lanes) {
        if (crowd->n_clients == n_clients && crowd->n_lanes == n_lanes)
                return 0;
        crowd_rest(crowd);
        crowd->n_lanes = n_lanes;
        crowd->clients = bench_alloc(n_clients, sizeof(*crowd->clients));
        crowd->free_max = n_clients * n_lanes;
        crowd->free = bench_alloc(crowd->free_max, sizeof(struct lane *));
        for (uint32_t i = 0; i < n_clients; i++) {
                crowd->clients[i].crowd = crowd;
                crowd->clients[i].fd = -1;
                crowd->n_clients++;
                if (connect_client(&crowd->clients[i]) < 0) {
                        crowd_rest(crowd);
                        return -1;
                }
        }
        return 0;
}

/* ---- asking ---- */

static void push_free(struct crowd *crowd, struct lane *lane) {
        crowd->free[(crowd->first_free + crowd->n_free++) % crowd->free_max] = lane;
}

static struct lane *pop_free(struct crowd *crowd) {
        struct lane *lane = crowd->free[crowd->first_free];

        crowd->first_free = (crowd->first_free + 1) % crowd->free_max;
        crowd->n_free--;
        return lane;
}

/* It can ask again, if there is something left to ask for. */
static void finish(struct lane *lane) {
        struct crowd *crowd = lane->client->crowd;
        uint64_t ns = bench_now_ns() - lane->due_ns;

        crowd->samples[crowd->n_samples++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
        if (lane->pass < crowd->work->passes)
                push_free(crowd, lane);
}

static void on_done(struct fsop_batch *batch, void *userdata) {
        struct lane *lane = userdata;

        if (ours_check(batch, lane->client->crowd->work->as) < 0)
                lane->client->crowd->failed = true;
        finish(lane);
}

static int send_ours(const struct crowd *crowd, struct lane *lane, uint32_t phase) {
        struct fsop_client *connection = lane->client->connection;

        if (fsop_batch_reset(lane->batch) < 0 || fsop_batch_set_as(lane->batch, crowd->work->as) < 0)
                return bench_fail("fsopd: the batch cannot be used");
        for (uint32_t i = 0; i < crowd->ops; i++)
                if (ours_add(connection, lane->batch, crowd->files, crowd->work->what,
                             crowd->files->paths[lane->first + lane->next + i], phase) < 0)
                        return -1;
        if (fsop_batch_submit(lane->batch, on_done, lane, NULL) < 0)
                return bench_fail("fsopd: %.*s", (int)fsop_last_error(connection)->message.len,
                                  (const char *)fsop_last_error(connection)->message.data);
        return 0;
}

static int send_echo(const struct crowd *crowd, const struct lane *lane, uint32_t phase) {
        struct echo_message message;

        echo_prepare(&message, crowd->files, crowd->work->what, crowd->files->paths[lane->first + lane->next], phase);
        return bench_write_all(lane->client->fd, &message, message.len);
}

static int send_next(struct crowd *crowd, uint64_t due_ns) {
        struct lane *lane = pop_free(crowd);
        uint32_t phase = crowd->work->phase + lane->pass;
        int ret;

        lane->due_ns = due_ns;
        ret = crowd->side == SIDE_ECHO ? send_echo(crowd, lane, phase) : send_ours(crowd, lane, phase);
        crowd->sent++;
        lane->next += crowd->ops;
        if (lane->next == lane->n) {
                lane->next = 0;
                lane->pass++;
        }
        return ret;
}

/* ---- waiting ---- */

static int take_echo(struct client *client) {
        struct echo_message message;

        if (echo_receive(client->fd, &message) < 0)
                return bench_fail("the echo server went away");
        if (message.error != 0)
                return bench_fail("echo server: %s: %s", message.path, strerror(message.error));
        finish(&client->lanes[0]);
        return 0;
}

static int take(struct client *client) {
        if (!client->connection)
                return take_echo(client);
        if (fsop_process(client->connection) < 0)
                return bench_fail("fsopd: the connection broke");
        return client->crowd->failed ? -1 : 0;
}

/* ns: at most so long; UINT64_MAX: for ever. */
static int wait_and_take(struct crowd *crowd, uint64_t ns) {
        struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
        struct epoll_event events[EVENTS_MAX];
        int n;

        if (crowd->n_clients == 1 && crowd->side != SIDE_ECHO && ns == UINT64_MAX)
                return fsop_wait(crowd->clients[0].connection, UINT64_MAX) < 0 ? bench_fail("fsopd: cannot wait")
                                                                               : take(&crowd->clients[0]);
        n = epoll_pwait2(crowd->set, events, EVENTS_MAX, ns == UINT64_MAX ? NULL : &time, NULL);
        if (n < 0 && (errno != EINTR || bench_stop))
                return -1;
        for (int i = 0; i < n; i++)
                if (take(events[i].data.ptr) < 0)
                        return -1;
        return 0;
}

/* ---- a run ---- */

static int prepare(struct crowd *crowd, uint32_t *samples) {
        uint32_t n_lanes = crowd->n_clients * crowd->n_lanes, n_files = crowd->work->n_files / n_lanes;

        if (n_files == 0 || n_files % crowd->ops != 0 || n_files * n_lanes != crowd->work->n_files)
                return bench_fail("%u requests of %u operations do not divide %u files", n_lanes, crowd->ops,
                                  crowd->work->n_files);

        crowd->samples = samples;
        crowd->n_samples = crowd->sent = crowd->n_free = crowd->first_free = 0;
        crowd->failed = false;
        crowd->n_requests = n_lanes * (n_files / crowd->ops) * crowd->work->passes;
        for (uint32_t i = 0; i < n_lanes; i++) {
                struct lane *lane = &crowd->clients[i % crowd->n_clients].lanes[i / crowd->n_clients];

                lane->first = i * n_files;
                lane->n = n_files;
                lane->next = lane->pass = 0;
                push_free(crowd, lane);
        }
        return 0;
}

/* Who is answered asks again. */
static int run_closed(struct crowd *crowd) {
        while (crowd->n_samples < crowd->n_requests) {
                while (crowd->n_free > 0)
                        if (send_next(crowd, bench_now_ns()) < 0)
                                return -1;
                if (wait_and_take(crowd, UINT64_MAX) < 0)
                        return -1;
        }
        return 0;
}

/* The time between two requests: as between events that know nothing of each other. */
static double next_gap_ns(struct crowd *crowd) {
        crowd->chance ^= crowd->chance << 13;
        crowd->chance ^= crowd->chance >> 7;
        crowd->chance ^= crowd->chance << 17;
        return -log(((double)(crowd->chance >> 11) + 1) / 9007199254740993.0) * 1e9 * crowd->ops / crowd->work->rate;
}

static int run_open(struct crowd *crowd) {
        double due_ns = (double)bench_now_ns() + next_gap_ns(crowd);

        while (crowd->n_samples < crowd->n_requests) {
                uint64_t wait_ns = UINT64_MAX;

                while (crowd->n_free > 0 && crowd->sent < crowd->n_requests) {
                        double now_ns = (double)bench_now_ns();

                        if (due_ns > now_ns) {
                                wait_ns = (uint64_t)(due_ns - now_ns);
                                break;
                        }
                        if (send_next(crowd, (uint64_t)due_ns) < 0)
                                return -1;
                        due_ns += next_gap_ns(crowd);
                }
                if (wait_and_take(crowd, wait_ns) < 0)
                        return -1;
        }
        return 0;
}

uint64_t crowd_run(struct crowd *crowd, const struct files *files, const struct work *work, uint32_t *samples,
                   uint32_t *ret_n) {
        const struct way *way = &work->way;
        uint64_t begin;
        int ret;

        crowd->files = files;
        crowd->work = work;
        crowd->ops = way->ops > 1 ? way->ops : 1;
        crowd->chance = 0x9e3779b97f4a7c15u; /* the same for every side */
        if (connect_all(crowd, way->clients > 1 ? way->clients : 1, way->in_flight > 1 ? way->in_flight : 1) < 0 ||
            prepare(crowd, samples) < 0)
                return 0;
        begin = bench_now_ns();
        ret = work->rate > 0 ? run_open(crowd) : run_closed(crowd);
        *ret_n = crowd->n_samples;
        return ret < 0 ? 0 : bench_now_ns() - begin;
}
