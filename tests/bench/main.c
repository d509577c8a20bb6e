/* SPDX-License-Identifier: MIT */
/*
 * main.c: fsop-bench: how fsopd compares with doing it directly, with sftp-server, cp and rsync, on this machine, now.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

struct options {
        const char *fsopd, *dir, *fs, *engine, *sftp_server, *profile;
        uint32_t rounds;
        double seconds;
        enum fsop_as as; /* when profiling */
        bool json, follow, list, one, quick;
        char **words;
        int n_words;
};

static const char usage[] =
        "Usage: fsop-bench [OPTION]... [ROW]...\n"
        "Measures fsopd against plain system calls, a bare echo, sftp-server, cp and rsync, in turns, and prints a\n"
        "table. Needs root: the daemon runs as root, its client as nobody, cp and rsync as root.\n"
        "ROW is the beginning of a row's name; without, all rows. Those of copies (copy-...) take minutes and up to\n"
        "6 GiB in DIR.\n"
        "\n"
        "      --fsopd PATH        the daemon (default: the one this was built with)\n"
        "      --dir DIR           where the files are made (default /var/tmp)\n"
        "      --fs xfs|ext4       on a filesystem of their own, in an image in DIR\n"
        "      --rounds N          how often everybody has a turn (default 9)\n"
        "      --quick             copies little: whether it works, not how fast it is\n"
        "      --engine NAME       auto, uring or threads\n"
        "      --sftp-server PATH  default: where distributions have it\n"
        "      --follow            paths are followed through symbolic links in the last component\n"
        "      --pin WHERE         together: client and servers on one processor; apart: on two;\n"
        "                          default: as the kernel likes\n"
        "      --json              one object a line: name, ours, theirs, ratio, bar, met, unit\n"
        "      --list              the names of the rows\n"
        "      --profile-op OP     only keep fsopd busy with stat, chown or setxattr, in batches, or with the copies "
        "of\n"
        "                          a row, and say its process id; tests/bench/profile.sh does, and looks at it\n"
        "      --one               ... one operation at a time\n"
        "      --as WHOM           ... asking for auto, caller or elevated (default auto)\n"
        "      --seconds S         ... for so long (default 10)\n"
        "\n"
        "ours and theirs are medians over all turns, of the median time of an operation where one is in flight, of\n"
        "the time of a whole copy until it is on the disk, else of the rate; ratio is the median of the turns' ratios. "
        "Exit status 0 whatever they are;\n"
        "1 when they can't be measured.\n";

volatile sig_atomic_t bench_stop;

/* ---- common small things ---- */

int bench_fail(const char *format, ...) {
        va_list ap;

        fflush(stdout);
        fputs("fsop-bench: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return -1;
}

char *bench_format(const char *format, ...) {
        char *text = NULL;
        va_list ap;
        int ret;

        va_start(ap, format);
        ret = vasprintf(&text, format, ap);
        va_end(ap);
        if (ret < 0)
                abort();
        return text;
}

void *bench_alloc(size_t n, size_t bytes) {
        void *memory = calloc(n, bytes);

        if (!memory)
                abort();
        return memory;
}

uint64_t bench_now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms) {
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

        nanosleep(&time, NULL);
}

int bench_write_all(int fd, const void *data, size_t len) {
        const char *from = data;

        while (len > 0) {
                ssize_t n = write(fd, from, len);

                if (n < 0 && errno == EINTR && !bench_stop)
                        continue;
                if (n <= 0)
                        return -1;
                from += n;
                len -= (size_t)n;
        }
        return 0;
}

int bench_read_all(int fd, void *data, size_t len) {
        char *to = data;

        while (len > 0) {
                ssize_t n = read(fd, to, len);

                if (n < 0 && errno == EINTR && !bench_stop)
                        continue;
                if (n <= 0)
                        return -1;
                to += n;
                len -= (size_t)n;
        }
        return 0;
}

/* ---- the command line ---- */

enum {
        OPT_FSOPD = 256,
        OPT_DIR,
        OPT_FS,
        OPT_ROUNDS,
        OPT_QUICK,
        OPT_ENGINE,
        OPT_SFTP,
        OPT_FOLLOW,
        OPT_PIN,
        OPT_JSON,
        OPT_LIST,
        OPT_PROFILE,
        OPT_ONE,
        OPT_SECONDS,
        OPT_AS
};

static const struct option long_options[] = {
        {"fsopd", required_argument, NULL, OPT_FSOPD},
        {"dir", required_argument, NULL, OPT_DIR},
        {"fs", required_argument, NULL, OPT_FS},
        {"rounds", required_argument, NULL, OPT_ROUNDS},
        {"quick", no_argument, NULL, OPT_QUICK},
        {"engine", required_argument, NULL, OPT_ENGINE},
        {"sftp-server", required_argument, NULL, OPT_SFTP},
        {"follow", no_argument, NULL, OPT_FOLLOW},
        {"pin", required_argument, NULL, OPT_PIN},
        {"json", no_argument, NULL, OPT_JSON},
        {"list", no_argument, NULL, OPT_LIST},
        {"profile-op", required_argument, NULL, OPT_PROFILE},
        {"one", no_argument, NULL, OPT_ONE},
        {"seconds", required_argument, NULL, OPT_SECONDS},
        {"as", required_argument, NULL, OPT_AS},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int take_option(struct options *options, int option) {
        switch (option) {
        case OPT_FSOPD:
                options->fsopd = optarg;
                return 0;
        case OPT_DIR:
                options->dir = optarg;
                return 0;
        case OPT_FS:
                options->fs = optarg;
                return strcmp(optarg, "xfs") == 0 || strcmp(optarg, "ext4") == 0 ? 0 : -1;
        case OPT_ROUNDS:
                options->rounds = (uint32_t)strtoul(optarg, NULL, 10);
                return options->rounds > 0 && options->rounds <= BENCH_ROUNDS_MAX ? 0 : -1;
        case OPT_QUICK:
                options->quick = true;
                return 0;
        case OPT_ENGINE:
                options->engine = optarg;
                return 0;
        case OPT_SFTP:
                options->sftp_server = optarg;
                return 0;
        case OPT_FOLLOW:
                options->follow = true;
                return 0;
        case OPT_PIN:
                process_pin = strcmp(optarg, "together") == 0 ? PIN_TOGETHER : PIN_APART;
                return process_pin == PIN_TOGETHER || strcmp(optarg, "apart") == 0 ? 0 : -1;
        case OPT_JSON:
                options->json = true;
                return 0;
        case OPT_LIST:
                options->list = true;
                return 0;
        case OPT_PROFILE:
                options->profile = optarg;
                return 0;
        case OPT_ONE:
                options->one = true;
                return 0;
        case OPT_AS:
                options->as = (enum fsop_as)fsop_as_from_name(optarg);
                return fsop_as_from_name(optarg) < 0 ? -1 : 0;
        case OPT_SECONDS:
                options->seconds = strtod(optarg, NULL);
                return options->seconds > 0 ? 0 : -1;
        default:
                return -1;
        }
}

static int check_words(const struct options *options) {
        for (int i = 0; i < options->n_words; i++) {
                bool known = false;

                for (uint32_t k = 0; k < n_rows; k++)
                        known |= row_is_chosen(&rows[k], &options->words[i], 1);
                if (!known)
                        return bench_fail("no row is called %s (--list shows them)", options->words[i]);
        }
        return 0;
}

/* 0: go on, 1: done, -1: usage */
static int parse(struct options *options, int argc, char **argv) {
        int option;

        while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
                if (option == 'h') {
                        fputs(usage, stdout);
                        return 1;
                }
                if (take_option(options, option) < 0)
                        return option == '?' ? -1 : bench_fail("%s cannot be used here", optarg);
        }
        options->words = argv + optind;
        options->n_words = argc - optind;
        for (uint32_t i = 0; options->list && i < n_rows; i++)
                printf("%-18s %s\n", rows[i].name, rows[i].says);
        return options->list ? 1 : check_words(options);
}

/* The daemon of the build directory that this program is in. */
static char *find_fsopd(void) {
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *path;

        if (n <= 0)
                return NULL;
        self[n] = 0;
        path = bench_format("%s/../../fsopd", dirname(self));
        if (access(path, X_OK) == 0)
                return path;
        free(path);
        return NULL;
}

/* ---- measuring ---- */

static void on_signal(int sig) {
        bench_stop = sig;
}

/* Reads are to be interrupted, so that everything is cleaned up. */
static void catch_signals(void) {
        struct sigaction action = {.sa_handler = on_signal};

        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
}

static int start_all(struct bench *bench) {
        int ret = daemon_start(&bench->place, bench->fsopd, bench->engine, &bench->daemon);

        if (ret < 0 || echo_start(&bench->echo, &bench->echo_fd) < 0)
                return -1;
        ret = sftp_start(bench->sftp_server, &bench->sftp, &bench->sftp_fd);
        if (ret < 0)
                return -1;
        return worker_start(&bench->worker, &bench->place, bench->echo_fd, bench->sftp_fd);
}

static void stop_all(struct bench *bench) {
        worker_stop(&bench->worker);
        if (bench->echo_fd >= 0)
                close(bench->echo_fd);
        if (bench->sftp_fd >= 0)
                close(bench->sftp_fd);
        bench->echo_fd = bench->sftp_fd = -1;
        process_end(&bench->echo, SIGKILL);
        process_end(&bench->sftp, SIGKILL);
        process_end(&bench->daemon, SIGTERM);
}

static bool contest_is_chosen(const struct options *options, int contest) {
        for (uint32_t i = 0; i < n_rows; i++)
                if (rows[i].contest == contest && row_is_chosen(&rows[i], options->words, options->n_words))
                        return true;
        return false;
}

static bool copies_are_chosen(const struct options *options) {
        for (uint32_t i = 0; i < n_rows; i++) {
                const struct row *row = &rows[i];

                if (row->contest < 0 || !contests[row->contest].copying)
                        continue;
                if (options->profile ? strcmp(options->profile, row->name) == 0
                                     : row_is_chosen(row, options->words, options->n_words))
                        return true;
        }
        return false;
}

static int describe(struct bench *bench, const struct options *options) {
        FILE *stream = options->json ? stderr : stdout;
        char *about = worker_about(&bench->worker);

        if (!about)
                return -1;
        fprintf(stream, "fsopd %s, %u rounds; ", about, bench->rounds);
        place_describe(&bench->place, stream);
        fflush(stream);
        free(about);
        return 0;
}

static int run_contests(struct bench *bench, const struct options *options) {
        struct outcome outcomes[16] = {0};
        int ret = 0;

        report_head(options->json);
        for (uint32_t i = 0; i < n_contests && ret == 0; i++)
                if (contest_is_chosen(options, (int)i))
                        ret = contest_run(bench, &contests[i], &outcomes[i]);
        for (uint32_t i = 0; i < n_rows; i++) {
                const struct row *row = &rows[i];

                if (row->contest < 0 || !row_is_chosen(row, options->words, options->n_words) ||
                    !outcomes[row->contest].ns[0])
                        continue;
                report_row(row, &contests[row->contest], &outcomes[row->contest], options->json);
        }
        for (uint32_t i = 0; i < n_contests; i++)
                outcome_fini(&outcomes[i]);
        return ret;
}

static int run_memory(struct bench *bench, const struct options *options) {
        struct memory memory;

        if (memory_measure(bench, &memory) < 0)
                return -1;
        for (uint32_t i = 0; i < n_rows; i++)
                if (rows[i].contest < 0 && row_is_chosen(&rows[i], options->words, options->n_words))
                        report_memory(&rows[i],
                                      strcmp(rows[i].name, "memory-idle") == 0 ? memory.idle_kib
                                                                               : memory.connection_kib,
                                      options->json);
        if (!options->json)
                printf("(of the daemon's memory %.0f KiB are its own, the rest are pages of files: program and "
                       "libraries)\n",
                       memory.anonymous_kib);
        return 0;
}

/* What the profile is to be of: the number of an operation, or a row's copying. */
static int find_profiled(const char *name, const struct copying **ret_copying) {
        static const char *const names[] = {"stat", "chown", "setxattr"};

        for (int i = 0; i < 3; i++)
                if (strcmp(name, names[i]) == 0)
                        return i;
        for (uint32_t i = 0; i < n_rows; i++)
                if (rows[i].contest >= 0 && strcmp(name, rows[i].name) == 0)
                        *ret_copying = contests[rows[i].contest].copying;
        return *ret_copying ? 0
                            : bench_fail("--profile-op %s: neither stat, chown, setxattr nor a row of copies", name);
}

/* Keeps the daemon busy, so that it can be looked at. */
static int run_profile(struct bench *bench, const struct options *options) {
        const struct copying *copying = NULL;
        int what = find_profiled(options->profile, &copying);
        struct job job = {.side = options->one ? SIDE_OURS_ONE : SIDE_OURS_BATCH,
                          .what = (enum what)what,
                          .as = options->as,
                          .n_files = BENCH_FILES,
                          .passes = 4};
        uint64_t begin = bench_now_ns(), operations = 0;
        double seconds = 0, busy_ns = 0, cpu_ms = daemon_cpu_ms(bench->daemon);

        if (what < 0)
                return -1;
        printf("daemon %ld, client %ld\n", (long)bench->daemon, (long)bench->worker.pid);
        fflush(stdout);
        while (seconds < options->seconds) {
                double ns = copying ? copy_do(bench, copying, SIDE_OURS_JOB, false) : bench_do(bench, job);

                if (ns < 0)
                        return -1;
                busy_ns += ns;
                operations += copying ? 1 : (uint64_t)job.n_files * job.passes;
                seconds = (double)(bench_now_ns() - begin) / 1e9;
        }
        cpu_ms = (daemon_cpu_ms(bench->daemon) - cpu_ms) / (double)operations;
        if (copying)
                printf("%llu copies, %.0f ms each, %.0f ms of processor time\n", (unsigned long long)operations,
                       busy_ns / 1e6 / (double)operations, cpu_ms);
        else
                printf("%llu operations, %.0f op/s, %.2f us of processor time each\n", (unsigned long long)operations,
                       (double)operations / seconds, cpu_ms * 1000);
        return 0;
}

static int measure(struct bench *bench, const struct options *options) {
        bool memory = contest_is_chosen(options, -1), others = false;
        int ret = 0;

        for (uint32_t i = 0; i < n_contests; i++)
                others |= contest_is_chosen(options, (int)i);
        if (others || options->profile) {
                if (start_all(bench) < 0)
                        return -1;
                ret = describe(bench, options);
                if (ret == 0)
                        ret = options->profile ? run_profile(bench, options) : run_contests(bench, options);
                stop_all(bench);
        }
        if (ret == 0 && memory && !options->profile)
                ret = run_memory(bench, options);
        return ret;
}

int main(int argc, char **argv) {
        struct options options = {.rounds = 9, .seconds = 10, .engine = "auto"};
        struct bench bench = {.echo_fd = -1, .sftp_fd = -1};
        struct place_options place = {0};
        char *found = NULL;
        int ret;

        if (argc > 1 && strcmp(argv[1], "fair") == 0) {
                catch_signals();
                return fair_main(argc - 1, argv + 1);
        }
        ret = parse(&options, argc, argv);
        if (ret != 0)
                return ret < 0 ? 2 : 0;
        if (geteuid() != 0)
                return bench_fail("needs root: it runs the daemon as root and its client as nobody"), 1;
        if (!options.fsopd)
                options.fsopd = found = find_fsopd();
        if (!options.fsopd)
                return bench_fail("there is no fsopd beside this program; say where with --fsopd"), 1;
        bench.fsopd = options.fsopd;
        bench.engine = options.engine;
        bench.sftp_server = options.sftp_server;
        bench.rounds = options.rounds;
        catch_signals();
        bench.has_rsync = process_finds("rsync");
        place = (struct place_options){.dir = options.dir,
                                       .fs = options.fs,
                                       .follow = options.follow,
                                       .quick = options.quick,
                                       .copies = copies_are_chosen(&options)};
        ret = place_init(&bench.place, &place);
        if (ret == 0)
                ret = measure(&bench, &options);
        stop_all(&bench);
        place_fini(&bench.place);
        free(found);
        if (bench_stop)
                return 128 + (int)bench_stop;
        return ret < 0 ? 1 : 0;
}
