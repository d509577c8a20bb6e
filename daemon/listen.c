/* SPDX-License-Identifier: MIT */
/*
 * listen.c: listening, accepting, and pauses where a connection cannot be accepted.
 */
#include "daemon/listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/service.h"
#include "daemon/graveyard.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/names.h"

#define PAUSE_MS 50u /* the first time; then twice as long each time */
#define PAUSE_MAX_MS 800u

/* ---- accepting --------------------------------------------------------------------------------------------------- */

static void accept_on(struct server *server, struct io *io) {
        io->flags = 0;
        io->result = 0;
        server->listening.accepting++;
        server->engine->ops->submit(server->engine, io);
}

/* Who cannot be accepted stays in the queue: asking again at once would only spin. */
static void accept_failed(struct server *server, int code) {
        struct listening *listening = &server->listening;

        if (listening->again_ms == 0) {
                uint32_t pause_ms = listening->pause_ms > 0 ? listening->pause_ms * 2 : PAUSE_MS;

                listening->pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
                server->totals.refused++;
                if (refusals_add(&server->refusals, REFUSAL_ACCEPT, server->now_ms))
                        log_line(LOG_LEVEL_WARNING, "a connection could not be accepted (%s); trying again in %u ms",
                                 error_name(-code), listening->pause_ms);
        }
        listening->again_ms = server->now_ms + listening->pause_ms;
}

static void accepted(struct io *io) {
        struct server *server = io->owner;
        struct listening *listening = &server->listening;

        server->now_ms = sys_monotonic_ms(); /* this runs inside a wait that may have been long */
        if (!(io->flags & IO_MORE))
                listening->accepting--;
        if (io->result >= 0 && server->draining) {
                graveyard_bury((os_fd)io->result, NULL);
        } else if (io->result >= 0) {
                listening->pause_ms = 0;
                session_start(server, (os_fd)io->result);
        } else if (io->result != -FSOP_ECANCELED) {
                accept_failed(server, (int)io->result);
        }
        if (!(io->flags & IO_MORE) && !server->draining && listening->again_ms == 0)
                accept_on(server, io);
}

void listen_tick(struct server *server) {
        struct listening *listening = &server->listening;

        if (listening->again_ms == 0 || server->now_ms < listening->again_ms || server->draining)
                return;
        listening->again_ms = 0;
        for (uint32_t i = 0; i < listening->n; i++)
                if (listening->accepts[i].result < 0)
                        accept_on(server, &listening->accepts[i]);
}

/* ---- the sockets ------------------------------------------------------------------------------------------------- */

bool listen_is_default_directory(const char *directory, bool private_service) {
        char *standard = service_default_socket(private_service);
        char *default_directory = standard ? config_parent_of(standard) : NULL;
        bool is_default = default_directory && strcmp(directory, default_directory) == 0;

        free(default_directory);
        free(standard);
        return is_default;
}

/* Any other must be there: a mistyped path would be made, too. */
static void make_default_directory(const struct server *server) {
        char *directory = config_parent_of(server->config->socket);

        if (directory && listen_is_default_directory(directory, server->private_service))
                sys_make_directory(directory, server->private_service ? 0700 : 0755);
        free(directory);
}

static int make_socket(struct server *server, os_fd *ret_fd) {
        const struct config *config = server->config;
        uint32_t gid = WIRE_NOBODY;
        const char *why = NULL;
        int code;

        if (config->socket_group && sys_group_by_name(config->socket_group, &gid) < 0 && !(config->socket_mode & 0002))
                log_line(LOG_LEVEL_WARNING,
                         "socket-group %s does not exist: only root may connect; make the group, or name another",
                         config->socket_group);
        make_default_directory(server);
        code = sys_listen(config->socket, config->socket_mode, gid, ret_fd, &server->listening.lock, &why);
        if (code == -FSOP_ENOENT && !why)
                why = "its directory must be there: only the default one is made";
        if (code < 0)
                log_line(LOG_LEVEL_ERROR, "cannot listen on %s: %s%s%s", config->socket, error_text(-code),
                         why ? ": " : "", why ? why : "");
        server->listening.own_socket = code == 0;
        return code;
}

int listen_inherit(struct server *server) {
        struct listening *listening = &server->listening;
        const char *why;
        int n = service_inherited_sockets(listening->sockets, LISTENERS_MAX, &why);

        if (n < 0)
                log_line(LOG_LEVEL_ERROR, "the service manager's sockets cannot be used: %s (%s)", why, error_text(-n));
        else if (why)
                log_line(LOG_LEVEL_WARNING, "no socket is taken over: %s", why);
        listening->n = n > 0 ? (uint32_t)n : 0;
        return n < 0 ? n : 0;
}

int listen_start(struct server *server) {
        struct listening *listening = &server->listening;

        if (listening->n == 0) {
                int code = make_socket(server, &listening->sockets[0].fd);

                if (code < 0)
                        return code;
                listening->n = 1;
        }
        for (uint32_t i = 0; i < listening->n; i++) {
                struct io *io = &listening->accepts[i];

                *io = (struct io){.kind = IO_ACCEPT, .done = accepted, .owner = server};
                io->u.accept.fd = listening->sockets[i].fd;
                accept_on(server, io);
        }
        return 0;
}

void listen_name_sockets(const struct server *server, char *buffer, size_t buffer_bytes) {
        const struct listening *listening = &server->listening;
        size_t len = 0;

        if (listening->own_socket) {
                snprintf(buffer, buffer_bytes, "%s", server->config->socket);
                return;
        }
        for (uint32_t i = 0; i < listening->n && len < buffer_bytes; i++) {
                const char *name = listening->sockets[i].name;

                len += (size_t)snprintf(buffer + len, buffer_bytes - len, "%s%s", i ? " and " : "",
                                        name[0] ? name : "a socket without a name");
        }
}

void listen_remove_socket(struct server *server) {
        struct listening *listening = &server->listening;

        if (listening->own_socket)
                sys_unlisten(server->config->socket, listening->sockets[0].fd, listening->lock);
        listening->own_socket = false;
}

void listen_stop(struct server *server) {
        struct listening *listening = &server->listening;

        for (uint32_t i = 0; i < listening->n; i++)
                server->engine->ops->cancel(server->engine, &listening->accepts[i]);
        listen_remove_socket(server);
}
