/* SPDX-License-Identifier: MIT */
/* test_cli_options.c: lines of batch files split into words, command lines taken apart, the table of commands. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/batchfile.h"
#include "client/cli/options.h"
#include "client/cli/text.h"
#include "tests/support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* ---- batch lines ------------------------------------------------------------------------------------------------- */

START_TEST(lines_are_split) {
        static const struct {
                const char *line;
                int n;
                const char *words[4];
        } rows[] = {{"", 0, {0}},
                    {"  \t ", 0, {0}},
                    {"# chmod 1", 0, {0}},
                    {"rm a", 2, {"rm", "a"}},
                    {"  rm\ta  ", 2, {"rm", "a"}},
                    {"rm a # b", 2, {"rm", "a"}},
                    {"rm a#b", 2, {"rm", "a#b"}},
                    {"rm '' \"\"", 3, {"rm", "", ""}},
                    {"rm 'a b'", 2, {"rm", "a b"}},
                    {"rm 'a\\n'", 2, {"rm", "a\\n"}},
                    {"rm \"a \\\" \\\\ \\x\"", 2, {"rm", "a \" \\ \\x"}},
                    {"rm a\\ b\\#", 2, {"rm", "a b#"}},
                    {"rm a'b'\"c\"d", 2, {"rm", "abcd"}},
                    {"rm $'a\\nb\\t\\x41\\101\\\\\\''", 2, {"rm", "a\nb\tAA\\'"}},
                    {"rm $'\\xff\\377\\7'", 2, {"rm", "\xff\xff\a"}},
                    {"rm $x", 2, {"rm", "$x"}},
                    {"rm *", 2, {"rm", "*"}},
                    {"rm a;b", 2, {"rm", "a;b"}},
                    {"rm a\nb", 2, {"rm", "a\nb"}}};
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct words words;
                const char *why = NULL;
                ck_assert_msg(words_split(rows[i].line, strlen(rows[i].line), &words, &why) == 0, "%s: %s",
                              rows[i].line, why);
                ck_assert_msg(words.n == rows[i].n, "%s gave %d words", rows[i].line, words.n);
                for (int k = 0; k < words.n; k++)
                        ck_assert_str_eq(words.words[k], rows[i].words[k]);
                words_free(&words);
        }
}
END_TEST

START_TEST(lines_that_cannot_be_split) {
        static const char *const lines[] = {"rm 'a",       "rm \"a",    "rm a\\",    "rm $'a",
                                            "rm $'\\q'",   "rm $'\\x'", "rm $'\\0'", "rm $'\\x00'",
                                            "rm $'\\400'", "rm $'a\\",  "rm \"a\\"};
        struct words words;
        const char *why;
        for (size_t i = 0; i < COUNT(lines); i++) {
                why = NULL;
                ck_assert_msg(words_split(lines[i], strlen(lines[i]), &words, &why) < 0, "%s", lines[i]);
                ck_assert_ptr_nonnull(why);
        }
        ck_assert_int_lt(words_split("rm a\0b", 6, &words, &why), 0);
}
END_TEST

/* ---- options ----------------------------------------------------------------------------------------------------- */

static int parse(const char *const *words, int n, struct invocation *ret, const char **operands, struct text *why) {
        const struct command *command = NULL;
        int used = command_find(words, n, &command, why);
        if (used <= 0)
                return -1;
        return options_parse(command, words + used, n - used, operands, ret, why);
}

#define PARSE(v, ...)                                                                                                  \
        const char *operands_##v[16];                                                                                  \
        struct invocation v = {0};                                                                                     \
        struct text why_##v = {0};                                                                                     \
        const char *const words_##v[] = {__VA_ARGS__};                                                                 \
        int r_##v = parse(words_##v, (int)COUNT(words_##v), &v, operands_##v, &why_##v)
#define PARSED(v) ck_assert_msg(r_##v == 0, "%s", why_##v.data)
#define REFUSED(v, part)                                                                                               \
        ck_assert_int_lt(r_##v, 0);                                                                                    \
        ck_assert_msg(strstr(why_##v.data, part) != NULL, "%s", why_##v.data);                                         \
        text_free(&why_##v)

START_TEST(options_are_taken_apart) {
        PARSE(a, "fallocate", "-nl10K", "-o", "5", "file");
        PARSED(a);
        ck_assert_str_eq(a.values[OPT_LENGTH], "10K");
        ck_assert_str_eq(a.values[OPT_OFFSET], "5");
        ck_assert_ptr_nonnull(a.values[OPT_KEEP_SIZE]);
        ck_assert_int_eq(a.n_operands, 1);

        PARSE(b, "chown", "--from=a:b", "root", "-R", "x", "--", "-h", "--y");
        PARSED(b);
        ck_assert_str_eq(b.values[OPT_FROM], "a:b");
        ck_assert_ptr_null(b.values[OPT_NO_DEREFERENCE]);
        ck_assert_int_eq(b.n_operands, 4);
        ck_assert_str_eq(b.operands[2], "-h");

        PARSE(c, "chmod", "-R", "-x", "d");
        PARSED(c);
        ck_assert_str_eq(c.operands[0], "-x");
        ck_assert_ptr_nonnull(c.values[OPT_RECURSIVE]);

        PARSE(d, "chown", "-L", "-P", "-H", "root", "x");
        PARSED(d);
        ck_assert_str_eq(d.values[OPT_FOLLOW], "H");

        PARSE(e, "explain", "--user", "bob", "chown", "-R", "root", "x");
        PARSED(e);
        ck_assert_int_eq(e.n_operands, 4);
        ck_assert_str_eq(e.operands[1], "-R");

        PARSE(f, "policy", "check", "-", "x");
        PARSED(f);
        ck_assert_int_eq(f.n_operands, 2);

        PARSE(g, "rm", "--rec", "--json", "x");
        PARSED(g);
        ck_assert_ptr_nonnull(g.values[OPT_RECURSIVE]);
        ck_assert_ptr_nonnull(g.values[OPT_JSON]);
}
END_TEST

START_TEST(only_rm_f_is_satisfied_with_nothing) {
        PARSE(a, "rm", "-f");
        PARSED(a);
        ck_assert_int_eq(a.n_operands, 0);
        PARSE(b, "rm", "-rf", "--");
        PARSED(b);
        PARSE(c, "rm", "-f", "");
        PARSED(c);
        ck_assert_int_eq(c.n_operands, 1);
        PARSE(d, "rm", "-r");
        REFUSED(d, "usage: fsop rm");
        PARSE(e, "ln", "-f");
        REFUSED(e, "usage: fsop ln");
        PARSE(f, "cp", "-f");
        REFUSED(f, "usage: fsop cp");
}
END_TEST

START_TEST(wrong_options_are_explained) {
        PARSE(a, "chwon", "x");
        REFUSED(a, "'chown'");
        PARSE(b, "chown", "--recursve", "root", "x");
        REFUSED(b, "--recursive");
        PARSE(c, "chown", "-q", "root", "x");
        REFUSED(c, "'-q'");
        PARSE(d, "fallocate", "-l");
        REFUSED(d, "needs a value");
        PARSE(e, "fallocate", "--length");
        REFUSED(e, "--length=LENGTH");
        PARSE(f, "rm", "--force=yes", "x");
        REFUSED(f, "takes no value");
        PARSE(n, "fadvise", "-a", "normal random", "x");
        REFUSED(n, "willneed");
        PARSE(g, "fadvise", "-a", "soon", "x");
        REFUSED(g, "willneed");
        PARSE(h, "mkdir");
        REFUSED(h, "usage: fsop mkdir");
        PARSE(i, "getxattr", "a", "b", "c");
        REFUSED(i, "too many");
        PARSE(j, "policy");
        REFUSED(j, "policy reload");
        PARSE(k, "chown", "--no-x", "root", "x");
        REFUSED(k, "unknown option");
        PARSE(l, "touch", "--no", "x");
        REFUSED(l, "ambiguous");
        PARSE(m, "e\033[2J");
        REFUSED(m, "\\033");
}
END_TEST

/* Every row of the table is whole, and every option can be asked for in the completions. */
START_TEST(table_is_whole) {
        struct text bash = {0}, zsh = {0}, fish = {0};
        ck_assert_int_eq(completion_script("bash", &bash), 0);
        ck_assert_int_eq(completion_script("zsh", &zsh), 0);
        ck_assert_int_eq(completion_script("fish", &fish), 0);
        ck_assert_int_lt(completion_script("csh", &bash), 0);
        for (const struct command *command = commands; command->name; command++) {
                ck_assert_msg(command->plan && command->help && command->operands, "%s", command->name);
                ck_assert_msg((command->completes == COMPLETE_WORDS) == (command->words != NULL), "%s", command->name);
                for (const struct option *option = command->options; option && option->key; option++) {
                        ck_assert_msg(option->help && (option->letter || option->name), "%s", command->name);
                        ck_assert_msg(!option->words || option->value, "%s", command->name);
                        if (!option->name)
                                continue;
                        struct text form = {0};
                        text_addf(&form, "--%s", option->name);
                        ck_assert_ptr_nonnull(strstr(bash.data, form.data));
                        ck_assert_ptr_nonnull(strstr(zsh.data, form.data));
                        text_free(&form);
                        text_addf(&form, "-l %s", option->name);
                        ck_assert_ptr_nonnull(strstr(fish.data, form.data));
                        text_free(&form);
                }
        }
        text_free(&bash);
        text_free(&zsh);
        text_free(&fish);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cli_options");
        struct {
                const char *name;
                const TTest *tests[8];
        } cases[] = {
                {"lines", {lines_are_split, lines_that_cannot_be_split}},
                {"options",
                 {options_are_taken_apart, only_rm_f_is_satisfied_with_nothing, wrong_options_are_explained,
                  table_is_whole}},
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
                TCase *tcase = tcase_create(cases[i].name);
                for (size_t k = 0; k < COUNT(cases[i].tests) && cases[i].tests[k]; k++)
                        tcase_add_test(tcase, cases[i].tests[k]);
                suite_add_tcase(suite, tcase);
        }
        return suite_run(suite);
}
