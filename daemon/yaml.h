/* SPDX-License-Identifier: MIT */
/*
 * yaml.h: the small part of YAML that our files use: maps, lists and scalars, without anchors, aliases, tags or a
 * second document. libyaml cuts it into events; every scalar stays a string here, and the reader of a key gives it its
 * type.
 *
 * Mistakes are said with file, line and column, as many as are found; a reader that said something returns false and
 * the caller goes on with the next key, to find the others.
 */
#ifndef FSOP_YAML_H
#define FSOP_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"

#define YAML_FILE_BYTES_MAX (1u << 20)
#define YAML_DEPTH_MAX 8u

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
        enum yaml_kind kind;
        uint32_t line, column;   /* from 1 */
        const char *text;        /* scalar: NUL-terminated, holds no other NUL */
        bool plain;              /* scalar without quotes */
        struct yaml_node *first; /* list: its items; map: its keys, each with a value */
        struct yaml_node *last;
        struct yaml_node *next;
        struct yaml_node *value; /* of a key */
};

/* A file being read, and where what is wrong with it goes. */
struct yaml_reader {
        const char *file; /* its name, for messages; borrowed */
        /* Is given both strings (malloc'd), NULL where there was no memory for them. */
        void (*say)(void *userdata, bool is_error, char *where, char *text);
        void *userdata;
        struct arena arena; /* the nodes and their texts */
};

void yaml_reader_init(struct yaml_reader *reader, const char *file,
                      void (*say)(void *userdata, bool is_error, char *where, char *text), void *userdata);
/* Frees the nodes. */
void yaml_reader_fini(struct yaml_reader *reader);

/* The tree of DATA; NULL for an empty file. False after an error. */
bool yaml_reader_parse(struct yaml_reader *reader, const char *data, size_t len, struct yaml_node **ret_root);

/* Says that something is wrong at NODE (NULL: in the file as a whole); false, for "return yaml_error(…)". */
__attribute__((format(printf, 3, 4))) bool yaml_error(struct yaml_reader *reader, const struct yaml_node *node,
                                                      const char *format, ...);
__attribute__((format(printf, 3, 4))) void yaml_warning(struct yaml_reader *reader, const struct yaml_node *node,
                                                        const char *format, ...);

/* The word among the candidates that NAME was probably meant to be, or NULL. */
const char *yaml_suggest(const char *name, const char *const *candidates, size_t n_candidates);

/* What may stand in a map. */
struct yaml_key {
        const char *name;
        bool (*read)(struct yaml_reader *reader, const struct yaml_node *value, void *target);
        bool required;
};
/* Gives every value to its key's reader; unknown, repeated and missing keys are errors. */
bool yaml_read_map(struct yaml_reader *reader, const struct yaml_node *node, const struct yaml_key *keys, size_t n_keys,
                   void *target);
/* Gives every item of a list, or the one scalar that stands in its place, to READ. An empty list is an error. */
bool yaml_read_list(struct yaml_reader *reader, const struct yaml_node *node,
                    bool (*read)(struct yaml_reader *reader, const struct yaml_node *item, void *target), void *target);

/* Scalars. *ret_text is borrowed from the reader and never empty. */
bool yaml_read_text(struct yaml_reader *reader, const struct yaml_node *node, const char **ret_text);
/* true, false, yes, no */
bool yaml_read_bool(struct yaml_reader *reader, const struct yaml_node *node, bool *ret_value);
bool yaml_read_number(struct yaml_reader *reader, const struct yaml_node *node, uint64_t min, uint64_t max,
                      uint64_t *ret_value);
/* A number of bytes, with K, M, G or T for powers of 1024. */
bool yaml_read_size(struct yaml_reader *reader, const struct yaml_node *node, uint64_t min, uint64_t max,
                    uint64_t *ret_bytes);
/* A time: seconds, or a number with s or ms. */
bool yaml_read_duration(struct yaml_reader *reader, const struct yaml_node *node, uint32_t min_ms, uint32_t max_ms,
                        uint32_t *ret_ms);
/* Permission bits in octal, with or without leading zeros. */
bool yaml_read_mode(struct yaml_reader *reader, const struct yaml_node *node, uint32_t *ret_mode);
/* One of several words; *ret_index is its place. */
bool yaml_read_word(struct yaml_reader *reader, const struct yaml_node *node, const char *const *words, size_t n_words,
                    size_t *ret_index);

/* Decimal digits only, all of TEXT[0..len), and 0 at their head only alone; false when it is none or too large. */
bool yaml_parse_digits(const char *text, size_t len, uint64_t *ret_value);
/* Whether none of the numbers in TEXT (part of the node's value) has leading zeros, which may have been meant as octal;
 * an error where one has. */
bool yaml_check_decimal(struct yaml_reader *reader, const struct yaml_node *node, const char *text);

#endif
