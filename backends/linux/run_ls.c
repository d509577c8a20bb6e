/* SPDX-License-Identifier: MIT */
/*
 * run_ls.c: one page of a directory. Entries fill the answer's room from the front, names from the back; the page ends
 * when they meet, and its cookie is the kernel's own offset behind the last entry that fitted.
 */
#include "backends/linux/sys_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_BYTES (32u << 10)

struct page {
        struct entry *entries;
        uint32_t n, n_max;
        uint8_t *names; /* where the last one was put */
        uint64_t cookie;
        bool full;
};

static void page_init(struct page *page, const struct sys_op *op) {
        const struct ls_args *args = &op->op->args.ls;
        uintptr_t start = (uintptr_t)op->out,
                  aligned = (start + _Alignof(struct entry) - 1) & ~(_Alignof(struct entry) - 1);

        page->entries = (struct entry *)aligned;
        page->names = op->out + op->out_bytes;
        page->n = 0;
        page->n_max = args->entries_max == 0 || args->entries_max > WIRE_LS_ENTRIES_MAX ? WIRE_LS_ENTRIES_MAX
                                                                                        : args->entries_max;
        page->cookie = args->cookie;
        page->full = false;
}

static bool page_add(struct page *page, const struct kernel_entry *from, int dir_fd, bool with_stat) {
        size_t len = strlen(from->name);
        struct entry *entry = &page->entries[page->n];

        if (page->n == page->n_max || (uint8_t *)(entry + 1) + len > page->names) {
                page->full = true;
                return false;
        }
        page->names -= len;
        memcpy(page->names, from->name, len);
        *entry = (struct entry){
                .name = {page->names, len}, .type = posix_file_type(DTTOIF(from->type)), .ino = from->ino};
        if (with_stat && lookup_stat(dir_fd, from->name, true, &entry->stat) == 0) {
                entry->has_stat = true;
                entry->type = posix_file_type(entry->stat.mode);
                entry->stat.mnt_id = mounts_plain_id(entry->stat.mnt_id);
        }
        page->n++;
        return true;
}

static bool is_dot(const char *name) {
        return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Takes what one call brought. */
static void page_take(struct page *page, const uint8_t *data, size_t len, int dir_fd, bool with_stat) {
        for (size_t at = 0; at < len;) {
                const struct kernel_entry *entry = (const struct kernel_entry *)(const void *)(data + at);

                if (!is_dot(entry->name) && !page_add(page, entry, dir_fd, with_stat))
                        return;
                page->cookie = (uint64_t)entry->offset;
                at += entry->length;
        }
}

static int fill(struct sys_op *op, int fd, struct page *page, bool *ret_end) {
        _Alignas(struct kernel_entry) uint8_t buffer[READ_BYTES];

        *ret_end = false;
        if (page->cookie != 0 && lseek(fd, (off_t)page->cookie, SEEK_SET) < 0)
                return op_failed(op, errno);
        while (!page->full) {
                long n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return op_failed(op, errno);
                if (n == 0) {
                        *ret_end = true;
                        return 0;
                }
                page_take(page, buffer, (size_t)n, fd, op->op->args.ls.with_stat);
                if (op_is_cancelled(op))
                        return op_refused(op, -FSOP_ECANCELED, "cancelled");
        }
        return page->n > 0 ? 0 : op_refused(op, -FSOP_ENOBUFS, "not even one name fits the answer");
}

int run_ls(struct sys_op *op) {
        struct page page;
        bool end;
        int fd, r = identity_wear(op->at.identity);

        if (r < 0)
                return op_refused(op, r, "the identity could not be taken");
        /* A description of its own, so that pages of the same handle can be read side by side. */
        fd = lookup_reopen(op->at.object, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return op_failed(op, -fd);
        page_init(&page, op);
        if (fill(op, fd, &page, &end) == 0) {
                op->result->value.ls.entries = page.entries;
                op->result->value.ls.n_entries = page.n;
                op->result->value.ls.end = end;
                op->result->value.ls.cookie = page.cookie;
        }
        close(fd);
        return op->code;
}
