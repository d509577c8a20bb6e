/* SPDX-License-Identifier: MIT */
/*
 * parse_mode.c: the modes of chmod(1), octal and symbolic: parsed into clauses, applied to a known mode, or turned into
 * masks for a walk over objects whose modes nobody here knows.
 */
#include <string.h>

#include "client/cli/parse.h"

#define BITS_ALL 07777u
#define BITS_X 0111u
#define BITS_SET_ID 06000u

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Reads octal digits up to 07777. Returns the first character behind them, NULL when too large or none. */
static const char *scan_octal(const char *p, uint32_t *ret_value) {
        uint32_t value = 0;
        const char *start = p;
        for (; *p >= '0' && *p <= '7'; p++) {
                value = value * 8 + (uint32_t)(*p - '0');
                if (value > BITS_ALL)
                        return NULL;
        }
        *ret_value = value;
        return p == start ? NULL : p;
}

static int parse_octal_mode(const char *text, struct mode_spec *spec, const char **ret_why) {
        uint32_t value;
        const char *end = scan_octal(text, &value);
        if (!end || *end) {
                *ret_why = "an octal mode has the digits 0 to 7 and is at most 7777";
                return -1;
        }
        /* Four digits or fewer leave the set-id bits of directories alone unless they set them. */
        uint32_t mentioned = end - text < 5 ? (value & BITS_SET_ID) | 01777u : BITS_ALL;
        spec->clauses[0] =
                (struct mode_clause){.op = '=', .affected = BITS_ALL, .value = value, .mentioned = mentioned};
        spec->n_clauses = 1;
        return 0;
}

static const char *scan_who(const char *p, uint32_t *ret_affected) {
        for (*ret_affected = 0;; p++) {
                switch (*p) {
                case 'u':
                        *ret_affected |= 04700;
                        break;
                case 'g':
                        *ret_affected |= 02070;
                        break;
                case 'o':
                        *ret_affected |= 01007;
                        break;
                case 'a':
                        *ret_affected |= BITS_ALL;
                        break;
                default:
                        return p;
                }
        }
}

static const char *scan_permissions(const char *p, struct mode_clause *clause) {
        for (;; p++) {
                switch (*p) {
                case 'r':
                        clause->value |= 0444;
                        break;
                case 'w':
                        clause->value |= 0222;
                        break;
                case 'x':
                        clause->value |= BITS_X;
                        break;
                case 'X':
                        clause->x_if_any = true;
                        break;
                case 's':
                        clause->value |= BITS_SET_ID;
                        break;
                case 't':
                        clause->value |= 01000;
                        break;
                default:
                        return p;
                }
        }
}

/* What stands behind an operator: another class, octal digits, or permission letters. NULL when it is none of them. */
static const char *scan_value(const char *p, struct mode_clause *clause) {
        if (*p >= '0' && *p <= '7') {
                p = scan_octal(p, &clause->value);
                if (!p || clause->affected || (*p && *p != ','))
                        return NULL;
                clause->affected = clause->mentioned = BITS_ALL;
                return p;
        }
        if (*p == 'u' || *p == 'g' || *p == 'o') {
                clause->value = *p == 'u' ? 0700 : *p == 'g' ? 0070 : 0007;
                clause->copy = true;
                p++;
        } else
                p = scan_permissions(p, clause);
        clause->mentioned = clause->affected ? clause->affected & clause->value : clause->value;
        return p;
}

int parse_mode(const char *text, struct mode_spec *ret_spec, const char **ret_why) {
        struct mode_spec spec = {0};
        if (*text >= '0' && *text <= '9') {
                if (parse_octal_mode(text, &spec, ret_why) < 0)
                        return -1;
                *ret_spec = spec;
                return 0;
        }
        *ret_why = "not a mode: octal such as 644, or symbolic such as u=rwX,go-w";
        const char *p = text;
        do {
                uint32_t affected;
                p = scan_who(p, &affected);
                if (!*p || !strchr("+-=", *p))
                        return -1;
                while (*p && strchr("+-=", *p)) {
                        if (spec.n_clauses == MODE_CLAUSES_MAX) {
                                *ret_why = "a symbolic mode with more than 32 clauses";
                                return -1;
                        }
                        struct mode_clause *clause = &spec.clauses[spec.n_clauses++];
                        clause->op = *p;
                        clause->affected = affected;
                        p = scan_value(p + 1, clause);
                        if (!p)
                                return -1;
                }
        } while (*p++ == ',');
        if (p[-1])
                return -1;
        *ret_spec = spec;
        return 0;
}

/* ---- applying ---------------------------------------------------------------------------------------------------- */

static uint32_t spread(uint32_t bits) {
        return (bits & 0444 ? 0444u : 0) | (bits & 0222 ? 0222u : 0) | (bits & BITS_X ? BITS_X : 0);
}

/* The bits of a clause that count for an object: its value cut to who, and for directories to what was mentioned. */
static uint32_t clause_bits(const struct mode_clause *clause, uint32_t value, uint32_t keep, uint32_t umask) {
        return value & (clause->affected ? clause->affected : ~umask) & ~keep & BITS_ALL;
}

static uint32_t clause_cleared(const struct mode_clause *clause, uint32_t keep) {
        return (clause->affected ? clause->affected : BITS_ALL) & ~keep & BITS_ALL;
}

static uint32_t clause_keep(const struct mode_clause *clause, bool directory) {
        return directory ? BITS_SET_ID & ~clause->mentioned : 0;
}

uint32_t mode_apply(const struct mode_spec *spec, uint32_t old, bool directory, uint32_t umask) {
        uint32_t mode = old & BITS_ALL;
        for (unsigned i = 0; i < spec->n_clauses; i++) {
                const struct mode_clause *clause = &spec->clauses[i];
                uint32_t keep = clause_keep(clause, directory);
                uint32_t value = clause->copy ? spread(mode & clause->value) : clause->value;
                if (clause->x_if_any && (directory || (mode & BITS_X)))
                        value |= BITS_X;
                value = clause_bits(clause, value, keep, umask);
                if (clause->op == '=')
                        mode = (mode & ~clause_cleared(clause, keep)) | value;
                else if (clause->op == '+')
                        mode |= value;
                else
                        mode &= ~value;
        }
        return mode;
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

/* A kind of object whose mode is not known: which bits are set by now, which are cleared; the others are as they
 * were. */
enum subject { PLAIN_FILE, EXECUTABLE_FILE, DIRECTORY };
struct fate {
        uint32_t set, cleared;
};

/* Whether someone may execute it: 1 yes, 0 no, -1 nobody can tell. A plain file began without any x bit, an executable
 * one with at least one of three. */
static int fate_executable(const struct fate *fate, enum subject subject) {
        if (subject == DIRECTORY || (fate->set & BITS_X))
                return 1;
        if (subject == PLAIN_FILE || (fate->cleared & BITS_X) == BITS_X)
                return 0;
        return fate->cleared & BITS_X ? -1 : 1;
}

static bool fate_follow(struct fate *fate, enum subject subject, const struct mode_spec *spec, uint32_t umask) {
        for (unsigned i = 0; i < spec->n_clauses; i++) {
                const struct mode_clause *clause = &spec->clauses[i];
                uint32_t keep = clause_keep(clause, subject == DIRECTORY);
                uint32_t value = clause->value;
                if (clause->copy)
                        return false;
                if (clause->x_if_any) {
                        int executable = fate_executable(fate, subject);
                        if (executable < 0)
                                return false;
                        value |= executable ? BITS_X : 0;
                }
                uint32_t bits = clause_bits(clause, value, keep, umask);
                uint32_t gone = clause->op == '=' ? clause_cleared(clause, keep) & ~bits : clause->op == '-' ? bits : 0;
                uint32_t come = clause->op == '-' ? 0 : bits;
                fate->set = (fate->set & ~gone) | come;
                fate->cleared = (fate->cleared & ~come) | gone;
        }
        return true;
}

static bool fate_equal(const struct fate *a, const struct fate *b, uint32_t bits) {
        return ((a->set ^ b->set) & bits) == 0 && ((a->cleared ^ b->cleared) & bits) == 0;
}

bool mode_to_masks(const struct mode_spec *spec, uint32_t umask, struct mode_masks *ret_masks) {
        struct fate plain = {0}, executable = {0}, directory = {0};
        if (!fate_follow(&plain, PLAIN_FILE, spec, umask) || !fate_follow(&executable, EXECUTABLE_FILE, spec, umask) ||
            !fate_follow(&directory, DIRECTORY, spec, umask))
                return false;
        /* A directory may differ from an executable file only in keeping set-id bits. */
        uint32_t kept = BITS_SET_ID & ~directory.set & ~directory.cleared;
        if (!fate_equal(&executable, &directory, BITS_ALL & ~kept) ||
            !fate_equal(&plain, &executable, BITS_ALL & ~BITS_X))
                return false;
        struct mode_masks masks = {.set = plain.set, .clear = plain.set | plain.cleared};
        masks.dir_keep = kept & masks.clear;
        if (!fate_equal(&plain, &executable, BITS_X)) {
                if ((plain.set | plain.cleared) & ~(executable.set | executable.cleared) & BITS_X)
                        return false;
                masks.set_x = executable.set & BITS_X;
                masks.clear_x = executable.cleared & BITS_X;
        }
        *ret_masks = masks;
        return true;
}
