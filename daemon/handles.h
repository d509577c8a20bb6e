/* SPDX-License-Identifier: MIT */
/*
 * handles.h: files and directories that a connection holds open. A handle keeps the rule and the identity it was opened
 * under; every operation on it is authorized again. Its number carries a generation, so that a closed one is never
 * mistaken for its successor.
 */
#ifndef FSOP_HANDLES_H
#define FSOP_HANDLES_H

#include "backends/sys.h"

struct account;

struct handle {
        uint32_t refs;
        os_fd fd;
        bool directory;
        bool elevated;
        bool from_client; /* found below a descriptor that was passed: on a mount that its client may have made */
        bool slow;        /* behind a network or FUSE filesystem, or from_client: closed by a worker */
        struct account *account; /* whose it is */
        char *rule;              /* elevated: the rule's name */
        struct bytes path;       /* as policy sees it; empty when unknown */
};

struct handle_slot {
        struct handle *handle;
        uint32_t generation;
};

struct handles {
        struct handle_slot *slots;
        uint32_t n_slots, used;
        uint32_t n_removed; /* so far: their descriptors may be other files' by now */
};

/* Takes over fd on success; PATH and RULE are copied (RULE NULL: opened as caller). 0, -FSOP_EMFILE or -FSOP_ENOMEM. */
int handles_add(struct handles *handles, uint32_t max, const struct handle *like, uint64_t *ret_id);
/* Counted; NULL when there is none of that number. */
struct handle *handles_get(struct handles *handles, uint64_t id);
/* Forgets the number; the descriptor goes when the last user is done. */
bool handles_remove(struct handles *handles, uint64_t id);
/* Closes through the graveyard when the count reaches 0. */
void handle_unref(struct handle *handle);
void handles_fini(struct handles *handles);

#endif
