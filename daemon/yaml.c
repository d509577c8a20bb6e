/* SPDX-License-Identifier: MIT */
/*
 * yaml.c: from libyaml's events to a tree of nodes, and from nodes to typed values.
 */
#include "daemon/yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ARENA_BYTES_MAX ((size_t)256 << 20) /* a 1 MiB file of one-letter items needs about half of it */
#define WORDS_BYTES_MAX 512u

void yaml_reader_init(struct yaml_reader *reader, const char *file,
                      void (*say)(void *userdata, bool is_error, char *where, char *text), void *userdata) {
        memset(reader, 0, sizeof(*reader));
        reader->file = file;
        reader->say = say;
        reader->userdata = userdata;
        arena_init(&reader->arena, ARENA_BYTES_MAX);
}

void yaml_reader_fini(struct yaml_reader *reader) {
        arena_fini(&reader->arena);
}

/* ---- saying what is wrong ----------------------------------------------------------------------- */

static char *format_text(const char *format, va_list args) {
        char text[1024];

        vsnprintf(text, sizeof(text), format, args);
        return strdup(text);
}

static char *format_where(const char *file, uint32_t line, uint32_t column) {
        size_t size = strlen(file) + 32;
        char *where = malloc(size);

        if (!where)
                return NULL;
        if (line)
                snprintf(where, size, "%s:%" PRIu32 ":%" PRIu32, file, line, column);
        else
                snprintf(where, size, "%s", file);
        return where;
}

static void say_at(struct yaml_reader *reader, bool is_error, uint32_t line, uint32_t column, const char *format,
                   va_list args) {
        reader->say(reader->userdata, is_error, format_where(reader->file, line, column), format_text(format, args));
}

__attribute__((format(printf, 4, 5))) static bool error_at(struct yaml_reader *reader, uint32_t line, uint32_t column,
                                                           const char *format, ...) {
        va_list args;

        va_start(args, format);
        say_at(reader, true, line, column, format, args);
        va_end(args);
        return false;
}

bool yaml_error(struct yaml_reader *reader, const struct yaml_node *node, const char *format, ...) {
        va_list args;

        va_start(args, format);
        say_at(reader, true, node ? node->line : 0, node ? node->column : 0, format, args);
        va_end(args);
        return false;
}

void yaml_warning(struct yaml_reader *reader, const struct yaml_node *node, const char *format, ...) {
        va_list args;

        va_start(args, format);
        say_at(reader, false, node ? node->line : 0, node ? node->column : 0, format, args);
        va_end(args);
}

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

/* Letters to change, insert, remove or exchange with their neighbour to make one word of the other. */
static unsigned edit_distance(const char *from, const char *to) {
        enum { LEN_MAX = 31 };
        size_t n_from = strlen(from), n_to = strlen(to);
        unsigned rows[3][LEN_MAX + 1]; /* of this letter and the two before */

        if (n_from > LEN_MAX || n_to > LEN_MAX)
                return LEN_MAX + 1;
        for (unsigned j = 0; j <= n_to; j++)
                rows[0][j] = j;
        for (unsigned i = 1; i <= n_from; i++) {
                unsigned *row = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

                row[0] = i;
                for (unsigned j = 1; j <= n_to; j++) {
                        row[j] = least(before[j - 1] + (from[i - 1] != to[j - 1]), least(before[j], row[j - 1]) + 1);
                        if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                                row[j] = least(row[j], earlier[j - 2] + 1);
                }
        }
        return rows[n_from % 3][n_to];
}

const char *yaml_suggest(const char *name, const char *const *candidates, size_t n_candidates) {
        unsigned best = 3; /* further apart than two letters is another word */
        const char *found = NULL;

        for (size_t i = 0; i < n_candidates; i++) {
                unsigned distance = edit_distance(name, candidates[i]);

                if (distance < best && distance < strlen(candidates[i])) {
                        best = distance;
                        found = candidates[i];
                }
        }
        return found;
}

/* "a, b or c" */
static const char *list_words(char *buffer, size_t size, const char *const *words, size_t n_words) {
        size_t len = 0;

        buffer[0] = '\0';
        for (size_t i = 0; i < n_words && len < size; i++) {
                const char *separator = i == 0 ? "" : i + 1 == n_words ? " or " : ", ";
                int n = snprintf(buffer + len, size - len, "%s%s", separator, words[i]);

                if (n < 0)
                        break;
                len += (size_t)n;
        }
        return buffer;
}

/* ---- events to nodes ---------------------------------------------------------------------------- */

struct parse {
        struct yaml_reader *reader;
        yaml_parser_t parser;
        yaml_event_t event;
};

static bool out_of_memory(struct yaml_reader *reader) {
        return yaml_error(reader, NULL, "out of memory");
}

/* The two that everybody makes: libyaml's words for them help nobody. */
static const char *hint_for(const char *problem, const char *context) {
        if (strcmp(problem, "found character that cannot start any token") == 0)
                return "; lines begin with spaces, not tabs, and a value that begins with %, @ or ` must be quoted";
        if (strcmp(context, "while scanning an alias") == 0)
                return "; a value that begins with * must be quoted";
        return "";
}

/* Where an error that libyaml found is: its mark, or, for bytes it could not read, the offset counted out. */
static bool parser_error(struct parse *parse, const char *data, size_t len) {
        yaml_parser_t *parser = &parse->parser;
        const char *problem = parser->problem ? parser->problem : "not YAML",
                   *context = parser->context ? parser->context : "";
        uint32_t line = (uint32_t)parser->problem_mark.line + 1, column = (uint32_t)parser->problem_mark.column + 1;

        if (parser->error == YAML_MEMORY_ERROR)
                return out_of_memory(parse->reader);
        if (parser->error == YAML_READER_ERROR) {
                line = column = 1;
                for (size_t i = 0; i < len && i < parser->problem_offset; i++) {
                        column++;
                        if (data[i] == '\n') {
                                line++;
                                column = 1;
                        }
                }
        }
        return error_at(parse->reader, line, column, "%s%s%s%s", problem, *context ? ", " : "", context,
                        hint_for(problem, context));
}

static struct yaml_node *node_new(struct parse *parse, enum yaml_kind kind) {
        struct yaml_node *node = arena_calloc(&parse->reader->arena, 1, sizeof(*node));

        if (!node) {
                out_of_memory(parse->reader);
                return NULL;
        }
        node->kind = kind;
        node->line = (uint32_t)parse->event.start_mark.line + 1;
        node->column = (uint32_t)parse->event.start_mark.column + 1;
        return node;
}

static struct yaml_node *node_of_scalar(struct parse *parse) {
        const char *value = (const char *)parse->event.data.scalar.value;
        size_t len = parse->event.data.scalar.length;
        struct yaml_node *node = node_new(parse, YAML_SCALAR);

        if (!node)
                return NULL;
        if (memchr(value, '\0', len)) {
                yaml_error(parse->reader, node, "a NUL character cannot be part of a value");
                return NULL;
        }
        node->text = (const char *)arena_copy(&parse->reader->arena, (struct bytes){(const uint8_t *)value, len}).data;
        node->plain = parse->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        if (!node->text) {
                out_of_memory(parse->reader);
                return NULL;
        }
        return node;
}

/* Refuses what would let two readers of a file see different things in it. */
static bool is_plain_event(struct parse *parse) {
        const yaml_event_t *event = &parse->event;
        const yaml_char_t *anchor = NULL, *tag = NULL;
        uint32_t line = (uint32_t)event->start_mark.line + 1, column = (uint32_t)event->start_mark.column + 1;

        switch (event->type) {
        case YAML_ALIAS_EVENT:
                return error_at(parse->reader, line, column, "aliases (*%s) are not allowed: write the value out",
                                (const char *)event->data.alias.anchor);
        case YAML_SCALAR_EVENT:
                anchor = event->data.scalar.anchor;
                tag = event->data.scalar.tag;
                break;
        case YAML_SEQUENCE_START_EVENT:
                anchor = event->data.sequence_start.anchor;
                tag = event->data.sequence_start.tag;
                break;
        case YAML_MAPPING_START_EVENT:
                anchor = event->data.mapping_start.anchor;
                tag = event->data.mapping_start.tag;
                break;
        default:
                break;
        }
        if (anchor)
                return error_at(parse->reader, line, column, "anchors (&%s) are not allowed", (const char *)anchor);
        if (tag)
                return error_at(parse->reader, line, column, "tags (%s) are not allowed: values are typed by their key",
                                (const char *)tag);
        return true;
}

static void append(struct yaml_node *parent, struct yaml_node *child) {
        if (parent->last)
                parent->last->next = child;
        else
                parent->first = child;
        parent->last = child;
}

/* Hangs a finished or just opened node where it belongs. */
static bool place_node(struct parse *parse, struct yaml_node **root, struct yaml_node *parent, struct yaml_node *node) {
        if (!parent) {
                *root = node;
                return true;
        }
        if (parent->kind == YAML_LIST) {
                append(parent, node);
                return true;
        }
        if (parent->last && !parent->last->value) {
                parent->last->value = node;
                return true;
        }
        if (node->kind != YAML_SCALAR)
                return yaml_error(parse->reader, node, "a key must be a word, not a list or a map");
        append(parent, node);
        return true;
}

struct tree {
        struct yaml_node *root;
        struct yaml_node *open[YAML_DEPTH_MAX];
        unsigned depth;
        unsigned documents;
};

/* Takes one event into the tree; false ends the reading. */
static bool take_event(struct parse *parse, struct tree *tree) {
        struct yaml_node *parent = tree->depth ? tree->open[tree->depth - 1] : NULL, *node;
        uint32_t line = (uint32_t)parse->event.start_mark.line + 1,
                 column = (uint32_t)parse->event.start_mark.column + 1;

        switch (parse->event.type) {
        case YAML_DOCUMENT_START_EVENT:
                if (tree->documents++)
                        return error_at(parse->reader, line, column, "only one document is allowed in a file");
                return true;
        case YAML_SCALAR_EVENT:
                node = node_of_scalar(parse);
                return node && place_node(parse, &tree->root, parent, node);
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
                if (tree->depth == YAML_DEPTH_MAX)
                        return error_at(parse->reader, line, column, "nested too deeply: at most %u levels are allowed",
                                        YAML_DEPTH_MAX);
                node = node_new(parse, parse->event.type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST);
                if (!node || !place_node(parse, &tree->root, parent, node))
                        return false;
                tree->open[tree->depth++] = node;
                return true;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                tree->depth--;
                return true;
        default:
                return true;
        }
}

bool yaml_reader_parse(struct yaml_reader *reader, const char *data, size_t len, struct yaml_node **ret_root) {
        struct parse parse = {.reader = reader};
        struct tree tree = {0};
        bool ok = true, end = false;

        *ret_root = NULL;
        if (len > YAML_FILE_BYTES_MAX)
                return yaml_error(reader, NULL, "larger than %u bytes", YAML_FILE_BYTES_MAX);
        if (!yaml_parser_initialize(&parse.parser))
                return out_of_memory(reader);
        yaml_parser_set_encoding(&parse.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parse.parser, (const unsigned char *)data, len);
        while (ok && !end) {
                if (!yaml_parser_parse(&parse.parser, &parse.event)) {
                        ok = parser_error(&parse, data, len);
                        break;
                }
                end = parse.event.type == YAML_STREAM_END_EVENT;
                ok = is_plain_event(&parse) && take_event(&parse, &tree);
                yaml_event_delete(&parse.event);
        }
        yaml_parser_delete(&parse.parser);
        if (ok)
                *ret_root = tree.root;
        return ok;
}

/* ---- nodes to values ---------------------------------------------------------------------------- */

static const char *kind_name(const struct yaml_node *node) {
        return node->kind == YAML_MAP ? "a map" : node->kind == YAML_LIST ? "a list" : "a value";
}

static bool unknown_key(struct yaml_reader *reader, const struct yaml_node *key, const struct yaml_key *keys,
                        size_t n_keys) {
        const char *names[32];
        char words[WORDS_BYTES_MAX];
        const char *suggestion;

        if (n_keys > sizeof(names) / sizeof(names[0]))
                n_keys = sizeof(names) / sizeof(names[0]);
        for (size_t i = 0; i < n_keys; i++)
                names[i] = keys[i].name;
        suggestion = yaml_suggest(key->text, names, n_keys);
        if (suggestion)
                return yaml_error(reader, key, "unknown key '%.64s'; did you mean '%s'?", key->text, suggestion);
        return yaml_error(reader, key, "unknown key '%.64s'; allowed are %s", key->text,
                          list_words(words, sizeof(words), names, n_keys));
}

static bool repeated_key(struct yaml_reader *reader, const struct yaml_node *map, const struct yaml_node *key) {
        for (const struct yaml_node *before = map->first; before != key; before = before->next)
                if (strcmp(before->text, key->text) == 0)
                        return !yaml_error(reader, key, "key '%s' is given twice; the first is in line %" PRIu32,
                                           key->text, before->line);
        return false;
}

static bool missing_keys(struct yaml_reader *reader, const struct yaml_node *map, const struct yaml_key *keys,
                         size_t n_keys) {
        bool missing = false;

        for (size_t i = 0; i < n_keys; i++) {
                const struct yaml_node *key = map->first;

                while (key && strcmp(key->text, keys[i].name) != 0)
                        key = key->next;
                if (!key && keys[i].required)
                        missing = !yaml_error(reader, map, "key '%s' is missing", keys[i].name);
        }
        return missing;
}

bool yaml_read_map(struct yaml_reader *reader, const struct yaml_node *node, const struct yaml_key *keys, size_t n_keys,
                   void *target) {
        bool ok = true;
        unsigned seen = 0;

        if (node->kind != YAML_MAP)
                return yaml_error(reader, node, "a map (KEY: VALUE) must stand here, not %s", kind_name(node));
        for (const struct yaml_node *key = node->first; key; key = key->next) {
                size_t i = 0;

                /* looking for repetitions is quadratic, so a map of nothing but unknown keys is cut short */
                if (++seen > 64)
                        return yaml_error(reader, key, "more than 64 keys in one map");
                while (i < n_keys && strcmp(keys[i].name, key->text) != 0)
                        i++;
                if (i == n_keys)
                        ok = unknown_key(reader, key, keys, n_keys);
                else if (repeated_key(reader, node, key) || !keys[i].read(reader, key->value, target))
                        ok = false;
        }
        return !missing_keys(reader, node, keys, n_keys) && ok;
}

bool yaml_read_list(struct yaml_reader *reader, const struct yaml_node *node,
                    bool (*read)(struct yaml_reader *reader, const struct yaml_node *item, void *target),
                    void *target) {
        bool ok = true;

        if (node->kind == YAML_SCALAR)
                return read(reader, node, target);
        if (node->kind != YAML_LIST)
                return yaml_error(reader, node, "a value or a list must stand here, not %s", kind_name(node));
        if (!node->first)
                return yaml_error(reader, node, "this list is empty; leave the key out instead");
        for (const struct yaml_node *item = node->first; item; item = item->next)
                if (!read(reader, item, target))
                        ok = false;
        return ok;
}

bool yaml_read_text(struct yaml_reader *reader, const struct yaml_node *node, const char **ret_text) {
        if (node->kind != YAML_SCALAR)
                return yaml_error(reader, node, "one value must stand here, not %s", kind_name(node));
        if (node->text[0] == '\0')
                return yaml_error(reader, node, "a value is missing here");
        *ret_text = node->text;
        return true;
}

bool yaml_read_word(struct yaml_reader *reader, const struct yaml_node *node, const char *const *words, size_t n_words,
                    size_t *ret_index) {
        char list[WORDS_BYTES_MAX];
        const char *text = "";

        if (!yaml_read_text(reader, node, &text))
                return false;
        for (size_t i = 0; i < n_words; i++)
                if (strcmp(words[i], text) == 0) {
                        *ret_index = i;
                        return true;
                }
        return yaml_error(reader, node, "'%.64s' must be %s", text, list_words(list, sizeof(list), words, n_words));
}

bool yaml_read_bool(struct yaml_reader *reader, const struct yaml_node *node, bool *ret_value) {
        static const char *const words[] = {"true", "false", "yes", "no"};
        size_t index;

        if (!yaml_read_word(reader, node, words, 4, &index))
                return false;
        *ret_value = index % 2 == 0;
        return true;
}

bool yaml_parse_digits(const char *text, size_t len, uint64_t *ret_value) {
        uint64_t value = 0;

        if (len == 0 || (len > 1 && text[0] == '0'))
                return false;
        for (size_t i = 0; i < len; i++) {
                uint64_t digit = (uint64_t)(unsigned char)text[i] - '0';

                if (text[i] < '0' || text[i] > '9' || value > (UINT64_MAX - digit) / 10)
                        return false;
                value = value * 10 + digit;
        }
        *ret_value = value;
        return true;
}

bool yaml_check_decimal(struct yaml_reader *reader, const struct yaml_node *node, const char *text) {
        static const char digits[] = "0123456789";

        for (const char *c = strpbrk(text, digits); c; c = strpbrk(c, digits)) {
                size_t len = strspn(c, digits), zeros = strspn(c, "0");

                if (zeros == len)
                        zeros--;
                if (zeros > 0)
                        return yaml_error(reader, node,
                                          "'%.64s': numbers are decimal here; write %.*s for %.*s, or its value if "
                                          "octal was meant",
                                          node->text, (int)(len - zeros), c + zeros, (int)len, c);
                c += len;
        }
        return true;
}

static bool check_range(struct yaml_reader *reader, const struct yaml_node *node, uint64_t value, uint64_t min,
                        uint64_t max) {
        if (value >= min && value <= max)
                return true;
        return yaml_error(reader, node, "'%.64s' must be from %" PRIu64 " to %" PRIu64, node->text, min, max);
}

bool yaml_read_number(struct yaml_reader *reader, const struct yaml_node *node, uint64_t min, uint64_t max,
                      uint64_t *ret_value) {
        const char *text = "";

        if (!yaml_read_text(reader, node, &text) || !yaml_check_decimal(reader, node, text))
                return false;
        if (!yaml_parse_digits(text, strlen(text), ret_value))
                return yaml_error(reader, node, "'%.64s' must be a number from %" PRIu64 " to %" PRIu64, text, min,
                                  max);
        return check_range(reader, node, *ret_value, min, max);
}

bool yaml_read_size(struct yaml_reader *reader, const struct yaml_node *node, uint64_t min, uint64_t max,
                    uint64_t *ret_bytes) {
        static const char units[] = "KMGT";
        const char *text = "", *unit;
        unsigned shift = 0;
        uint64_t value = 0;
        size_t len;

        if (!yaml_read_text(reader, node, &text) || !yaml_check_decimal(reader, node, text))
                return false;
        len = strlen(text);
        unit = len > 1 ? strchr(units, text[len - 1]) : NULL;
        if (unit) {
                shift = 10 * (unsigned)(unit - units + 1);
                len--;
        }
        if (!yaml_parse_digits(text, len, &value) || value > UINT64_MAX >> shift)
                return yaml_error(reader, node,
                                  "'%.64s' must be a number of bytes, with K, M, G or T for powers of 1024", text);
        *ret_bytes = value << shift;
        return check_range(reader, node, *ret_bytes, min, max);
}

bool yaml_read_duration(struct yaml_reader *reader, const struct yaml_node *node, uint32_t min_ms, uint32_t max_ms,
                        uint32_t *ret_ms) {
        uint64_t value = 0, factor = 1000;
        const char *text = "";
        size_t len;

        if (!yaml_read_text(reader, node, &text) || !yaml_check_decimal(reader, node, text))
                return false;
        len = strlen(text);
        if (len > 2 && strcmp(text + len - 2, "ms") == 0) {
                factor = 1;
                len -= 2;
        } else if (len > 1 && text[len - 1] == 's')
                len--;
        if (!yaml_parse_digits(text, len, &value) || value > UINT32_MAX)
                return yaml_error(reader, node, "'%.64s' must be a time: seconds, or a number with s or ms", text);
        value *= factor;
        if (value < min_ms || value > max_ms)
                return yaml_error(reader, node, "'%.64s' must be from %" PRIu32 "ms to %" PRIu32 "ms", text, min_ms,
                                  max_ms);
        *ret_ms = (uint32_t)value;
        return true;
}

bool yaml_read_mode(struct yaml_reader *reader, const struct yaml_node *node, uint32_t *ret_mode) {
        uint32_t mode = 0;
        const char *text = "";

        if (!yaml_read_text(reader, node, &text))
                return false;
        for (const char *c = text; *c; c++) {
                if (*c < '0' || *c > '7' || mode > 07777 >> 3)
                        return yaml_error(reader, node, "'%.64s' must be a mode in octal, 0 to 7777", text);
                mode = mode << 3 | (uint32_t)(*c - '0');
        }
        *ret_mode = mode;
        return true;
}
