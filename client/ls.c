/* SPDX-License-Identifier: MIT */
/*
 * ls.c: a directory listed entry by entry, fetched page by page.
 */
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

struct fsop_ls {
        struct fsop_batch batch; /* one ls, again and again; holds the page */
        struct fsop_at at;
        struct fsop_ls_args args;
        uint32_t next; /* entry in the page */
        bool have_page;
        char path[]; /* of at */
};

int fsop_ls_open(struct fsop_client *client, const struct fsop_at *at, bool with_stat, struct fsop_ls **ret_ls) {
        struct fsop_at taken;
        *ret_ls = NULL;
        int r = client_enter(client);
        if (r < 0)
                return r;
        if (!at || take_struct(&taken, sizeof(taken), at) < 0)
                return client_fail(client, FSOP_EINVAL, 0, "ls: a location is missing or has no valid size");
        /* A relative path must mean the same for every page. */
        char directory[WIRE_PATH_BYTES_MAX + 1] = "";
        int32_t os_error;
        bool relative = taken.kind == FSOP_AT_PATH && taken.path.len > 0 && *(const char *)taken.path.data != '/';
        if (relative && connect_current_directory(directory, sizeof(directory), &os_error) < 0)
                directory[0] = 0;
        size_t before = strlen(directory), slash = before > 0, len = before + slash + taken.path.len;
        struct fsop_ls *ls = calloc(1, sizeof(*ls) + len + 1);
        if (!ls)
                return client_fail(client, FSOP_ENOMEM, 0, "ls: no memory");
        memcpy(ls->path, directory, before);
        memset(ls->path + before, '/', slash);
        if (taken.path.len > 0)
                memcpy(ls->path + before + slash, taken.path.data, taken.path.len);
        ls->at = taken;
        ls->at.path = (struct fsop_bytes){ls->path, len};
        ls->args = (struct fsop_ls_args){.size = sizeof(ls->args), .with_stat = with_stat};
        batch_init(&ls->batch, client, FSOP_BATCH_PARALLEL);
        *ret_ls = ls;
        return 0;
}

static int ls_fetch(struct fsop_ls *ls) {
        int r = fsop_batch_reset(&ls->batch);
        if (r == 0)
                r = fsop_batch_ls(&ls->batch, &ls->at, &ls->args);
        if (r >= 0)
                r = fsop_batch_run(&ls->batch);
        if (r < 0)
                return r;
        const struct fsop_result *result = fsop_batch_result(&ls->batch, 0);
        if (result->error.code)
                return client_fail_with(ls->batch.client, &result->error);
        if (result->value.ls.n_entries == 0 && !result->value.ls.end)
                return client_fail(ls->batch.client, FSOP_EPROTO, 0, "ls: a page without entries is not the last");
        ls->next = 0;
        ls->have_page = true;
        return 0;
}

int fsop_ls_next(struct fsop_ls *ls, const struct fsop_entry **ret_entry) {
        if (!ls->batch.client)
                return -FSOP_ENOTCONN;
        int r = client_enter(ls->batch.client);
        if (r < 0)
                return r;
        while (!ls->have_page || ls->next == fsop_batch_result(&ls->batch, 0)->value.ls.n_entries) {
                if (ls->have_page) {
                        const struct fsop_ls_result *page = &fsop_batch_result(&ls->batch, 0)->value.ls;
                        if (page->end)
                                return 0;
                        ls->args.cookie = page->cookie;
                        ls->have_page = false;
                }
                r = ls_fetch(ls);
                if (r < 0)
                        return r;
        }
        *ret_entry = &fsop_batch_result(&ls->batch, 0)->value.ls.entries[ls->next++];
        return 1;
}

void fsop_ls_close(struct fsop_ls *ls) {
        if (!ls)
                return;
        batch_fini(&ls->batch);
        free(ls);
}
