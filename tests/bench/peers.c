/* SPDX-License-Identifier: MIT */
/*
 * peers.c: the servers that fsopd is compared with, each at the other end of a stream that it is born with. All run as
 * root. Those that are not installed are left out, and their rows say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define PLACES_MAX 5
#define CROWD_BACKLOG 4096

/* Becomes the server at `program`, whose stream is standard input and output. */
typedef void exec_peer(const char *program, const struct place *place);

static void exec_sftp(const char *program, const struct place *place) {
        (void)place;
        execl(program, "sftp-server", (char *)NULL);
}

static void exec_diod(const char *program, const struct place *place) {
        execl(program, "diod", "-f", "-n", "-N", "-L", "stderr", "-r", "0", "-w", "0", "-c", "/dev/null", "-e",
              place->files.directory, (char *)NULL);
}

static void exec_proxy(const char *program, const struct place *place) {
        execl(program, "virtfs-proxy-helper", "-n", "-p", place->files.directory, "-f", "0", (char *)NULL);
}

static const struct {
        enum side side;
        const char *missing;
        exec_peer *exec; /* NULL: it is part of this program */
        const char *places[PLACES_MAX];
} kinds[N_PEERS] = {
        [PEER_ECHO] = {SIDE_ECHO, "", NULL, {0}},
        [PEER_SFTP] = {SIDE_SFTP,
                       "sftp-server is not installed",
                       exec_sftp,
                       {"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
                        "/usr/libexec/sftp-server"}},
        [PEER_DIOD] = {SIDE_DIOD, "diod is not installed", exec_diod, {"/usr/sbin/diod", "/usr/local/sbin/diod"}},
        [PEER_PROXY] = {SIDE_PROXY,
                        "virtfs-proxy-helper is not installed",
                        exec_proxy,
                        {"/usr/lib/qemu/virtfs-proxy-helper", "/usr/libexec/virtfs-proxy-helper"}},
};

static const char *find(const struct peers *peers, enum peer peer) {
        if (peer == PEER_SFTP && peers->sftp_server)
                return peers->sftp_server;
        for (unsigned i = 0; i < PLACES_MAX && kinds[peer].places[i]; i++)
                if (access(kinds[peer].places[i], X_OK) == 0)
                        return kinds[peer].places[i];
        return NULL;
}

static void serve(const struct place *place, enum peer peer, const char *program, int fd) {
        int log;

        if (!kinds[peer].exec) {
                echo_serve(fd);
                return;
        }
        log = open(place->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(fd, STDIN_FILENO);
        dup2(fd, STDOUT_FILENO);
        if (log >= 0)
                dup2(log, STDERR_FILENO);
        kinds[peer].exec(program, place);
        fprintf(stderr, "fsop-bench: %s: %s\n", program, strerror(errno));
}

static int start(struct peers *peers, const struct place *place, enum peer peer) {
        const char *program = find(peers, peer);
        int fds[2];

        if (kinds[peer].exec && !program)
                return 0;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return bench_fail("socketpair: %s", strerror(errno));
        peers->pids[peer] = process_fork(true);
        if (peers->pids[peer] == 0) {
                close(fds[0]);
                serve(place, peer, program, fds[1]);
                _exit(0);
        }
        close(fds[1]);
        peers->fds[peer] = fds[0];
        return peers->pids[peer] < 0 ? -1 : 0;
}

static int start_crowd(struct peers *peers, const struct place *place) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", place->echo_socket);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chown(place->echo_socket, place->client_uid, place->client_gid) < 0 || listen(fd, CROWD_BACKLOG) < 0) {
                bench_fail("%s: %s", place->echo_socket, strerror(errno));
        } else {
                peers->crowd = process_fork(true);
                if (peers->crowd == 0) {
                        process_raise_descriptors();
                        echo_serve_many(fd);
                        _exit(0);
                }
        }
        if (fd >= 0)
                close(fd);
        return peers->crowd > 0 ? 0 : -1;
}

int peers_start(struct peers *peers, const struct place *place) {
        for (unsigned i = 0; i < N_PEERS; i++)
                if (start(peers, place, (enum peer)i) < 0)
                        return -1;
        return start_crowd(peers, place);
}

void peers_stop(struct peers *peers) {
        for (unsigned i = 0; i < N_PEERS; i++) {
                if (peers->fds[i] >= 0)
                        close(peers->fds[i]);
                peers->fds[i] = -1;
                process_end(&peers->pids[i], SIGKILL);
        }
        process_end(&peers->crowd, SIGKILL);
}

const char *peers_missing(const struct peers *peers, enum side side) {
        for (unsigned i = 0; i < N_PEERS; i++)
                if (kinds[i].side == side && peers->fds[i] < 0)
                        return kinds[i].missing;
        return NULL;
}
