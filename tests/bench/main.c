/* SPDX-License-Identifier: MIT */
/*
 * main.c: fsop-bench: how fsopd compares with doing it directly and with other servers, cp and rsync, on this machine,
 * now.
 */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/routes.h"

struct options {
        const char *fsopd, *dir, *fs, *engine, *sftp_server;
        struct profile profile;
        uint32_t rounds;
        bool follow, list, quick;
        char **words;
        int n_words;
};

static const char usage[] =
        "Usage: fsop-bench [OPTION]... [NAME]...\n"
        "       fsop-bench fair --fsopd PATH [OPTION]...\n"
        "Measures fsopd against plain system calls, a bare echo, sftp-server, diod, virtfs-proxy-helper, cp and "
        "rsync,\n"
        "in turns, and prints tables. Needs root: the daemon runs as root, its client as nobody, everybody else as\n"
        "root.\n"
        "NAME is the beginning of the name of rows, or of curves, which measure as something grows; without, all rows\n"
        "and no curve. Rows of copies (copy-...) take minutes and up to 6 GiB in DIR.\n"
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
        "      --json              one object a line: of a row name, ours, theirs, ratio, bar, met, unit\n"
        "      --markdown          tables for a page\n"
        "      --out DIR           writes files of figures there, too: rows.tsv, CURVE.tsv, and each turn's in "
        "raw.tsv\n"
        "      --list              the names of the rows and curves\n"
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
        OPT_MARKDOWN,
        OPT_OUT,
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
        {"markdown", no_argument, NULL, OPT_MARKDOWN},
        {"out", required_argument, NULL, OPT_OUT},
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
                report_format = REPORT_JSON;
                return 0;
        case OPT_MARKDOWN:
                report_format = REPORT_MARKDOWN;
                return 0;
        case OPT_OUT:
                report_dir = optarg;
                return access(optarg, W_OK) == 0 ? 0 : -1;
        case OPT_LIST:
                options->list = true;
                return 0;
        case OPT_PROFILE:
                options->profile.of = optarg;
                return 0;
        case OPT_ONE:
                options->profile.one = true;
                return 0;
        case OPT_AS:
                options->profile.as = (enum fsop_as)fsop_as_from_name(optarg);
                return fsop_as_from_name(optarg) < 0 ? -1 : 0;
        case OPT_SECONDS:
                options->profile.seconds = strtod(optarg, NULL);
                return options->profile.seconds > 0 ? 0 : -1;
        default:
                return -1;
        }
}

/* ---- what is to be measured ---- */

/* What is not a row of the table of rows. */
struct subject {
        const char *name, *says;
        int (*run)(struct bench *bench); /* no daemon runs yet */
};

static const struct subject subjects[] = {
        {"memory", "resident memory over connections, of both engines", memory_run},
};
#define N_SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static bool begins(const char *name, const char *word) {
        return strncmp(name, word, strlen(word)) == 0;
}

static bool is_subject(const char *word) {
        for (size_t i = 0; i < N_SUBJECTS; i++)
                if (strcmp(subjects[i].name, word) == 0)
                        return true;
        return false;
}

/* Whether a row or curve is meant. A word that is the name of a subject means nothing else. */
static bool is_chosen(const struct options *options, const char *name) {
        for (int i = 0; i < options->n_words; i++)
                if (!is_subject(options->words[i]) && begins(name, options->words[i]))
                        return true;
        return false;
}

static bool row_is_chosen(const struct options *options, const struct row *row) {
        if (options->profile.of)
                return profile_is_of(&options->profile, row);
        return options->n_words == 0 || is_chosen(options, row->name);
}

static bool subject_is_chosen(const struct options *options, const struct subject *subject) {
        for (int i = 0; i < options->n_words; i++)
                if (strcmp(subject->name, options->words[i]) == 0)
                        return true;
        return false;
}

static int check_words(const struct options *options) {
        for (int i = 0; i < options->n_words; i++) {
                const char *word = options->words[i];
                bool known = is_subject(word);

                for (uint32_t k = 0; k < n_rows; k++)
                        known |= begins(rows[k].name, word);
                for (uint32_t k = 0; k < n_curves; k++)
                        known |= begins(curves[k].name, word);
                if (!known)
                        return bench_fail("nothing is called %s (--list shows what is)", word);
        }
        return 0;
}

static void list(void) {
        for (uint32_t i = 0; i < n_rows; i++)
                printf("%-20s %s\n", rows[i].name, rows[i].says);
        for (uint32_t i = 0; i < n_curves; i++)
                printf("%-20s %s\n", curves[i].name, curves[i].says);
        for (size_t i = 0; i < N_SUBJECTS; i++)
                printf("%-20s %s\n", subjects[i].name, subjects[i].says);
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
        if (options->list)
                list();
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
        if (daemon_start(&bench->place, 0, bench->fsopd, bench->engine, &bench->daemons[0]) < 0 ||
            daemon_start(&bench->place, 1, bench->fsopd, "threads", &bench->daemons[1]) < 0 ||
            peers_start(&bench->peers, &bench->place) < 0)
                return -1;
        return worker_start(&bench->worker, &bench->place, &bench->peers);
}

static void stop_all(struct bench *bench) {
        worker_stop(&bench->worker);
        peers_stop(&bench->peers);
        process_end(&bench->daemons[1], SIGTERM);
        process_end(&bench->daemons[0], SIGTERM);
}

static bool is_memory(const struct row *row) {
        return row->contest.ours.side == SIDE_MEMORY;
}

static bool copies_are_chosen(const struct options *options) {
        for (uint32_t i = 0; i < n_rows; i++)
                if (rows[i].contest.copying && row_is_chosen(options, &rows[i]))
                        return true;
        return false;
}

static int describe(struct bench *bench) {
        FILE *stream = report_format == REPORT_TEXT ? stdout : stderr;
        char *about = worker_about(&bench->worker, 0);

        if (!about)
                return -1;
        fprintf(stream, "fsopd %s, %u rounds; ", about, bench->rounds);
        place_describe(&bench->place, stream);
        fflush(stream);
        free(about);
        return 0;
}

static int run_row(struct bench *bench, const struct row *row) {
        const char *missing = contest_missing(bench, &row->contest);
        struct outcome outcome;

        if (missing) {
                report_skipped(row, missing);
                return 0;
        }
        if (contest_run(bench, &row->contest, &outcome) < 0)
                return -1;
        report_row(row, &outcome);
        outcome_fini(&outcome);
        return 0;
}

/* All that the same daemons serve. */
static int run_together(struct bench *bench, const struct options *options) {
        int ret = start_all(bench);

        if (ret == 0)
                ret = describe(bench);
        if (ret == 0 && options->profile.of)
                return profile_run(bench, &options->profile);
        for (uint32_t i = 0; i < n_rows && ret == 0; i++)
                if (!is_memory(&rows[i]) && row_is_chosen(options, &rows[i]))
                        ret = run_row(bench, &rows[i]);
        for (uint32_t i = 0; i < n_curves && ret == 0; i++)
                if (is_chosen(options, curves[i].name))
                        ret = curve_run(bench, &curves[i]);
        return ret;
}

/* The rows of a fresh daemon. */
static int run_memory(struct bench *bench, const struct options *options) {
        static const uint32_t points[] = {0, 500};
        struct memory memory[2];

        if (memory_measure(bench, bench->engine, points, 2, memory) < 0)
                return -1;
        for (uint32_t i = 0; i < n_rows; i++)
                if (is_memory(&rows[i]) && row_is_chosen(options, &rows[i]))
                        report_memory(&rows[i],
                                      strcmp(rows[i].name, "memory-idle") == 0
                                              ? memory[0].resident_kib
                                              : (memory[1].resident_kib - memory[0].resident_kib) / points[1]);
        if (report_format == REPORT_TEXT)
                printf("(of the daemon's memory %.0f KiB are its own, the rest are pages of files: program and "
                       "libraries)\n",
                       memory[0].anonymous_kib);
        return 0;
}

static int measure(struct bench *bench, const struct options *options) {
        bool together = options->profile.of, memory = false, any_row = false;
        int ret;

        for (uint32_t i = 0; i < n_rows; i++) {
                bool chosen = row_is_chosen(options, &rows[i]);

                any_row |= chosen;
                memory |= chosen && is_memory(&rows[i]);
                together |= chosen && !is_memory(&rows[i]);
        }
        for (uint32_t i = 0; i < n_curves; i++)
                together |= is_chosen(options, curves[i].name);
        ret = report_begin(any_row && !options->profile.of);
        if (ret == 0 && together) {
                ret = run_together(bench, options);
                stop_all(bench);
        }
        if (ret == 0 && memory)
                ret = run_memory(bench, options);
        for (size_t i = 0; i < N_SUBJECTS && ret == 0; i++)
                if (subject_is_chosen(options, &subjects[i]))
                        ret = subjects[i].run(bench);
        return ret;
}

/* What has a command line of its own. */
static const struct {
        const char *name;
        int (*run)(int argc, char **argv); /* returns the exit status */
} commands[] = {
        {"fair", fair_main},
        {"routes", routes_main},
};

int main(int argc, char **argv) {
        struct options options = {.rounds = 9, .engine = "auto", .profile = {.seconds = 10}};
        struct bench bench = {.peers = {.fds = {-1, -1, -1, -1}}};
        struct place_options place = {0};
        char *found = NULL;
        int ret;

        catch_signals();
        for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
                if (strcmp(argv[1], commands[i].name) == 0)
                        return commands[i].run(argc - 1, argv + 1);
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
        bench.peers.sftp_server = options.sftp_server;
        bench.rounds = options.rounds;
        process_raise_descriptors(); /* the daemon inherits them */
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
