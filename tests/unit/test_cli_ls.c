/* SPDX-License-Identifier: MIT */
/* test_cli_ls.c: what ls -l says of where links lead, against a daemon made of answers: that, that it is not known, or
 * that it failed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "tests/support/fake_server.h"
#include "tests/support/suite.h"

static struct fake_server fake;
static struct cli cli;
static char said[4096];

static void set_up(void) {
        const struct runner_options in_order = {0};

        fake_start(&fake, NULL);
        cli = (struct cli){.client = fake.client, .umask = 022};
        runner_start(&cli, &in_order);
}

static void tear_down(void) {
        runner_free(&cli);
        fake_fini(&fake);
}

/* Runs ls -l PATH while these are answered; the exit status. What it prints stands in said. */
static int list(const char *path, const struct result *answers, unsigned n) {
        const char *const words[] = {"ls", "-l", path};
        FILE *file = tmpfile();
        int out = dup(STDOUT_FILENO);
        size_t len;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(dup2(fileno(file), STDOUT_FILENO), 0);
        fake_serve(&fake, answers, n);
        ck_assert_int_eq(cli_plan_words(&cli, words, 3, 0), 0);
        cli_flush(&cli);
        fake_served(&fake);
        show_finish();
        fflush(stdout);
        ck_assert_int_ge(dup2(out, STDOUT_FILENO), 0);
        close(out);
        rewind(file);
        len = fread(said, 1, sizeof(said) - 1, file);
        said[len] = 0;
        fclose(file);
        return cli_exit_status(&cli);
}

static struct result link_page(const struct entry *link) {
        return (struct result){.verb = FSOP_VERB_LS,
                               .outcome = FSOP_OUTCOME_DONE,
                               .value.ls = {.entries = link, .n_entries = 1, .end = true}};
}

static struct result target(const char *text) {
        return (struct result){.verb = FSOP_VERB_READLINK, .outcome = FSOP_OUTCOME_DONE, .value.data = wire_text(text)};
}

START_TEST(where_links_lead) {
        static const struct {
                enum fsop_errno code; /* of the readlink */
                enum fsop_error_class class_;
                const char *shown; /* NULL: ls fails */
        } rows[] = {{0, 0, "link -> target\n"},
                    {FSOP_ENOENT, FSOP_CLASS_OS, "link -> ?\n"}, /* removed meanwhile */
                    {FSOP_EINVAL, FSOP_CLASS_OS, "link -> ?\n"}, /* replaced by something else */
                    {FSOP_EACCES, FSOP_CLASS_OS, "link -> ?\n"},
                    {FSOP_EPERM, FSOP_CLASS_DENIED, "link -> ?\n"},
                    {FSOP_ENOMEM, FSOP_CLASS_OS, NULL},
                    {FSOP_ENOBUFS, FSOP_CLASS_BUSY, NULL},
                    {FSOP_EIO, FSOP_CLASS_OS, NULL}};
        const struct entry link = {.name = wire_text("link"), .type = FSOP_TYPE_SYMLINK, .ino = 1};
        const size_t i = (size_t)_i;
        struct result answers[] = {link_page(&link), target("target")};
        int status;

        if (rows[i].code) {
                answers[1] = failed_result(0, FSOP_VERB_READLINK, rows[i].code, FSOP_OUTCOME_DONE);
                answers[1].error.class_ = rows[i].class_;
        }
        status = list("/d", answers, 2);
        ck_assert_int_eq(status, rows[i].shown ? EXIT_DONE : EXIT_FAILED);
        ck_assert_int_eq(memcmp(fake.served[1].at.path.data, "/d/link", 7), 0);
        if (rows[i].shown)
                ck_assert_ptr_nonnull(strstr(said, rows[i].shown));
        else
                ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(a_link_that_is_named_itself) {
        struct result stat = stat_result(0);
        struct result answers[] = {failed_result(0, FSOP_VERB_LS, FSOP_ENOTDIR, FSOP_OUTCOME_DONE), stat,
                                   target("target")};

        answers[1].value.stat.mask = FSOP_STAT_TYPE | FSOP_STAT_MODE;
        answers[1].value.stat.mode = 0120777;
        ck_assert_int_eq(list("/d/link", answers, 3), EXIT_DONE);
        ck_assert_ptr_nonnull(strstr(said, "/d/link -> target\n"));
        ck_assert_int_eq(fake.served[2].verb, FSOP_VERB_READLINK);
        ck_assert_uint_eq(fake.served[2].at.path.len, 7);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cli_ls");
        TCase *tcase = tcase_create("links");

        setenv("TERM", "dumb", 1);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, where_links_lead, 0, 8);
        tcase_add_test(tcase, a_link_that_is_named_itself);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
