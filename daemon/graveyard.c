/* SPDX-License-Identifier: MIT */
/*
 * graveyard.c: a list of descriptors per user and round, closed by one hand-over.
 */
#include "daemon/graveyard.h"

#include <stdlib.h>

#include "daemon/accounts.h"

#define GRAVE_FDS 62u

struct grave {
        struct io io;
        struct grave *next;
        struct account *account; /* among whose descriptors they count, or NULL */
        uint32_t whose;          /* uid */
        uint32_t n_fds;
        os_fd fds[GRAVE_FDS];
};

static struct {
        struct engine *engine;
        struct grave *open; /* being filled */
        unsigned pending;
} graveyard;

static void grave_close(struct io *io) {
        struct grave *grave = io->owner;

        for (uint32_t i = 0; i < grave->n_fds; i++)
                sys_close(grave->fds[i]);
        io->result = 0;
}

static void grave_done(struct io *io) {
        struct grave *grave = io->owner;

        if (io->result < 0) /* there was no worker to do it */
                grave_close(io);
        if (grave->account)
                grave->account->fds -= grave->n_fds;
        graveyard.pending--;
        free(grave);
}

void graveyard_start(struct engine *engine) {
        graveyard.engine = engine;
}

static void bury(os_fd fd, struct account *account, uint32_t whose) {
        struct grave *grave = graveyard.open;

        if (fd == OS_FD_NONE)
                return;
        while (grave && (grave->account != account || grave->whose != whose || grave->n_fds == GRAVE_FDS))
                grave = grave->next;
        if (!grave) {
                grave = calloc(1, sizeof(*grave));
                if (!grave) {
                        sys_close(fd);
                        return;
                }
                grave->account = account;
                grave->whose = whose;
                grave->next = graveyard.open;
                graveyard.open = grave;
        }
        grave->fds[grave->n_fds++] = fd;
        if (account)
                account->fds++;
}

void graveyard_bury(os_fd fd, struct account *account) {
        bury(fd, account, account ? account->uid : WIRE_NOBODY);
}

void graveyard_bury_socket(os_fd fd, uint32_t whose) {
        bury(fd, NULL, whose);
}

void graveyard_flush(void) {
        struct grave *grave;

        while ((grave = graveyard.open)) {
                graveyard.open = grave->next;
                grave->io = (struct io){.kind = IO_CALL, .flags = IO_POOL, .done = grave_done, .owner = grave};
                grave->io.u.call = grave_close;
                grave->io.whose = grave->whose;
                graveyard.pending++;
                graveyard.engine->ops->submit(graveyard.engine, &grave->io);
        }
}

unsigned graveyard_pending(void) {
        return graveyard.pending;
}
