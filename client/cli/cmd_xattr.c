/* SPDX-License-Identifier: MIT */
/* cmd_xattr.c: getxattr, setxattr, listxattr, removexattr. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/show.h"
#include "client/cli/terminal.h"

#define VALUE_BYTES_MAX 65536u

/* The encoding asked for. Values that are texts pass whole, an attribute of several lines and one without end
 * included. */
static enum value_encoding encoding_of(const struct invocation *invocation) {
        enum value_encoding encoding = VALUE_LITERAL;
        const char *text = given(invocation, OPT_ENCODING), *why;
        if (text)
                parse_encoding(text, &encoding, &why);
        return encoding;
}

static void show_encoded(const struct fsop_result *result, enum value_encoding encoding) {
        char *encoded = value_encode(encoding, result->value.data.data, result->value.data.len);
        show_raw(encoded ? encoded : "", encoded ? strlen(encoded) : 0);
        show_raw("\n", 1);
        free(encoded);
}

static void show_value(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        (void)cli, (void)action;
        show_raw(result->value.data.data, result->value.data.len);
}

static void show_value_hex(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        (void)cli, (void)action;
        show_encoded(result, VALUE_HEX);
}

static void show_value_base64(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        (void)cli, (void)action;
        show_encoded(result, VALUE_BASE64);
}

int plan_getxattr(struct cli *cli, const struct invocation *invocation) {
        enum value_encoding encoding = encoding_of(invocation);
        const char *name = invocation->operands[0];
        struct action *action = action_new(cli, invocation, FSOP_VERB_GETXATTR, invocation->operands[1]);
        struct step *step = action_step(action, FSOP_VERB_GETXATTR, !given(invocation, OPT_NO_DEREFERENCE));
        struct fsop_getxattr_args *args = step_args(step, sizeof(*args));
        args->name = fsop_bytes_of(action_keep(action, name, strlen(name)));
        action->show = encoding == VALUE_HEX      ? show_value_hex
                       : encoding == VALUE_BASE64 ? show_value_base64
                                                  : show_value;
        cli_submit(cli, action);
        return 0;
}

/* Standard input to its end. NULL after a complaint. */
static char *read_value(struct cli *cli, const struct invocation *invocation, size_t bytes_max, size_t *ret_len) {
        struct terminal_input *input;
        char *data = cli_alloc(bytes_max + 1);
        size_t len = 0;
        long n = 0;
        if (terminal_input_open(NULL, &input) < 0) {
                cli_usage(cli, invocation, "cannot read standard input: %s", terminal_why());
                free(data);
                return NULL;
        }
        while (len <= bytes_max && (n = terminal_input_read(input, data + len, bytes_max + 1 - len)) > 0)
                len += (size_t)n;
        terminal_input_close(input);
        if (n < 0 || len > bytes_max) {
                if (n < 0)
                        cli_usage(cli, invocation, "cannot read standard input: %s", terminal_why());
                else
                        cli_usage(cli, invocation, "the value on standard input is larger than 64 KiB");
                free(data);
                return NULL;
        }
        *ret_len = len;
        return data;
}

/* The bytes of VALUE, malloc'd. NULL after a complaint. */
static char *value_bytes(struct cli *cli, const struct invocation *invocation, size_t *ret_len) {
        enum value_encoding encoding = encoding_of(invocation);
        const char *text = invocation->operands[1], *why;
        bool standard = strcmp(text, "-") == 0;
        size_t len = strlen(text), decoded_len;
        uint8_t *decoded;
        if (standard && invocation->line) {
                cli_usage(cli, invocation, "a value cannot come from standard input in a batch file; use --encoding");
                return NULL;
        }
        char *raw =
                standard ? read_value(cli, invocation, VALUE_BYTES_MAX * (encoding == VALUE_LITERAL ? 1 : 2) + 16, &len)
                         : cli_copy(text, len);
        if (!raw || encoding == VALUE_LITERAL) {
                *ret_len = len;
                return raw;
        }
        if (value_decode(encoding, raw, len, &decoded, &decoded_len, &why) < 0) {
                cli_usage(cli, invocation, "VALUE: %s", why);
                free(raw);
                return NULL;
        }
        free(raw);
        *ret_len = decoded_len;
        return (char *)decoded;
}

int plan_setxattr(struct cli *cli, const struct invocation *invocation) {
        const char *name = invocation->operands[0];
        size_t len = 0;
        if (given(invocation, OPT_CREATE) && given(invocation, OPT_REPLACE))
                return cli_usage(cli, invocation, "--create and --replace exclude each other");
        char *value = value_bytes(cli, invocation, &len);
        if (!value)
                return -1;
        if (len > VALUE_BYTES_MAX) {
                free(value);
                return cli_usage(cli, invocation, "the value is larger than 64 KiB, the most that a system takes");
        }
        struct action *action = action_new(cli, invocation, FSOP_VERB_SETXATTR, invocation->operands[2]);
        struct step *step = action_step(action, FSOP_VERB_SETXATTR, !given(invocation, OPT_NO_DEREFERENCE));
        struct fsop_setxattr_args *args = step_args(step, sizeof(*args));
        action_own(action, value);
        args->name = fsop_bytes_of(action_keep(action, name, strlen(name)));
        args->value = (struct fsop_bytes){value, len};
        args->create = given(invocation, OPT_CREATE);
        args->replace = given(invocation, OPT_REPLACE);
        cli_submit(cli, action);
        return 0;
}

int plan_listxattr(struct cli *cli, const struct invocation *invocation) {
        struct action *action = action_new(cli, invocation, FSOP_VERB_LISTXATTR, invocation->operands[0]);
        action_step(action, FSOP_VERB_LISTXATTR, !given(invocation, OPT_NO_DEREFERENCE));
        action->show = show_names;
        cli_submit(cli, action);
        return 0;
}

int plan_removexattr(struct cli *cli, const struct invocation *invocation) {
        const char *name = invocation->operands[0];
        struct action *action = action_new(cli, invocation, FSOP_VERB_REMOVEXATTR, invocation->operands[1]);
        struct step *step = action_step(action, FSOP_VERB_REMOVEXATTR, !given(invocation, OPT_NO_DEREFERENCE));
        struct fsop_removexattr_args *args = step_args(step, sizeof(*args));
        args->name = fsop_bytes_of(action_keep(action, name, strlen(name)));
        cli_submit(cli, action);
        return 0;
}
