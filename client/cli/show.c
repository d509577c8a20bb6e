/* SPDX-License-Identifier: MIT */
/* show.c: successes and failures as text for people, and the way to standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/show.h"
#include "client/cli/terminal.h"

/* ---- the streams ------------------------------------------------------------------------------------------------- */

static const char *output_error; /* why the first write that failed did so */

void show_raw(const char *data, size_t len) {
        if (len && !output_error && fwrite(data, 1, len, stdout) != len)
                output_error = terminal_why();
}

void show_text(struct text *text) {
        show_raw(text->data, text->len);
        text_free(text);
}

void show_flush(void) {
        if (!output_error && fflush(stdout) != 0)
                output_error = terminal_why();
}

bool show_finish(void) {
        if (!output_error && (fflush(stdout) != 0 || ferror(stdout)))
                output_error = terminal_why();
        if (output_error)
                show_note("cannot write to standard output: %s", output_error);
        return !output_error;
}

/* Standard output first, so that a terminal shows both in the order in which they came to be. */
static void complain(struct text *text) {
        text_adds(text, "\n");
        show_flush();
        fwrite(text->data, 1, text->len, stderr);
        text_free(text);
}

void show_note(const char *format, ...) {
        struct text text = {0};
        va_list ap;
        va_start(ap, format);
        text_adds(&text, "fsop: ");
        text_addv(&text, format, ap);
        va_end(ap);
        complain(&text);
}

void show_add_name(const struct cli *cli, struct text *text, const char *name, size_t len) {
        if (cli->on_terminal)
                text_add_name(text, name, len);
        else
                text_add(text, name, len);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

bool action_walks(const struct action *action) {
        if (action->n_steps == 0)
                return false;
        const struct step *step = &action->steps[0];
        switch (step->verb) {
        case FSOP_VERB_CHMOD:
                return step->args.chmod.walk.recursive;
        case FSOP_VERB_CHOWN:
                return step->args.chown.walk.recursive;
        case FSOP_VERB_UNLINK:
                return step->args.unlink.walk.recursive;
        default:
                return false;
        }
}

/* "fsop: line 3: mv: a -> b" */
static void add_subject(struct text *text, const struct action *action) {
        text_adds(text, "fsop: ");
        if (!action)
                return;
        if (action->line)
                text_addf(text, "line %u: ", action->line);
        text_adds(text, action->command->name);
        if (action->job)
                text_addf(text, strncmp(action->command->name, "job ", 4) == 0 ? " %llu" : ": job %llu",
                          (unsigned long long)action->job);
        if (action->path) {
                text_adds(text, ": ");
                text_add_name(text, action->path, strlen(action->path));
        }
        if (action->to) {
                text_adds(text, " -> ");
                text_add_name(text, action->to, strlen(action->to));
        }
}

static void add_error(struct text *text, int code) {
        const char *name = fsop_error_name(code);
        text_addf(text, ": %s (%s)", fsop_strerror(code), name ? name : "?");
}

static const char *hint_of(const struct action *action, const struct failure *failure) {
        if (action->hint)
                return action->hint;
        if (failure->outcome == FSOP_OUTCOME_UNKNOWN)
                return "look before trying again: it is not known how far it came";
        switch (failure->code) {
        case FSOP_EISDIR:
                return action->verb == FSOP_VERB_UNLINK ? "-r removes it and what is in it"
                       : action->verb == FSOP_VERB_CP   ? "-r copies it and what is in it"
                                                        : NULL;
        case FSOP_ENOENT:
                return action->job ? "`fsop job list` shows which there are" : NULL;
        case FSOP_EUSERS:
                return action->verb == FSOP_VERB_CP ? "`fsop job list` shows which there are" : NULL;
        case FSOP_ENOTEMPTY:
                return action->verb == FSOP_VERB_RMDIR ? "`fsop rm -r` removes it and what is in it" : NULL;
        case FSOP_EINVAL:
                return action->verb == FSOP_VERB_READLINK ? "it is no symbolic link" : NULL;
        case FSOP_EXDEV:
                return action->verb == FSOP_VERB_RENAME || action->verb == FSOP_VERB_LINK
                               ? "the two are on different filesystems, or one is outside of what a rule allows"
                               : NULL;
        case FSOP_ENODATA:
                return "`fsop listxattr` shows which there are";
        case FSOP_EOPNOTSUPP:
                return action->path ? "`fsop info PATH` shows what that filesystem can do" : NULL;
        case FSOP_ETIMEDOUT:
                return "--timeout gives it more time";
        default:
                return NULL;
        }
}

/* A denied operation can be asked about. */
static void add_explain_hint(struct text *text, const struct action *action) {
        if (action->command->alone || action->as == FSOP_AS_CALLER || action->verb == FSOP_VERB_EXPLAIN ||
            !action->path)
                return;
        text_addf(text, "; `fsop explain %s …` tells what policy says", action->command->name);
}

static void add_walk_failures(struct text *text, const struct action *action, const struct fsop_walk_result *walk) {
        for (uint32_t i = 0; i < walk->n_failures; i++) {
                const struct fsop_walk_failure *failure = &walk->failures[i];
                struct text path = {0};
                text_adds(&path, action->path);
                if (failure->path.len) {
                        if (path.len == 0 || path.data[path.len - 1] != '/')
                                text_adds(&path, "/");
                        text_add(&path, failure->path.data, failure->path.len);
                }
                text_addf(text, "fsop: %s: ", action->command->name);
                text_add_name(text, path.data ? path.data : "", path.len);
                add_error(text, failure->code);
                text_adds(text, "\n");
                text_free(&path);
        }
        if (walk->failed > walk->n_failures)
                text_addf(text, "fsop: %s: … and %llu more\n", action->command->name,
                          (unsigned long long)(walk->failed - walk->n_failures));
}

void show_failure(struct cli *cli, const struct action *action, const struct failure *failure) {
        struct text text = {0};
        if (cli->json) {
                json_failure(action, fsop_verb_name(action->verb), failure);
                return;
        }
        if (failure->walk)
                add_walk_failures(&text, action, failure->walk);
        add_subject(&text, action);
        if (failure->walk)
                text_addf(&text, ": %llu of %llu objects failed", (unsigned long long)failure->walk->failed,
                          (unsigned long long)failure->walk->visited);
        if (action->job && failure->message.len) {
                /* A sentence about the job; that of the error number is about files. */
                text_adds(&text, ": ");
                text_add_sentence(&text, failure->message.data, failure->message.len);
                text_addf(&text, " (%s)", fsop_error_name(failure->code) ? fsop_error_name(failure->code) : "?");
        } else
                add_error(&text, failure->code);
        if (!action->job && failure->message.len && failure->message.len != strlen(fsop_strerror(failure->code))) {
                text_adds(&text, ": ");
                text_add_sentence(&text, failure->message.data, failure->message.len);
        }
        if (failure->rule.len && failure->class_ == FSOP_CLASS_DENIED) {
                text_adds(&text, " (rule ");
                text_add_sentence(&text, failure->rule.data, failure->rule.len);
                text_adds(&text, ")");
        }
        const char *hint = hint_of(action, failure);
        if (failure->class_ == FSOP_CLASS_DENIED)
                add_explain_hint(&text, action);
        else if (hint)
                text_addf(&text, "; %s", hint);
        complain(&text);
}

/* Why there is no connection, and what would help. */
static const char *no_daemon_hint(int code) {
        switch (code) {
        case FSOP_ENOENT:
                return "is fsopd running (systemctl status fsopd)? Another socket is named with --socket or "
                       "$FSOP_SOCKET";
        case FSOP_ECONNREFUSED:
                return "nobody listens there: fsopd was stopped or has crashed (systemctl status fsopd), or it is no "
                       "socket";
        case FSOP_EACCES:
                return "only members of the socket's group may connect; is this user in group fsop (id; usermod -aG "
                       "fsop USER; "
                       "then log in again)?";
        case FSOP_EPERM:
                return "the server must run as root or as this user; is this the right socket?";
        case FSOP_ETIMEDOUT:
                return "fsopd does not answer; it may be stopped or overloaded (systemctl status fsopd)";
        case FSOP_EPROTO:
                return "what listens there is no fsopd, or one of another version";
        default:
                return "is fsopd running (systemctl status fsopd)?";
        }
}

void show_no_daemon(struct cli *cli, const struct action *action, int code, int32_t os_error, const char *message) {
        struct failure failure = {.code = code,
                                  .class_ =
                                          code == FSOP_EACCES || code == FSOP_EPERM ? FSOP_CLASS_DENIED : FSOP_CLASS_OS,
                                  .os_error = os_error,
                                  .retryable = true,
                                  .message = fsop_bytes_of(message)};
        struct text text = {0};
        if (cli->json) {
                json_failure(action, action ? fsop_verb_name(action->verb) : "connect", &failure);
                return;
        }
        /* The library's own hint, in parentheses at the end, gives way to the longer one. */
        const char *end = message + strlen(message),
                   *hint = end > message && end[-1] == ')' ? strrchr(message, '(') : NULL;
        text_adds(&text, "fsop: ");
        text_add_sentence(&text, message, (size_t)((hint && hint > message ? hint - 1 : end) - message));
        text_addf(&text, " (%s); %s", fsop_error_name(code) ? fsop_error_name(code) : "?", no_daemon_hint(code));
        complain(&text);
}

/* ---- successes --------------------------------------------------------------------------------------------------- */

void show_success(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        if (cli->json && !action->shows_json)
                json_success(action, result);
        else if (action->show)
                action->show(cli, action, result);
}

void show_line(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        (void)cli, (void)action;
        show_raw(result->value.data.data, result->value.data.len);
        show_raw("\n", 1);
}

void show_names(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const char *p = result->value.data.data, *end = p ? p + result->value.data.len : NULL;
        struct text text = {0};
        (void)action;
        for (; p < end; p += strlen(p) + 1) {
                show_add_name(cli, &text, p, strlen(p));
                text_adds(&text, "\n");
        }
        show_text(&text);
}

/* ---- stat -------------------------------------------------------------------------------------------------------- */

static const char *type_text(uint32_t mode, uint64_t size) {
        switch (mode & 0170000) {
        case 0100000:
                return size ? "regular file" : "regular empty file";
        case 0040000:
                return "directory";
        case 0120000:
                return "symbolic link";
        case 0020000:
                return "character special file";
        case 0060000:
                return "block special file";
        case 0010000:
                return "fifo";
        case 0140000:
                return "socket";
        default:
                return "unknown type";
        }
}

static void add_account(struct text *text, const char *label, uint32_t id, const char *name) {
        text_addf(text, "%s: (%5lu/", label, (unsigned long)id);
        if (name)
                text_addf(text, "%*s", (int)(strlen(name) < 8 ? 8 - strlen(name) : 0), "");
        text_add_sentence(text, name ? name : " UNKNOWN", strlen(name ? name : " UNKNOWN"));
        text_adds(text, ")");
}

static void add_times(struct text *text, const struct fsop_stat *stat) {
        text_adds(text, "Access: ");
        text_add_time(text, stat->atime, true);
        text_adds(text, "\nModify: ");
        text_add_time(text, stat->mtime, true);
        text_adds(text, "\nChange: ");
        text_add_time(text, stat->ctime, true);
        text_adds(text, "\n Birth: ");
        if (stat->mask & FSOP_STAT_BTIME)
                text_add_time(text, stat->btime, true);
        else
                text_adds(text, "-");
        text_adds(text, "\n");
}

/* STATX_ATTR_* that are set; nothing when none is. */
static void add_attributes(struct text *text, const struct fsop_stat *stat) {
        static const struct {
                uint64_t bit;
                const char *name;
        } names[] = {{0x4, "compressed"},    {0x10, "immutable"},  {0x20, "append-only"},
                     {0x40, "nodump"},       {0x800, "encrypted"}, {0x1000, "automount"},
                     {0x2000, "mount-root"}, {0x100000, "verity"}, {0x200000, "dax"}};
        const char *separator = " Attrs: ";
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                if (!(stat->attributes & names[i].bit))
                        continue;
                text_addf(text, "%s%s", separator, names[i].name);
                separator = " ";
        }
        if (*separator == ' ' && separator[1] == 0)
                text_adds(text, "\n");
}

void show_stat(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_stat *stat = &result->value.stat;
        struct text text = {0};
        char mode[11];
        (void)cli;
        text_mode(stat->mode, mode);
        text_adds(&text, "  File: ");
        text_add_name(&text, action->path, strlen(action->path));
        text_addf(&text, "\n  Size: %-15llu Blocks: %-10llu IO Block: %-6lu %s\n", (unsigned long long)stat->size,
                  (unsigned long long)stat->blocks, (unsigned long)stat->blksize, type_text(stat->mode, stat->size));
        text_addf(&text, "Device: %lu,%lu\tInode: %-11llu Links: %lu", (unsigned long)stat->dev_major,
                  (unsigned long)stat->dev_minor, (unsigned long long)stat->ino, (unsigned long)stat->nlink);
        if (stat->mask & FSOP_STAT_MNT_ID)
                text_addf(&text, "     Mount: %llu", (unsigned long long)stat->mnt_id);
        if ((stat->mode & 0170000) == 0020000 || (stat->mode & 0170000) == 0060000)
                text_addf(&text, "     Device type: %lu,%lu", (unsigned long)stat->rdev_major,
                          (unsigned long)stat->rdev_minor);
        text_addf(&text, "\nAccess: (%04lo/%s)  ", (unsigned long)(stat->mode & 07777), mode);
        add_account(&text, "Uid", stat->uid, terminal_name_of_user(stat->uid));
        text_adds(&text, "   ");
        add_account(&text, "Gid", stat->gid, terminal_name_of_group(stat->gid));
        text_adds(&text, "\n");
        add_times(&text, stat);
        add_attributes(&text, stat);
        show_text(&text);
}

void show_statfs(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_statfs *fs = &result->value.statfs;
        struct text text = {0};
        (void)cli;
        text_adds(&text, "  File: ");
        text_add_name(&text, action->path, strlen(action->path));
        text_addf(&text, "\n    ID: %-16llx Namelen: %-7llu Type: 0x%llx   Flags: 0x%llx\n",
                  (unsigned long long)fs->fsid, (unsigned long long)fs->namelen, (unsigned long long)fs->type,
                  (unsigned long long)fs->flags);
        text_addf(&text, "Block size: %-10llu Fundamental block size: %llu\n", (unsigned long long)fs->bsize,
                  (unsigned long long)fs->frsize);
        text_addf(&text, "Blocks: Total: %-10llu Free: %-10llu Available: %llu\n", (unsigned long long)fs->blocks,
                  (unsigned long long)fs->bfree, (unsigned long long)fs->bavail);
        text_addf(&text, "Inodes: Total: %-10llu Free: %llu\n", (unsigned long long)fs->files,
                  (unsigned long long)fs->ffree);
        show_text(&text);
}

/* ---- ls ---------------------------------------------------------------------------------------------------------- */

static void add_account_name(struct text *text, const char *name, uint32_t id) {
        struct text column = {0};
        if (name)
                text_add_sentence(&column, name, strlen(name));
        else
                text_addf(&column, "%lu", (unsigned long)id);
        text_addf(text, "%-8s ", column.data);
        text_free(&column);
}

void show_entry_long(struct cli *cli, struct text *text, const struct fsop_entry *entry,
                     const struct fsop_bytes *link) {
        const struct fsop_stat *stat = &entry->stat;
        char mode[11] = "??????????";
        if (entry->has_stat)
                text_mode(stat->mode, mode);
        text_addf(text, "%s %2lu ", mode, (unsigned long)stat->nlink);
        add_account_name(text, entry->has_stat ? terminal_name_of_user(stat->uid) : "?", stat->uid);
        add_account_name(text, entry->has_stat ? terminal_name_of_group(stat->gid) : "?", stat->gid);
        if (entry->type == FSOP_TYPE_CHAR || entry->type == FSOP_TYPE_BLOCK)
                text_addf(text, "%5lu, %3lu ", (unsigned long)stat->rdev_major, (unsigned long)stat->rdev_minor);
        else
                text_addf(text, "%10llu ", (unsigned long long)stat->size);
        text_add_time(text, stat->mtime, false);
        text_adds(text, " ");
        show_add_name(cli, text, entry->name.data, entry->name.len);
        if (link) {
                text_adds(text, " -> ");
                show_add_name(cli, text, link->data, link->len);
        } else if (entry->type == FSOP_TYPE_SYMLINK)
                text_adds(text, " -> ?");
        text_adds(text, "\n");
}

/* ---- the service ------------------------------------------------------------------------------------------------- */

static void add_support(struct text *text, const struct fsop_support *support, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                const char *level = fsop_support_level_name(support[i].level);
                text_addf(text, "  %-26.*s %-12s", (int)support[i].feature.len, (const char *)support[i].feature.data,
                          level ? level : "unknown");
                if (support[i].note.len)
                        text_add_sentence(text, support[i].note.data, support[i].note.len);
                while (text->len && text->data[text->len - 1] == ' ')
                        text->data[--text->len] = 0;
                text_adds(text, "\n");
        }
}

static void add_pair(struct text *text, const char *label, struct fsop_bytes value) {
        text_addf(text, "%-11s ", label);
        text_add_sentence(text, value.data, value.len);
        text_adds(text, "\n");
}

void show_info(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_info_result *info = &result->value.info;
        struct text text = {0};
        add_pair(&text, "fsopd", info->version);
        add_pair(&text, "platform", info->platform);
        add_pair(&text, "engine", info->engine);
        text_addf(&text, "%-11s %lu operations a batch, %lu batches in flight\n", "limits",
                  (unsigned long)fsop_server_info(cli->client)->batch_ops_max,
                  (unsigned long)fsop_server_info(cli->client)->batches_max);
        if (fsop_server_info(cli->client)->foreign)
                text_addf(&text,
                          "%-11s this process sees other paths than the daemon; descriptors are passed instead\n",
                          "namespace");
        if (info->has_filesystem) {
                text_adds(&text, "\nfilesystem of ");
                text_add_name(&text, action->path, strlen(action->path));
                text_adds(&text, ": ");
                text_add_sentence(&text, info->filesystem.data, info->filesystem.len);
                text_adds(&text, "\n");
                add_support(&text, info->features, info->n_features);
        }
        if (info->n_support) {
                text_adds(&text, "\noperations\n");
                add_support(&text, info->support, info->n_support);
        }
        show_text(&text);
}

void show_status(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_status_result *status = &result->value.status;
        struct text text = {0};
        (void)cli, (void)action;
        for (uint32_t i = 0; i < status->n_counters; i++) {
                const struct fsop_counter *counter = &status->counters[i];
                text_addf(&text, "%-28.*s %12llu", (int)counter->name.len, (const char *)counter->name.data,
                          (unsigned long long)counter->value);
                if (counter->has_limit)
                        text_addf(&text, " of %llu", (unsigned long long)counter->limit);
                text_adds(&text, "\n");
        }
        if (status->no_jobs.len > 0) {
                text_adds(&text, "no copy jobs: ");
                text_add_sentence(&text, status->no_jobs.data, status->no_jobs.len);
                text_adds(&text, "\n");
        }
        show_text(&text);
}

void show_explain(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_explain_result *explain = &result->value.explain;
        struct text text = {0};
        (void)cli;
        text_adds(&text, fsop_verb_name(action->explained));
        if (action->path) {
                text_adds(&text, " ");
                text_add_name(&text, action->path, strlen(action->path));
        }
        if (action->to) {
                text_adds(&text, " -> ");
                text_add_name(&text, action->to, strlen(action->to));
        }
        text_addf(&text, ": %s",
                  !explain->allowed                 ? "denied"
                  : explain->as == FSOP_AS_ELEVATED ? "allowed, as the service"
                                                    : "as the caller: the kernel decides");
        if (explain->rule.len) {
                text_adds(&text, "\n  rule: ");
                text_add_sentence(&text, explain->rule.data, explain->rule.len);
        }
        if (explain->where.len) {
                text_adds(&text, explain->rule.len ? " (" : "\n  at ");
                text_add_sentence(&text, explain->where.data, explain->where.len);
                text_adds(&text, explain->rule.len ? ")" : "");
        }
        if (explain->reason.len) {
                text_adds(&text, "\n  why: ");
                text_add_sentence(&text, explain->reason.data, explain->reason.len);
        }
        for (uint32_t i = 0; i < explain->n_notes; i++) {
                text_adds(&text, "\n  note: ");
                text_add_sentence(&text, explain->notes[i].data, explain->notes[i].len);
        }
        text_adds(&text, "\n");
        show_text(&text);
}

void show_reload(struct cli *cli, const struct action *action, const struct fsop_result *result) {
        const struct fsop_reload_result *reload = &result->value.reload;
        struct text text = {0};
        (void)cli, (void)action;
        text_addf(&text, "policy read again: %lu rule%s\n", (unsigned long)reload->rules,
                  reload->rules == 1 ? "" : "s");
        for (uint32_t i = 0; i < reload->n_warnings; i++) {
                text_adds(&text, "warning: ");
                text_add_sentence(&text, reload->warnings[i].data, reload->warnings[i].len);
                text_adds(&text, "\n");
        }
        show_text(&text);
}
