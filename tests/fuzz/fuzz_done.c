/* SPDX-License-Identifier: MIT */
/*
 * fuzz_done.c: whatever the store gives back as files that are done, reading it ends in entries or in an error; and
 * entries that were read are written and read again as they were.
 */
#include <string.h>

#include "daemon/done.h"
#include "tests/fuzz/fuzz.h"

struct copying {
        struct done_writer writer;
        struct done_set *set; /* NULL: none */
};

static int copy_entry(void *context, const struct done_entry *entry) {
        struct copying *copying = context;

        must(entry->path.len <= WIRE_PATH_BYTES_MAX && entry->path.data[entry->path.len] == 0);
        must(done_write(&copying->writer, entry) == 0);
        if (!copying->set)
                return 0;
        must(done_set_add(copying->set, entry) == 0);
        must(done_set_has(copying->set, entry->path));
        must(!entry->linked || entry->id.ino == 0 || done_set_link(copying->set, entry->id));
        return 0;
}

static struct bytes written(const struct done_writer *writer) {
        return (struct bytes){writer->data.data ? writer->data.data + writer->data.start : NULL,
                              buffer_len(&writer->data)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct copying first, second;
        struct bytes a, b;
        int code;

        must(done_set_new(&first.set) == 0);
        code = done_read((struct bytes){data, size}, copy_entry, &first);
        must(code == 0 || code == -FSOP_EIO);
        fuzz_accepted = code == 0;
        a = written(&first.writer);
        must(done_read(a, copy_entry, &second) == 0);
        b = written(&second.writer);
        must(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
        done_writer_reset(&first.writer);
        done_writer_reset(&second.writer);
        first.set = done_set_free(first.set);
        return 0;
}
