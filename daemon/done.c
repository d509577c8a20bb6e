/* SPDX-License-Identifier: MIT */
/*
 * done.c: entries of done files written, read and looked up.
 */
#include "daemon/done.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_LINKED = 1, FLAG_DIGEST = 2, FLAGS_KNOWN = 3 };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static size_t put_varint(uint8_t *to, uint64_t value) {
        size_t n = 0;

        for (; value >= 0x80; value >>= 7)
                to[n++] = (uint8_t)(value | 0x80);
        to[n++] = (uint8_t)value;
        return n;
}

static size_t shared_bytes(const struct buffer *before, struct bytes path) {
        size_t n = 0, max = buffer_len(before) < path.len ? buffer_len(before) : path.len;

        while (n < max && before->data[before->start + n] == path.data[n])
                n++;
        return n;
}

int done_write(struct done_writer *writer, const struct done_entry *entry) {
        uint8_t head[24], tail[1 + sizeof(struct object_id) + WIRE_DIGEST_BYTES];
        size_t shared = shared_bytes(&writer->before, entry->path), rest = entry->path.len - shared;
        size_t n_head = put_varint(head, shared), n_tail = 1;
        int code;

        n_head += put_varint(head + n_head, rest);
        tail[0] = (uint8_t)((entry->linked ? FLAG_LINKED : 0) | (entry->has_digest ? FLAG_DIGEST : 0));
        if (entry->linked) {
                memcpy(tail + n_tail, &entry->id.dev, sizeof(entry->id.dev));
                memcpy(tail + n_tail + sizeof(entry->id.dev), &entry->id.ino, sizeof(entry->id.ino));
                n_tail += sizeof(entry->id.dev) + sizeof(entry->id.ino);
        }
        if (entry->has_digest) {
                memcpy(tail + n_tail, entry->digest, sizeof(entry->digest));
                n_tail += sizeof(entry->digest);
        }
        code = buffer_append(&writer->data, head, n_head);
        if (code == 0 && rest > 0)
                code = buffer_append(&writer->data, entry->path.data + shared, rest);
        if (code == 0)
                code = buffer_append(&writer->data, tail, n_tail);
        if (code < 0)
                return code;
        buffer_consume(&writer->before, buffer_len(&writer->before), WIRE_PATH_BYTES_MAX + 1);
        return entry->path.len > 0 ? buffer_append(&writer->before, entry->path.data, entry->path.len) : 0;
}

void done_writer_reset(struct done_writer *writer) {
        buffer_consume(&writer->data, buffer_len(&writer->data), 1u << 20);
        buffer_consume(&writer->before, buffer_len(&writer->before), WIRE_PATH_BYTES_MAX + 1);
}

void done_writer_fini(struct done_writer *writer) {
        buffer_fini(&writer->data);
        buffer_fini(&writer->before);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool take_varint(struct bytes *data, uint64_t max, uint64_t *ret) {
        uint64_t value = 0;

        for (unsigned shift = 0; data->len > 0 && shift < 63; shift += 7) {
                uint8_t byte = *data->data++;

                data->len--;
                value |= (uint64_t)(byte & 0x7f) << shift;
                if (!(byte & 0x80)) {
                        *ret = value;
                        return value <= max;
                }
        }
        return false;
}

static bool take(struct bytes *data, void *to, size_t n) {
        if (data->len < n)
                return false;
        memcpy(to, data->data, n);
        data->data += n;
        data->len -= n;
        return true;
}

static bool take_flags(struct bytes *data, struct done_entry *entry) {
        uint8_t flags;

        if (!take(data, &flags, 1) || (flags & ~FLAGS_KNOWN))
                return false;
        entry->linked = flags & FLAG_LINKED;
        entry->has_digest = flags & FLAG_DIGEST;
        if (entry->linked &&
            (!take(data, &entry->id.dev, sizeof(entry->id.dev)) || !take(data, &entry->id.ino, sizeof(entry->id.ino))))
                return false;
        return !entry->has_digest || take(data, entry->digest, sizeof(entry->digest));
}

int done_read(struct bytes data, int (*each)(void *context, const struct done_entry *entry), void *context) {
        uint8_t path[WIRE_PATH_BYTES_MAX + 1];
        size_t len = 0;

        while (data.len > 0) {
                struct done_entry entry = {0};
                uint64_t shared, rest;
                int code;

                if (!take_varint(&data, len, &shared) || !take_varint(&data, WIRE_PATH_BYTES_MAX - shared, &rest) ||
                    !take(&data, path + shared, rest) || memchr(path + shared, 0, rest) || !take_flags(&data, &entry))
                        return -FSOP_EIO;
                len = (size_t)(shared + rest);
                path[len] = 0;
                entry.path = (struct bytes){path, len};
                code = each(context, &entry);
                if (code < 0)
                        return code;
        }
        return 0;
}

/* ---- the set ----------------------------------------------------------------------------------------------------- */

struct hash {
        uint64_t word[2]; /* both 0: a free slot */
};

struct link {
        struct object_id id; /* ino 0: a free slot */
        char *path;          /* NULL: forgotten */
};

struct done_set {
        uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
        struct hash *hashes;
        size_t n, room; /* room is a power of two */
        struct link *links;
        size_t n_links, links_room;
};

static struct hash hash_of(const struct done_set *set, struct bytes path) {
        struct hash hash;

        crypto_shorthash_siphashx24((unsigned char *)hash.word, path.data, path.len, set->key);
        if (hash.word[0] == 0 && hash.word[1] == 0)
                hash.word[0] = 1;
        return hash;
}

static size_t find(const struct hash *hashes, size_t room, struct hash hash) {
        size_t i = (size_t)hash.word[0] & (room - 1);

        while ((hashes[i].word[0] | hashes[i].word[1]) != 0 &&
               (hashes[i].word[0] != hash.word[0] || hashes[i].word[1] != hash.word[1]))
                i = (i + 1) & (room - 1);
        return i;
}

static int grow(struct done_set *set) {
        size_t room = set->room ? set->room * 2 : 256;
        struct hash *hashes = calloc(room, sizeof(*hashes));

        if (!hashes)
                return -FSOP_ENOMEM;
        for (size_t i = 0; i < set->room; i++)
                if ((set->hashes[i].word[0] | set->hashes[i].word[1]) != 0)
                        hashes[find(hashes, room, set->hashes[i])] = set->hashes[i];
        free(set->hashes);
        set->hashes = hashes;
        set->room = room;
        return 0;
}

static size_t find_link(const struct link *links, size_t room, struct object_id id) {
        size_t i = (size_t)((id.ino ^ id.dev << 17) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);

        while (links[i].id.ino != 0 && (links[i].id.ino != id.ino || links[i].id.dev != id.dev))
                i = (i + 1) & (room - 1);
        return i;
}

static int grow_links(struct done_set *set) {
        size_t room = set->links_room ? set->links_room * 2 : 64;
        struct link *links = calloc(room, sizeof(*links));

        if (!links)
                return -FSOP_ENOMEM;
        for (size_t i = 0; i < set->links_room; i++)
                if (set->links[i].id.ino != 0)
                        links[find_link(links, room, set->links[i].id)] = set->links[i];
        free(set->links);
        set->links = links;
        set->links_room = room;
        return 0;
}

int done_set_new(struct done_set **ret_set) {
        struct done_set *set = calloc(1, sizeof(*set));

        if (!set)
                return -FSOP_ENOMEM;
        if (sodium_init() < 0) {
                free(set);
                return -FSOP_EIO;
        }
        crypto_shorthash_keygen(set->key);
        *ret_set = set;
        return 0;
}

static int add_link(struct done_set *set, const struct done_entry *entry) {
        size_t i;

        if (set->n_links * 2 >= set->links_room && grow_links(set) < 0)
                return -FSOP_ENOMEM;
        i = find_link(set->links, set->links_room, entry->id);
        if (set->links[i].path)
                return 0; /* the first one counts */
        set->links[i].path = strndup((const char *)entry->path.data, entry->path.len);
        if (!set->links[i].path)
                return -FSOP_ENOMEM;
        set->n_links += set->links[i].id.ino == 0;
        set->links[i].id = entry->id;
        return 0;
}

int done_set_add(struct done_set *set, const struct done_entry *entry) {
        struct hash hash = hash_of(set, entry->path);
        size_t i;

        if (set->n * 2 >= set->room && grow(set) < 0)
                return -FSOP_ENOMEM;
        i = find(set->hashes, set->room, hash);
        set->n += (set->hashes[i].word[0] | set->hashes[i].word[1]) == 0;
        set->hashes[i] = hash;
        return entry->linked && entry->id.ino != 0 ? add_link(set, entry) : 0;
}

bool done_set_has(const struct done_set *set, struct bytes path) {
        struct hash hash = hash_of(set, path);
        size_t i;

        if (set->n == 0)
                return false;
        i = find(set->hashes, set->room, hash);
        return (set->hashes[i].word[0] | set->hashes[i].word[1]) != 0;
}

const char *done_set_link(const struct done_set *set, struct object_id id) {
        size_t i;

        if (set->n_links == 0)
                return NULL;
        i = find_link(set->links, set->links_room, id);
        return set->links[i].path;
}

void done_set_forget_link(struct done_set *set, struct object_id id) {
        size_t i;

        if (set->n_links == 0)
                return;
        i = find_link(set->links, set->links_room, id);
        free(set->links[i].path);
        set->links[i].path = NULL;
}

struct done_set *done_set_free(struct done_set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->links_room; i++)
                free(set->links[i].path);
        free(set->links);
        free(set->hashes);
        free(set);
        return NULL;
}
