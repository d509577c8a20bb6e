/* SPDX-License-Identifier: MIT */
/*
 * test_config.c: settings: every key, the defaults, what is refused and where the message points.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "tests/support/fake_sys.h"
#include "tests/support/suite.h"

static struct config *config;
static char *error;

static void setup(void) {
        fake_reset();
        config = NULL;
        error = NULL;
}

static void teardown(void) {
        config = config_free(config);
        free(error);
        error = NULL;
}

static int load(const char *text) {
        fake_n_files = 0;
        fake_file_add("/etc/x.yaml", text);
        config = config_free(config);
        free(error);
        return config_load("/etc/x.yaml", false, &config, &error);
}

static void refused(const char *text, const char *message) {
        ck_assert_int_eq(load(text), -FSOP_EINVAL);
        ck_assert_ptr_null(config);
        ck_assert_ptr_nonnull(error);
        if (strncmp(error, message, strlen(message)) != 0)
                ck_abort_msg("said \"%s\", not \"%s\"", error, message);
}

START_TEST(defaults) {
        ck_assert_int_eq(config_load(NULL, false, &config, &error), 0);
        ck_assert_ptr_null(config->file);
        ck_assert_str_eq(config->socket, "/run/fsopd/fsopd.sock");
        ck_assert_str_eq(config->socket_group, "fsop");
        ck_assert_uint_eq(config->socket_mode, 0660);
        ck_assert_ptr_null(config->admin_group);
        ck_assert_str_eq(config->state_dir, "/var/lib/fsopd");
        ck_assert_uint_eq(config->n_policy_dirs, 2);
        ck_assert_str_eq(config->policy_dirs[0], "/usr/share/fsopd/policy.d");
        ck_assert_str_eq(config->policy_dirs[1], "/etc/fsopd/policy.d");
        ck_assert_int_eq(config->engine, CONFIG_ENGINE_AUTO);
        ck_assert_uint_eq(config->workers, 0);
        ck_assert_uint_eq(config->spin_us, 100);
        ck_assert_str_eq(config->audit, "stderr");
        ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
        ck_assert_uint_eq(config->limits.bytes_in_flight, 1 << 20);
        ck_assert_uint_eq(config->limits.hello_timeout_ms, 5000);
        ck_assert_uint_eq(config->limits.frame_bytes, 1 << 20);
        ck_assert_uint_ge(config->limits.connections_per_uid, 1000);
}
END_TEST

START_TEST(private_defaults) {
        fake_file_add("/etc/fsopd/fsopd.yaml", "nonsense: true\n"); /* is not for it */
        ck_assert_int_eq(config_load(NULL, true, &config, &error), 0);
        ck_assert_str_eq(config->socket, "/run/user/1000/fsopd/fsopd.sock");
        ck_assert_ptr_null(config->socket_group);
        ck_assert_uint_eq(config->socket_mode, 0600);
        ck_assert_uint_eq(config->n_policy_dirs, 0);
}
END_TEST

START_TEST(which_file) {
        fake_file_add("/etc/fsopd/fsopd.conf", "socket: /from/conf\n");
        ck_assert_int_eq(config_load(NULL, false, &config, &error), 0);
        ck_assert_str_eq(config->socket, "/from/conf");
        ck_assert_str_eq(config->file, "/etc/fsopd/fsopd.conf");
        config = config_free(config);
        fake_file_add("/etc/fsopd/fsopd.yaml", "socket: /from/yaml\n");
        ck_assert_int_eq(config_load(NULL, false, &config, &error), 0);
        ck_assert_str_eq(config->socket, "/from/yaml");
        ck_assert_ptr_null(error);
}
END_TEST

START_TEST(file_that_cannot_be_used) {
        ck_assert_int_eq(config_load("/etc/none.yaml", false, &config, &error), -FSOP_ENOENT);
        ck_assert_str_eq(error, "/etc/none.yaml: no such file");
        free(error);
        fake_file_add("/etc/fsopd/fsopd.yaml", "")->code = -FSOP_EPERM;
        fake_files[0].why = "others may write to it";
        ck_assert_int_eq(config_load(NULL, false, &config, &error), -FSOP_EPERM);
        ck_assert_str_eq(error, "/etc/fsopd/fsopd.yaml: others may write to it");
}
END_TEST

START_TEST(masked_file_is_defaults) {
        fake_file_add("/etc/fsopd/fsopd.yaml", "socket: /x\n")->masked = true;
        ck_assert_int_eq(config_load(NULL, false, &config, &error), 0);
        ck_assert_str_eq(config->socket, "/run/fsopd/fsopd.sock");
}
END_TEST

START_TEST(every_key) {
        ck_assert_int_eq(
                load("socket: /run/a.sock\nsocket-group: staff\nsocket-mode: 0600\nadmin-group: adm\nstate-dir: "
                     "/state\n"
                     "policy-dir: [/p/one, /p/two]\nengine: threads\nworkers: 7\nspin-us: 0\naudit: file:/var/log/a\n"
                     "log-level: debug\nlimits:\n  connections: 10\n  connections-per-uid: 5\n  batches-in-flight: 4\n"
                     "  batch-operations: 100\n  frame-bytes: 64K\n  bytes-in-flight-per-connection: 2M\n"
                     "  bytes-per-uid: 1G\n  handles-per-connection: 3\n  handles-per-uid: 9\n  hello-timeout: 250ms\n"
                     "  batches-per-uid: 13\n  audit-lines-per-uid: 14\n  descriptors-per-uid: 15\n"
                     "  descriptors-reserved: 12\n"),
                0);
        ck_assert_str_eq(config->file, "/etc/x.yaml");
        ck_assert_str_eq(config->socket, "/run/a.sock");
        ck_assert_str_eq(config->socket_group, "staff");
        ck_assert_uint_eq(config->socket_mode, 0600);
        ck_assert_str_eq(config->admin_group, "adm");
        ck_assert_str_eq(config->state_dir, "/state");
        ck_assert_uint_eq(config->n_policy_dirs, 2);
        ck_assert_str_eq(config->policy_dirs[1], "/p/two");
        ck_assert_int_eq(config->engine, CONFIG_ENGINE_THREADS);
        ck_assert_uint_eq(config->workers, 7);
        ck_assert_uint_eq(config->spin_us, 0);
        ck_assert_str_eq(config->audit, "file:/var/log/a");
        ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
        ck_assert_uint_eq(config->limits.connections, 10);
        ck_assert_uint_eq(config->limits.connections_per_uid, 5);
        ck_assert_uint_eq(config->limits.batches_in_flight, 4);
        ck_assert_uint_eq(config->limits.batch_ops, 100);
        ck_assert_uint_eq(config->limits.frame_bytes, 65536);
        ck_assert_uint_eq(config->limits.bytes_in_flight, 2 << 20);
        ck_assert_uint_eq(config->limits.bytes_per_uid, 1 << 30);
        ck_assert_uint_eq(config->limits.handles, 3);
        ck_assert_uint_eq(config->limits.handles_per_uid, 9);
        ck_assert_uint_eq(config->limits.hello_timeout_ms, 250);
        ck_assert_uint_eq(config->limits.descriptors_reserved, 12);
        ck_assert_uint_eq(config->limits.batches_per_uid, 13);
        ck_assert_uint_eq(config->limits.audit_lines_per_uid, 14);
        ck_assert_uint_eq(config->limits.descriptors_per_uid, 15);
        ck_assert_int_eq(load("policy-dir: /only\nworkers: auto\nlimits: {hello-timeout: 3}\n"), 0);
        ck_assert_uint_eq(config->n_policy_dirs, 1);
        ck_assert_uint_eq(config->workers, 0);
        ck_assert_uint_eq(config->limits.hello_timeout_ms, 3000);
        ck_assert_int_eq(load("limits: {hello-timeout: 3s}\n"), 0);
        ck_assert_int_eq(load(""), 0);
        ck_assert_int_eq(load("# nothing but a comment\n"), 0);
}
END_TEST

static const struct {
        const char *text, *message;
} bad[] = {
        {"sockett: /x\n", "/etc/x.yaml:1:1: unknown key 'sockett'; did you mean 'socket'?"},
        {"\n\n  colour: red\n", "/etc/x.yaml:3:3: unknown key 'colour'; allowed are socket, socket-group, "},
        {"socket: /a\nsocket: /b\n", "/etc/x.yaml:2:1: key 'socket' is given twice; the first is in line 1"},
        {"socket: relative\n", "/etc/x.yaml:1:9: 'relative' must be an absolute path"},
        {"socket:\n", "/etc/x.yaml:1:8: a value is missing here"},
        {"socket: [a]\n", "/etc/x.yaml:1:9: one value must stand here, not a list"},
        {"socket: {a: b}\n", "/etc/x.yaml:1:9: one value must stand here, not a map"},
        {"- socket\n", "/etc/x.yaml:1:1: a map (KEY: VALUE) must stand here, not a list"},
        {"socket\n", "/etc/x.yaml:1:1: a map (KEY: VALUE) must stand here, not a value"},
        {"socket: &a /x\n", "/etc/x.yaml:1:9: anchors (&a) are not allowed"},
        {"socket: *:*\n", "/etc/x.yaml:1:10: did not find expected alphabetic or numeric character, while scanning an "
                          "alias; a value that begins"},
        {"sockett: /x\nworkers: 65\nengine: warp\n",
         "/etc/x.yaml:1:1: unknown key 'sockett'; did you mean 'socket'?\n/etc/x.yaml:2:10: '65' must be from 0 to "
         "64\n/etc/x.yaml:3:9: 'warp' must be "},
        {"socket: *a\n", "/etc/x.yaml:1:9: aliases (*a) are not allowed"},
        {"socket: !!str /x\n", "/etc/x.yaml:1:9: tags ("},
        {"limits: !x {}\n", "/etc/x.yaml:1:9: tags (!x)"},
        {"policy-dir: !x []\n", "/etc/x.yaml:1:13: tags (!x)"},
        {"policy-dir: &x []\n", "/etc/x.yaml:1:13: anchors (&x)"},
        {"limits: &x {}\n", "/etc/x.yaml:1:9: anchors (&x)"},
        {"socket: /x\n---\nsocket: /y\n", "/etc/x.yaml:2:1: only one document is allowed in a file"},
        {"[a]: b\n", "/etc/x.yaml:1:1: a key must be a word, not a list or a map"},
        {"socket: [[[[[[[[[x]]]]]]]]]\n", "/etc/x.yaml:1:16: nested too deeply: at most 8 levels"},
        {"socket: \"/a\\0b\"\n", "/etc/x.yaml:1:9: a NUL character cannot be part of a value"},
        {"socket: \"/a\n", "/etc/x.yaml:2:1: found unexpected end of stream"},
        {"a: b\nsocket: /\xff\n", "/etc/x.yaml:2:10: invalid leading UTF-8 octet"},
        {"\tsocket: x\n", "/etc/x.yaml:1:1: found character that cannot start any token, while scanning for the next "
                          "token; lines begin with spaces"},
        {"engine: warp\n", "/etc/x.yaml:1:9: 'warp' must be auto, uring, kqueue, iocp or threads"},
        {"workers: many\n", "/etc/x.yaml:1:10: 'many' must be a number from 0 to 64"},
        {"spin-us: 1001\n", "/etc/x.yaml:1:10: '1001' must be from 0 to 1000"},
        {"workers: 010\n",
         "/etc/x.yaml:1:10: '010': numbers are decimal here; write 10 for 010, or its value if octal was meant"},
        {"limits: {hello-timeout: 05s}\n", "/etc/x.yaml:1:25: '05s': numbers are decimal here"},
        {"limits: {frame-bytes: 064K}\n", "/etc/x.yaml:1:23: '064K': numbers are decimal here"},
        {"workers: 65\n", "/etc/x.yaml:1:10: '65' must be from 0 to 64"},
        {"workers: 18446744073709551616\n", "/etc/x.yaml:1:10: '18446744073709551616' must be a number from 0 to 64"},
        {"socket-mode: 0888\n", "/etc/x.yaml:1:14: '0888' must be a mode in octal"},
        {"socket-mode: 17777\n", "/etc/x.yaml:1:14: '17777' must be a mode in octal"},
        {"socket-mode: 4755\n", "/etc/x.yaml:1:14: '4755' must be a mode from 0000 to 0777"},
        {"audit: syslog\n", "/etc/x.yaml:1:8: 'syslog' must be journal, stderr or file:/ABSOLUTE/PATH"},
        {"audit: file:relative\n", "/etc/x.yaml:1:8: 'file:relative' must be journal, stderr or file:"},
        {"log-level: loud\n", "/etc/x.yaml:1:12: 'loud' must be error, warning, notice, info or debug"},
        {"policy-dir: []\n", "/etc/x.yaml:1:13: this list is empty; leave the key out instead"},
        {"policy-dir: {a: b}\n", "/etc/x.yaml:1:13: a value or a list must stand here, not a map"},
        {"policy-dir: [/a, b]\n", "/etc/x.yaml:1:18: 'b' must be an absolute path"},
        {"limits: 3\n", "/etc/x.yaml:1:9: a map (KEY: VALUE) must stand here"},
        {"limits:\n  connections: 0\n", "/etc/x.yaml:2:16: '0' must be from 1 to 1000000"},
        {"limits: {frame-bytes: 2M}\n", "/etc/x.yaml:1:23: '2M' must be from 4096 to 1048576"},
        {"limits: {frame-bytes: 1X}\n", "/etc/x.yaml:1:23: '1X' must be a number of bytes, with K, M, G or T"},
        {"limits: {frame-bytes: K}\n", "/etc/x.yaml:1:23: 'K' must be a number of bytes"},
        {"limits: {bytes-per-uid: 99999999999999T}\n", "/etc/x.yaml:1:25: '99999999999999T' must be a number of bytes"},
        {"limits: {hello-timeout: soon}\n", "/etc/x.yaml:1:25: 'soon' must be a time: seconds"},
        {"limits: {hello-timeout: 0}\n", "/etc/x.yaml:1:25: '0' must be from 1ms to 3600000ms"},
        {"limits: {batch-operations: 1025}\n", "/etc/x.yaml:1:28: '1025' must be from 1 to 1024"},
        {"limits: {conections: 3}\n", "/etc/x.yaml:1:10: unknown key 'conections'; did you mean 'connections'?"},
};

START_TEST(bad_files) {
        refused(bad[_i].text, bad[_i].message);
}
END_TEST

START_TEST(too_large) {
        size_t size = (1 << 20) + 2;
        char *text = malloc(size);

        memset(text, '#', size);
        text[size - 1] = '\0';
        ck_assert_int_eq(load(text), -FSOP_EFBIG);
        free(text);
}
END_TEST

START_TEST(too_many_keys) {
        char text[2048];
        size_t len = 0;

        for (unsigned i = 0; i < 66; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "unknown-key-%u: 1\n", i);
        refused(text, "/etc/x.yaml:1:1: unknown key 'unknown-key-0'");
}
END_TEST

START_TEST(command_line_overrides) {
        bool overridden = false;

        ck_assert_int_eq(load(""), 0);
        ck_assert_int_eq(config_set_path(&config->socket, "/s"), 0);
        ck_assert_str_eq(config->socket, "/s");
        ck_assert_int_eq(config_set_path(&config->socket, "s"), -FSOP_EINVAL);
        ck_assert_str_eq(config->socket, "/s");
        ck_assert_int_eq(config_add_policy_dir(config, "/one", &overridden), 0);
        ck_assert_int_eq(config_add_policy_dir(config, "/two", &overridden), 0);
        ck_assert_int_eq(config_add_policy_dir(config, "three", &overridden), -FSOP_EINVAL);
        ck_assert_uint_eq(config->n_policy_dirs, 2);
        ck_assert_str_eq(config->policy_dirs[0], "/one");
        ck_assert_int_eq(config_set_audit(config, "file:/a"), 0);
        ck_assert_int_eq(config_set_audit(config, "elsewhere"), -FSOP_EINVAL);
        ck_assert_str_eq(config->audit, "file:/a");
        ck_assert_int_eq(config_engine_from_name("uring"), CONFIG_ENGINE_URING);
        ck_assert_int_eq(config_engine_from_name("no"), -1);
        ck_assert_str_eq(config_engine_name(CONFIG_ENGINE_THREADS), "threads");
}
END_TEST

static void given_at(const struct config_mark *mark, uint32_t line, uint32_t column) {
        ck_assert_uint_eq(mark->line, line);
        ck_assert_uint_eq(mark->column, column);
        ck_assert(!mark->on_command_line);
}

START_TEST(where_settings_were_given) {
        bool overridden = false;

        ck_assert_int_eq(load("socket: /s\n\naudit:   journal\npolicy-dir:\n  - /a\n  - /b\nengine: threads\n"), 0);
        given_at(&config->given.socket, 1, 9);
        given_at(&config->given.audit, 3, 10);
        given_at(&config->given.policy_dirs[0], 5, 5);
        given_at(&config->given.policy_dirs[1], 6, 5);
        given_at(&config->given.engine, 7, 9);
        given_at(&config->given.socket_group, 0, 0);
        ck_assert_int_eq(config_add_policy_dir(config, "/one", &overridden), 0);
        ck_assert(config->given.policy_dirs[0].on_command_line);
        ck_assert_uint_eq(config->given.policy_dirs[0].line, 0);
}
END_TEST

START_TEST(log_lines) {
        static const uint8_t name[] = "a\nb\x1b[0m\\\xff\xc2\x85\xc3\xa4";
        char quoted[64], small[8];

        ck_assert_str_eq(log_quote(quoted, sizeof(quoted), (struct bytes){name, sizeof(name) - 1}),
                         "a\\nb\\x1b[0m\\\\\\xff\\xc2\\x85\xc3\xa4");
        ck_assert_str_eq(log_quote(small, sizeof(small), (struct bytes){(const uint8_t *)"abcdefghijk", 11}),
                         "abcd...");
        ck_assert_str_eq(log_quote(small, sizeof(small), (struct bytes){(const uint8_t *)"abcdefg", 7}), "abcdefg");
        log_setup(LOG_LEVEL_ERROR, false);
        ck_assert(log_wants(LOG_LEVEL_ERROR));
        ck_assert(!log_wants(LOG_LEVEL_WARNING));
}
END_TEST

/* Runs what logs with stderr in a file, and gives back what it wrote. */
static size_t captured(bool journal, char *buffer, size_t size) {
        FILE *file = tmpfile(), *old = stderr;
        size_t len;

        ck_assert_ptr_nonnull(file);
        stderr = file;
        log_setup(LOG_LEVEL_INFO, journal);
        log_line(LOG_LEVEL_WARNING, "client %s says\n%s", "x", "\x1b[31m");
        log_line(LOG_LEVEL_DEBUG, "not wanted");
        log_message(LOG_LEVEL_INFO, "plain \\ text");
        log_message(LOG_LEVEL_DEBUG, "not wanted either");
        stderr = old;
        rewind(file);
        len = fread(buffer, 1, size - 1, file);
        buffer[len] = '\0';
        fclose(file);
        return len;
}

START_TEST(log_writes_one_line_each) {
        char text[256];

        captured(false, text, sizeof(text));
        ck_assert_str_eq(text, "client x says\\n\\x1b[31m\nplain \\ text\n");
        captured(true, text, sizeof(text));
        ck_assert_str_eq(text, "<4>client x says\\n\\x1b[31m\n<6>plain \\ text\n");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("config");
        TCase *tcase = tcase_create("config");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, defaults);
        tcase_add_test(tcase, private_defaults);
        tcase_add_test(tcase, which_file);
        tcase_add_test(tcase, file_that_cannot_be_used);
        tcase_add_test(tcase, masked_file_is_defaults);
        tcase_add_test(tcase, every_key);
        tcase_add_loop_test(tcase, bad_files, 0, (int)(sizeof(bad) / sizeof(bad[0])));
        tcase_add_test(tcase, too_large);
        tcase_add_test(tcase, too_many_keys);
        tcase_add_test(tcase, command_line_overrides);
        tcase_add_test(tcase, where_settings_were_given);
        tcase_add_test(tcase, log_lines);
        tcase_add_test(tcase, log_writes_one_line_each);
        suite_add_tcase(suite, tcase);
        return suite_run(suite);
}
