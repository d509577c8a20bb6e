/* SPDX-License-Identifier: MIT */
/* commands.c: the table of commands. Parser, help and completions know nothing that does not stand here. */
#include "client/cli/cli.h"
#include "client/cli/options.h"

const struct option global_options[] = {
        {OPT_SOCKET, 0, "socket", "PATH", "the daemon's socket (else $FSOP_SOCKET, the system's, your own service's)",
         COMPLETE_FILE},
        {OPT_JSON, 0, "json", .help = "print one JSON object a line"},
        {OPT_AS, 0, "as", "WHO", "with your own rights, a rule's, or a rule's where one allows it (auto)",
         COMPLETE_WORDS, "auto caller elevated"},
        {OPT_TIMEOUT, 0, "timeout", "SECONDS", "give up after this time"},
        {OPT_HELP, 0, "help", .help = "show this help"},
        {OPT_VERSION, 0, "version", .help = "show the version"},
        {0},
};

/* clang-format off */
#define RECURSIVE(text) {OPT_RECURSIVE, 'R', "recursive", .help = text}
#define NO_DEREFERENCE {OPT_NO_DEREFERENCE, 'h', "no-dereference", .help = "act on a symbolic link, not on what it points to"}
#define MODE(text) {OPT_MODE, 'm', "mode", "MODE", text}
#define OFFSET {OPT_OFFSET, 'o', "offset", "OFFSET", "where the range begins (0)"}
#define ONE_FILESYSTEM(c) {OPT_ONE_FILESYSTEM, c, "one-file-system", .help = "do not enter other filesystems"}
#define FOLLOW                                                                                                         \
        {OPT_FOLLOW, 'H', NULL, .help = "with -R: follow a symbolic link given as PATH", .sets = "H"},                 \
                {OPT_FOLLOW, 'L', NULL, .help = "with -R: follow all symbolic links", .sets = "L"},                    \
                {OPT_FOLLOW, 'P', NULL, .help = "with -R: follow none", .sets = "P"}
#define ENCODING(text) {OPT_ENCODING, 'e', "encoding", "ENCODING", text, COMPLETE_WORDS, "hex base64"}
/* clang-format on */

static const struct option explain_options[] = {
        {OPT_USER, 'u', "user", "USER", "what would be said to this user (administrators only)", COMPLETE_USER}, {0}};
static const struct option stat_options[] = {{OPT_DEREFERENCE, 'L', "dereference", .help = "follow a symbolic link"},
                                             {0}};
static const struct option ls_options[] = {
        {OPT_LONG, 'l', "long", .help = "with type, mode, links, owner, group, size and time"},
        {OPT_ALL, 'a', "all", .help = "changes nothing: names that begin with a dot are always shown"},
        {OPT_ALL, 'A', "almost-all", .help = "likewise"},
        {0}};
static const struct option mkdir_options[] = {
        {OPT_PARENTS, 'p', "parents", .help = "make missing parents, and do not mind an existing directory"},
        MODE("the mode, as chmod takes it; the umask is not applied then"),
        {0}};
static const struct option rm_options[] = {
        {OPT_RECURSIVE, 'r', "recursive", .help = "remove directories and what is in them"},
        {OPT_RECURSIVE, 'R', NULL, .help = "likewise"},
        {OPT_FORCE, 'f', "force", .help = "do not mind what does not exist, or that there is no PATH"},
        ONE_FILESYSTEM(0),
        {0}};
static const struct option mv_options[] = {
        {OPT_NO_CLOBBER, 'n', "no-clobber", .help = "fail where the target exists"},
        {OPT_NO_TARGET_DIRECTORY, 'T', "no-target-directory", .help = "DST is the new name, even if it is a directory"},
        {OPT_EXCHANGE, 0, "exchange", .help = "swap SRC and DST"},
        {0}};
static const struct option ln_options[] = {
        {OPT_SYMBOLIC, 's', "symbolic", .help = "make a symbolic link; TARGET is its text"},
        {OPT_FORCE, 'f', "force", .help = "replace an existing LINK"},
        {OPT_NO_TARGET_DIRECTORY, 'T', "no-target-directory", .help = "LINK is the name, even if it is a directory"},
        {0}};
static const struct option touch_options[] = {
        {OPT_ACCESS, 'a', NULL, .help = "only the access time"},
        {OPT_MODIFICATION, 'm', NULL, .help = "only the modification time"},
        {OPT_NO_CREATE, 'c', "no-create", .help = "do not make files"},
        NO_DEREFERENCE,
        {OPT_DATE, 'd', "date", "TIME", "this time instead of now: ISO 8601, or @SECONDS.FRACTION"},
        {OPT_REFERENCE, 'r', "reference", "FILE", "the times of FILE", COMPLETE_FILE},
        {0}};
static const struct option chmod_options[] = {RECURSIVE("everything beneath, too"), ONE_FILESYSTEM(0), {0}};
static const struct option chown_options[] = {
        NO_DEREFERENCE,
        RECURSIVE("everything beneath, too"),
        {OPT_FROM, 0, "from", "OWNER:GROUP", "only what belongs to these now", COMPLETE_OWNER},
        FOLLOW,
        ONE_FILESYSTEM(0),
        {0}};
static const struct option make_options[] = {MODE("the mode, as chmod takes it; the umask is not applied then"), {0}};
static const struct option truncate_options[] = {
        {OPT_NO_CREATE, 'c', "no-create", .help = "do not make files"},
        {OPT_SIZE, 's', "size", "SIZE",
         "the size; +SIZE -SIZE by as much, <SIZE >SIZE at most, at least, /SIZE %SIZE rounded"},
        {0}};
static const struct option fallocate_options[] = {
        OFFSET,
        {OPT_LENGTH, 'l', "length", "LENGTH", "how long the range is"},
        {OPT_KEEP_SIZE, 'n', "keep-size", .help = "do not change the size of the file"},
        {OPT_PUNCH, 'p', "punch-hole", .help = "free the range; it reads as zeros"},
        {OPT_ZERO, 'z', "zero-range", .help = "make the range zeros without writing them"},
        {OPT_COLLAPSE, 'c', "collapse-range", .help = "cut the range out; what follows moves down"},
        {OPT_INSERT, 'i', "insert-range", .help = "insert a hole; what follows moves up"},
        {OPT_UNSHARE, 0, "unshare-range", .help = "give the range blocks of its own"},
        {OPT_DIG, 'd', "dig-holes", .help = "not offered: it means reading the whole file"},
        {0}};
static const struct option sync_options[] = {
        {OPT_DATA, 'd', "data", .help = "only data and what is needed to read it"},
        {OPT_FILESYSTEM, 'f', "file-system", .help = "the whole filesystem on which PATH is"},
        {0}};
static const struct option fadvise_options[] = {
        {OPT_ADVICE, 'a', "advice", "ADVICE", "how the range will be used", COMPLETE_WORDS,
         "normal sequential random willneed dontneed noreuse"},
        OFFSET,
        {OPT_LENGTH, 'l', "length", "LENGTH", "how long the range is (to the end)"},
        {0}};
static const struct option getxattr_options[] = {
        NO_DEREFERENCE, ENCODING("print the value encoded, with a newline"), {0}};
static const struct option xattr_options[] = {NO_DEREFERENCE, {0}};
static const struct option setxattr_options[] = {NO_DEREFERENCE,
                                                 {OPT_CREATE, 0, "create", .help = "fail if the attribute exists"},
                                                 {OPT_REPLACE, 0, "replace", .help = "fail if it does not"},
                                                 ENCODING("VALUE is encoded so"),
                                                 {0}};
static const struct option copy_range_options[] = {
        {OPT_SRC_OFFSET, 0, "src-offset", "OFFSET", "where to begin in SRC (0)"},
        {OPT_DST_OFFSET, 0, "dst-offset", "OFFSET", "where to begin in DST (0)"},
        {OPT_LENGTH, 0, "length", "LENGTH", "how many bytes (to the end of SRC)"},
        {OPT_CLONE, 0, "clone", "WHEN", "share the blocks instead of copying (auto)", COMPLETE_WORDS,
         "auto always never"},
        {0}};
static const struct option cp_options[] = {
        {OPT_RECURSIVE, 'r', "recursive", .help = "copy directories and what is in them"},
        {OPT_RECURSIVE, 'R', NULL, .help = "likewise"},
        {OPT_ARCHIVE, 'a', "archive", .help = "-r, follow no symbolic links, preserve everything"},
        {OPT_PRESERVE_USUAL, 'p', NULL, .help = "preserve mode, owner and times"},
        {OPT_PRESERVE, 0, "preserve", "WHAT", "preserve these: mode,ownership,timestamps,xattr,links, or all",
         .sets = "mode,ownership,timestamps", .optional = true},
        {OPT_LINKS_TOO, 'd', NULL, .help = "copy symbolic links as links, preserve hard links"},
        {OPT_FOLLOW, 'P', "no-dereference", .help = "copy symbolic links as links; with -r this is so anyway",
         .sets = "P"},
        {OPT_FOLLOW, 'H', NULL, .help = "follow symbolic links given as SRC", .sets = "H"},
        {OPT_NO_TARGET_DIRECTORY, 'T', "no-target-directory", .help = "DST is the new name, even if it is a directory"},
        {OPT_TARGET_DIRECTORY, 't', "target-directory", "DIR", "copy every SRC into DIR", COMPLETE_FILE},
        ONE_FILESYSTEM('x'),
        {OPT_EXCLUDE, 0, "exclude", "GLOB", "leave out names like this, or paths below SRC if it has a slash",
         .many = true},
        {OPT_FILES_FROM, 0, "files-from", "FILE", "copy only the paths below SRC that stand in FILE, one a line",
         COMPLETE_FILE},
        {OPT_NUL, '0', "null", .help = "they end with NUL instead of newline"},
        {OPT_FORCE, 'f', "force", .help = "changes nothing: targets are always replaced whole"},
        {OPT_UPDATE, 'n', "no-clobber", .help = "--update=none", .sets = "none"},
        {OPT_UPDATE, 'u', NULL, .help = "--update=older", .sets = "older"},
        {OPT_UPDATE, 0, "update", "WHICH", "which existing targets are replaced (all; alone: older)", COMPLETE_WORDS,
         "all none none-fail older", .sets = "older", .optional = true},
        {OPT_CLONE, 0, "clone", "WHEN", "share the blocks instead of copying (auto)", COMPLETE_WORDS,
         "auto always never"},
        {OPT_CLONE, 0, "reflink", "WHEN", "likewise (alone: always)", COMPLETE_WORDS, "auto always never",
         .sets = "always", .optional = true},
        {OPT_SYNC, 0, "sync", "WHEN", "flush files together, not at all, or each by itself (batch)", COMPLETE_WORDS,
         "none batch file"},
        {OPT_VERIFY, 0, "verify", .help = "read back what was copied, and compare"},
        {OPT_MANIFEST, 0, "manifest", "FILE", "verify, and write the digests to FILE, for `b2sum -l 256 -c`",
         COMPLETE_FILE},
        {OPT_BWLIMIT, 0, "bwlimit", "RATE", "at most so many bytes a second; takes K, M, G"},
        {OPT_PRIORITY, 0, "priority", "N", "from -100 to 100 (0); higher ones first, above 0 for administrators"},
        {OPT_IDEMPOTENCY_KEY, 0, "idempotency-key", "KEY", "if KEY was submitted before, this is that job again"},
        {OPT_DETACH, 0, "detach", .help = "print the number of the job and do not wait for it"},
        {0}};
static const struct option job_list_options[] = {
        {OPT_ALL, 'a', "all", .help = "those of other users, too (administrators only)"}, {0}};
static const struct option job_show_options[] = {
        {OPT_MANIFEST, 0, "manifest", .help = "print the digests of a verified job instead, for `b2sum -l 256 -c`"},
        {0}};
static const struct option batch_options[] = {
        {OPT_NUL, '0', "null", .help = "commands end with NUL instead of newline"},
        {OPT_PARALLEL, 0, "parallel", .help = "in any order, several at once"},
        {OPT_STOP_ON_ERROR, 0, "stop-on-error", .help = "do nothing more after the first failure"},
        {0}};

/* clang-format off */
static const char batch_more[] =
        "Each line is a command as it would be typed, without `fsop`. '…' keeps everything, \"…\" everything but\n"
        "backslashes before \" and \\, \\ keeps the next character, and $'…' knows \\n, \\t, \\xHH and \\OOO, for names\n"
        "with odd bytes. Nothing else is special: no variables, no patterns. # begins a comment. With -0 commands end\n"
        "with NUL, and a newline is a character like others. What one line has done the next one finds, except with\n"
        "--parallel. `mv -T`, `ln -T` and `cp -T` are faster than without: nobody needs to ask whether DST is a directory.\n";
static const char cp_more[] =
        "The daemon copies in the background, as a job that survives its restarts and yours; fsop shows how far it is.\n"
        "An interrupt cancels the job, a lost connection does not. Each file gets its name when it is complete. In a\n"
        "batch file, and with --detach, only the number is printed: `fsop job watch` follows it then. --timeout ends the\n"
        "watching, not the job.\n"
        "DST is a directory that exists, and gets every SRC, or the new name of the only SRC; a SRC that ends in /. is\n"
        "copied into DST itself. Symbolic links given as SRC are followed, except with -r, -a, -d and -P.\n"
        "--files-from means what it means to rsync: there is one SRC, a directory, and SRC/a/b becomes DST/a/b. Empty\n"
        "lines are nothing, every other one is a name: there are no comments. \"..\" and absolute paths are refused. A\n"
        "directory that is named is made; with -r or -a it is copied with all that is in it.\n"
        "Exit status: 5 if some of the files failed, 1 if all did or the job could not go on, 3 if it was denied.\n";
static const char job_watch_more[] =
        "Shows what cp shows, and ends with its exit status. An interrupt ends the watching, not the job.\n";
#define UNITS " K, M, G, T (powers of 1024) and KB, MB, GB, TB (powers of 1000).\n"
static const char truncate_more[] = "SIZE takes" UNITS;
static const char range_more[] = "OFFSET and LENGTH take" UNITS;
static const char fallocate_more[] =
        "Without -n, -p, -z, -c, -i and --unshare-range the range gets space, and the file is made, or becomes longer,\n"
        "where it has to. OFFSET and LENGTH take" UNITS;
static const char chmod_more[] = "MODE is octal, such as 644, or symbolic, such as u=rwX,go-w.\n";
static const char mknod_more[] = "p is a FIFO, s a socket, b a block device and c a character device.\n";
static const char mv_more[] = "Nothing is copied: to another filesystem, `fsop cp` and then `fsop rm` do it.\n";
static const char getxattr_more[] = "Without -e the value is printed as it is, with nothing behind it.\n";
static const char status_more[] =
        "Everybody sees the daemon's and their own (own-…), uid 0 and the admin group those of every user who is connected\n"
        "(uid-N-…), too. The last line says why there are no copy jobs, where that is so.\n";
static const char explain_more[] =
        "COMMAND is what would be typed behind `fsop`, with its options: `fsop explain chown www-data: FILE`.\n";
static const char policy_reload_more[] =
        "If there is anything wrong with what is there now, the old rules stay, and it fails. For administrators only.\n";
static const char job_list_more[] =
        "A job is queued, running, paused, waiting (it tries again by itself), verifying, done, failed or cancelled.\n";
static const char chown_more[] =
        "Owners are names or numbers; +NUMBER is always a number. OWNER: also gives the owner's login group.\n";
static const char touch_more[] =
        "TIME is YYYY-MM-DD or YYYY-MM-DDTHH:MM[:SS[.FRACTION]], with Z or +HH:MM behind it or in local time, or\n"
        "@SECONDS[.FRACTION].\n";
/* clang-format on */

#define FILES COMPLETE_FILE

const struct command commands[] = {
        {"ping", "", "ask the daemon for a sign of life", NULL, 0, 0, .plan = plan_ping},
        {"info", "[PATH]", "show what the daemon, and the filesystem at PATH, can do", NULL, 0, 1, FILES,
         .plan = plan_info},
        {"status", "", "show the daemon's counters and limits", NULL, 0, 0, .plan = plan_status, .more = status_more},
        {"explain", "COMMAND…", "tell what policy says to a command, without running it", explain_options, 1, -1,
         COMPLETE_COMMAND, .nested = true, .alone = true, .plan = plan_explain, .more = explain_more},
        {"policy check", "FILE…", "look for mistakes in policy files; needs no running daemon", NULL, 1, -1, FILES,
         .alone = true, .plan = plan_policy_check},
        {"policy reload", "", "have the daemon read its policy again", NULL, 0, 0, .plan = plan_policy_reload,
         .more = policy_reload_more},
        {"completion", "SHELL", "print the completions for bash, zsh or fish", NULL, 1, 1, COMPLETE_WORDS,
         "bash zsh fish", .alone = true, .plan = plan_completion},
        {"stat", "PATH…", "show everything the inode says", stat_options, 1, -1, FILES, .plan = plan_stat},
        {"ls", "PATH", "list a directory", ls_options, 1, 1, FILES, .plan = plan_ls},
        {"statfs", "PATH", "show the filesystem's size and limits", NULL, 1, -1, FILES, .plan = plan_statfs},
        {"readlink", "PATH…", "print where symbolic links lead", NULL, 1, -1, FILES, .plan = plan_readlink},
        {"mkdir", "PATH…", "make directories", mkdir_options, 1, -1, FILES, .plan = plan_mkdir},
        {"rmdir", "PATH…", "remove empty directories", NULL, 1, -1, FILES, .plan = plan_rmdir},
        {"rm", "PATH…", "remove files", rm_options, 1, -1, FILES, .none_with = OPT_FORCE, .plan = plan_rm},
        {"mv", "SRC… DST", "rename", mv_options, 2, -1, FILES, .plan = plan_mv, .more = mv_more},
        {"ln", "TARGET LINK", "make a link", ln_options, 2, 2, FILES, .plan = plan_ln},
        {"touch", "PATH…", "set times, make empty files", touch_options, 1, -1, FILES, .plan = plan_touch,
         .more = touch_more},
        {"chmod", "MODE PATH…", "change modes", chmod_options, 2, -1, FILES, .dash_letters = "rwxXstugoa,+=01234567-",
         .plan = plan_chmod, .more = chmod_more},
        {"chown", "[OWNER][:GROUP] PATH…", "change owners", chown_options, 2, -1, COMPLETE_OWNER, .plan = plan_chown,
         .more = chown_more},
        {"mknod", "PATH p|s|b MAJOR MINOR|c MAJOR MINOR", "make a device node, FIFO or socket", make_options, 2, 4,
         FILES, .plan = plan_mknod, .more = mknod_more},
        {"mkfifo", "PATH…", "make FIFOs", make_options, 1, -1, FILES, .plan = plan_mkfifo},
        {"truncate", "-s SIZE PATH…", "set the size of files", truncate_options, 1, -1, FILES, .plan = plan_truncate,
         .more = truncate_more},
        {"fallocate", "-l LENGTH PATH", "allocate or free space in a file", fallocate_options, 1, 1, FILES,
         .plan = plan_fallocate, .more = fallocate_more},
        {"sync", "PATH…", "have files written to their disk", sync_options, 1, -1, FILES, .plan = plan_sync},
        {"fadvise", "-a ADVICE PATH", "tell how a file will be used", fadvise_options, 1, 1, FILES,
         .plan = plan_fadvise, .more = range_more},
        {"getxattr", "NAME PATH", "print an extended attribute", getxattr_options, 2, 2, FILES, .plan = plan_getxattr,
         .more = getxattr_more},
        {"setxattr", "NAME VALUE PATH", "set an extended attribute; VALUE - is standard input", setxattr_options, 3, 3,
         FILES, .plan = plan_setxattr},
        {"listxattr", "PATH", "list extended attributes", xattr_options, 1, 1, FILES, .plan = plan_listxattr},
        {"removexattr", "NAME PATH", "remove an extended attribute", xattr_options, 2, 2, FILES,
         .plan = plan_removexattr},
        {"copy-range", "SRC DST", "copy or share a part of a file", copy_range_options, 2, 2, FILES,
         .plan = plan_copy_range, .more = range_more},
        {"cp", "SRC… DST", "copy files and trees", cp_options, 1, -1, FILES, .plan = plan_cp, .more = cp_more},
        {"job list", "", "list copy jobs", job_list_options, 0, 0, .plan = plan_job_list, .more = job_list_more},
        {"job show", "ID…", "show everything about jobs, and which files failed", job_show_options, 1, -1,
         .plan = plan_job_show},
        {"job watch", "ID", "follow a job to its end", NULL, 1, 1, .alone = true, .plan = plan_job_watch,
         .more = job_watch_more},
        {"job pause", "ID…", "let jobs begin nothing further", NULL, 1, -1, .plan = plan_job_pause},
        {"job resume", "ID…", "let paused jobs go on", NULL, 1, -1, .plan = plan_job_resume},
        {"job cancel", "ID…", "end jobs; what has its final name stays", NULL, 1, -1, .plan = plan_job_cancel},
        {"job retry", "ID…", "queue failed jobs again, for what failed", NULL, 1, -1, .plan = plan_job_retry},
        {"job forget", "ID…", "drop jobs that have ended from the list", NULL, 1, -1, .plan = plan_job_forget},
        {"batch", "[FILE|-]", "run commands from a file, in batches", batch_options, 0, 1, FILES, .alone = true,
         .plan = plan_batch, .more = batch_more},
        {0},
};
