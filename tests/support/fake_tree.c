/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct fake_fs *fake_fs;

uint32_t fake_make_inode(enum fsop_file_type type, uint64_t dev) {
        for (uint32_t i = 0; i < FAKE_INODES; i++)
                if (!fake_fs->now.inodes[i].used && !fake_fs->durable.inodes[i].used) {
                        fake_fs->now.inodes[i] = (struct fake_inode){
                                .used = true, .type = type, .dev = dev, .uid = 1000, .serial = ++fake_fs->serials};
                        if (i >= fake_fs->now.n_inodes)
                                fake_fs->now.n_inodes = i + 1;
                        return i;
                }
        abort();
}

struct fake_entry *fake_entry_find(uint32_t parent, const char *name) {
        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++) {
                struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used && entry->parent == parent && strcmp(entry->name, name) == 0)
                        return entry;
        }
        return NULL;
}

struct fake_entry *fake_entry_make(uint32_t parent, const char *name, uint32_t inode) {
        for (uint32_t i = 0; i < FAKE_INODES; i++) {
                struct fake_entry *entry = &fake_fs->now.entries[i];

                if (entry->used)
                        continue;
                if (strlen(name) >= sizeof(entry->name))
                        abort();
                *entry = (struct fake_entry){.used = true, .parent = parent, .inode = inode};
                strcpy(entry->name, name);
                fake_fs->now.inodes[inode].nlink++;
                if (i >= fake_fs->now.n_entries)
                        fake_fs->now.n_entries = i + 1;
                return entry;
        }
        abort();
}

void fake_entry_remove(struct fake_entry *entry) {
        struct fake_inode *inode = &fake_fs->now.inodes[entry->inode];

        if (inode->type == FSOP_TYPE_DIRECTORY)
                for (uint32_t i = 0; i < fake_fs->now.n_entries; i++)
                        if (fake_fs->now.entries[i].used && fake_fs->now.entries[i].parent == entry->inode)
                                fake_entry_remove(&fake_fs->now.entries[i]);
        entry->used = false;
        if (--inode->nlink == 0)
                inode->used = false;
}

bool fake_is_dir(uint32_t inode) {
        return fake_fs->now.inodes[inode].type == FSOP_TYPE_DIRECTORY;
}

int fake_walk(const char *path, size_t len, int *ret_parent, char leaf[FAKE_NAME_BYTES]) {
        int at = 0, parent = -1;

        leaf[0] = 0;
        for (size_t i = 0; i < len;) {
                size_t end = i;
                struct fake_entry *entry;

                while (end < len && path[end] != '/')
                        end++;
                if (end > i) {
                        if (at < 0 || !fake_is_dir((uint32_t)at) || end - i >= FAKE_NAME_BYTES) {
                                *ret_parent = -1;
                                return -1;
                        }
                        memcpy(leaf, path + i, end - i);
                        leaf[end - i] = 0;
                        parent = at;
                        entry = fake_entry_find((uint32_t)at, leaf);
                        at = entry ? (int)entry->inode : -1;
                }
                i = end + 1;
        }
        *ret_parent = parent;
        return at;
}

int fake_look(const char *path) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        return fake_walk(path, strlen(path), &parent, leaf);
}

struct fake_inode *fake_at(const char *path) {
        int inode = fake_look(path);

        return inode < 0 ? NULL : &fake_fs->now.inodes[inode];
}

struct fake_inode *fake_make(const char *path, enum fsop_file_type type, uint64_t size) {
        char leaf[FAKE_NAME_BYTES], above[512];
        int parent, inode = fake_walk(path, strlen(path), &parent, leaf);

        if (inode >= 0)
                return &fake_fs->now.inodes[inode];
        if (parent < 0) {
                snprintf(above, sizeof(above), "%s", path);
                *strrchr(above, '/') = 0;
                fake_make(above, FSOP_TYPE_DIRECTORY, 0);
                fake_walk(path, strlen(path), &parent, leaf);
        }
        inode = (int)fake_make_inode(type, fake_fs->now.inodes[parent].dev);
        fake_entry_make((uint32_t)parent, leaf, (uint32_t)inode);
        fake_fs->now.inodes[inode].size = fake_fs->now.inodes[inode].valid = size;
        fake_fs->now.inodes[inode].content = size > 0 ? ++fake_fs->contents : FAKE_CONTENT_OF_NOTHING;
        fake_fs->now.inodes[inode].mtime = 1000;
        fake_fs->now.inodes[inode].finished = true;
        return &fake_fs->now.inodes[inode];
}

void fake_link(const char *path, const char *to) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        fake_walk(path, strlen(path), &parent, leaf);
        fake_entry_make((uint32_t)parent, leaf, (uint32_t)fake_look(to));
}

void fake_remove(const char *path) {
        char leaf[FAKE_NAME_BYTES];
        int parent;

        if (fake_walk(path, strlen(path), &parent, leaf) >= 0 && parent >= 0)
                fake_entry_remove(fake_entry_find((uint32_t)parent, leaf));
}

unsigned fake_count_names(const char *prefix) {
        unsigned n = 0;

        for (uint32_t i = 0; i < fake_fs->now.n_entries; i++)
                n += fake_fs->now.entries[i].used && strncmp(fake_fs->now.entries[i].name, prefix, strlen(prefix)) == 0;
        return n;
}

void fake_power_cut(void) {
        fake_fs->now = fake_fs->durable;
}

static void fake_disk_copy(struct fake_disk *to, const struct fake_disk *from) {
        memcpy(to->inodes, from->inodes, from->n_inodes * sizeof(from->inodes[0]));
        memcpy(to->entries, from->entries, from->n_entries * sizeof(from->entries[0]));
        if (to->n_inodes > from->n_inodes)
                memset(&to->inodes[from->n_inodes], 0, (to->n_inodes - from->n_inodes) * sizeof(to->inodes[0]));
        if (to->n_entries > from->n_entries)
                memset(&to->entries[from->n_entries], 0, (to->n_entries - from->n_entries) * sizeof(to->entries[0]));
        to->n_inodes = from->n_inodes;
        to->n_entries = from->n_entries;
}

void fake_sync(void) {
        fake_disk_copy(&fake_fs->durable, &fake_fs->now);
}

struct fake_inode *fake_inode_of(uint32_t inode) {
        return &fake_fs->now.inodes[inode];
}

void fake_tree_reset(void) {
        if (!fake_fs)
                fake_fs = mmap(NULL, sizeof(*fake_fs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (fake_fs == MAP_FAILED)
                abort();
        memset(fake_fs, 0, sizeof(*fake_fs));
        fake_fs->room = UINT64_MAX;
        fake_make_inode(FSOP_TYPE_DIRECTORY, 7);
        fake_fs->now.inodes[0].nlink = 1;
        fake_sync();
}
