/* SPDX-License-Identifier: MIT */
/*
 * place.c: where it is measured: directories that are gone afterwards, the files in them, the daemon's settings and
 * rule, on request a filesystem in an image of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define IMAGE_BYTES ((off_t)2 << 30)
#define IMAGE_COPIES_BYTES ((off_t)6 << 30)
#define BUSY_LOAD 0.7
#define OWNER_A 20001u
#define OWNER_B 20002u
#define OWNER_GROUP 20000u

static int write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), ret;

        if (fd < 0)
                return bench_fail("%s: %s", path, strerror(errno));
        ret = bench_write_all(fd, text, strlen(text));
        close(fd);
        return ret < 0 ? bench_fail("%s: cannot be written", path) : 0;
}

/* A new directory that everyone may look into; its name is in *ret also after a failure, if it was made. */
static int make_scratch(const char *parent, char **ret) {
        char *path = bench_format("%s/fsop-bench.%ld.XXXXXX", parent, (long)getpid());

        if (!mkdtemp(path)) {
                free(path);
                return bench_fail("cannot make a directory in %s: %s", parent, strerror(errno));
        }
        *ret = path;
        return chmod(path, 0755) < 0 ? bench_fail("%s: %s", path, strerror(errno)) : 0;
}

static int make_directory(const char *parent, const char *name) {
        char *path = bench_format("%s/%s", parent, name);
        int ret = mkdir(path, 0755);

        if (ret < 0)
                bench_fail("%s: %s", path, strerror(errno));
        free(path);
        return ret;
}

/* Whoever is the first to write to a part of a sparse file pays for finding it a place: nobody shall, where much is
 * written. */
static int fill_image(int fd, off_t bytes) {
        const size_t chunk_bytes = (size_t)1 << 20;
        char *chunk = bench_alloc(1, chunk_bytes);
        int ret = 0;

        for (off_t done = 0; done < bytes && ret == 0 && !bench_stop; done += (off_t)chunk_bytes)
                ret = bench_write_all(fd, chunk, chunk_bytes);
        free(chunk);
        if (ret == 0)
                ret = fsync(fd);
        return bench_stop ? -1 : ret;
}

static int make_image(const struct place *place, const struct place_options *options) {
        int fd = open(place->image, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret;

        if (fd < 0)
                ret = -1;
        else if (options->copies && !options->quick)
                ret = fill_image(fd, IMAGE_COPIES_BYTES);
        else
                ret = ftruncate(fd, IMAGE_BYTES);
        if (ret < 0)
                bench_fail("%s: %s", place->image, strerror(errno));
        if (fd >= 0)
                close(fd);
        return ret;
}

/* Not below the control directory: what is there no rule reaches. */
static int mount_image(struct place *place, const char *parent, const struct place_options *options) {
        const char *xfs[] = {"mkfs.xfs", "-q", "-f", "-K", "-m", "reflink=1", place->image, NULL};
        const char *ext4[] = {"mkfs.ext4", "-q", "-F", "-E", "nodiscard", place->image, NULL};
        const char *mounting[] = {"mount", "-o", "loop", place->image, NULL, NULL};
        int ret = make_scratch(parent, &place->mount_point);

        if (ret < 0 || make_image(place, options) < 0)
                return -1;
        mounting[4] = place->mount_point;
        ret = process_run(strcmp(options->fs, "xfs") == 0 ? xfs : ext4);
        if (ret == 0)
                ret = process_run(mounting);
        place->mounted = ret == 0;
        return ret;
}

static int make_files(struct place *place) {
        struct files *files = &place->files;

        if (make_directory(place->scratch, "data") < 0 || make_directory(place->scratch, "copies") < 0 ||
            make_directory(place->scratch, "audit") < 0)
                return -1;
        files->directory = bench_format("%s/data", place->scratch);
        files->owners[0] = OWNER_A;
        files->owners[1] = OWNER_B;
        files->group = OWNER_GROUP;
        files->paths = bench_alloc(BENCH_FILES, sizeof(*files->paths));
        for (uint32_t i = 0; i < BENCH_FILES; i++) {
                char *path = bench_format("%s/file-%04u", files->directory, i);

                files->paths[files->n++] = path;
                if (write_file(path, "something\n") < 0)
                        return -1;
                if (chown(path, OWNER_B, OWNER_GROUP) < 0)
                        return bench_fail("%s: %s", path, strerror(errno));
        }
        return 0;
}

static int write_settings(struct place *place, const char *user) {
        char *rule = bench_format("%s/policy.d/bench.yaml", place->control);
        char *text = bench_format("socket-mode: 0666\npolicy-dir: %s/policy.d\naudit: file:%s\nlog-level: warning\n"
                                  "limits:\n  connections: %u\n  connections-per-uid: %u\n",
                                  place->control, place->audit, BENCH_CONNECTIONS_MAX, BENCH_CONNECTIONS_MAX);
        int ret = write_file(place->config, text);

        free(text);
        text = bench_format(
                "rules:\n  - name: bench\n    effect: allow\n    user: [%s]\n    path: %s/data\n"
                "    ops: [stat, chown, xattr]\n    chown-to: [\"%u:%u\", \"%u:%u\"]\n    xattrs: [\"user.*\"]\n"
                "  - name: copies\n    effect: allow\n    user: [%s]\n    path: %s/copies\n    ops: [copy-from, "
                "copy-to]\n",
                user, place->scratch, OWNER_A, OWNER_GROUP, OWNER_B, OWNER_GROUP, user, place->scratch);
        if (ret == 0)
                ret = write_file(rule, text);
        free(text);
        free(rule);
        return ret;
}

static int make_control(struct place *place) {
        const char *parent = access("/run", W_OK) == 0 ? "/run" : "/var/lib";

        if (make_scratch(parent, &place->control) < 0 || make_directory(place->control, "policy.d") < 0 ||
            make_scratch("/var/lib", &place->state[0]) < 0 || make_scratch("/var/lib", &place->state[1]) < 0)
                return -1;
        place->socket[0] = bench_format("%s/fsopd.sock", place->control);
        place->socket[1] = bench_format("%s/threads.sock", place->control);
        place->echo_socket = bench_format("%s/echo.sock", place->control);
        place->config = bench_format("%s/fsopd.yaml", place->control);
        place->log = bench_format("%s/fsopd.log", place->control);
        return 0;
}

int place_init(struct place *place, const struct place_options *options) {
        const struct passwd *user = getpwnam("nobody");
        const char *dir = options->dir ? options->dir : "/var/tmp";
        char *parent = realpath(dir, NULL);
        int ret = -1;

        if (!user)
                bench_fail("there is no user nobody");
        else if (!parent)
                bench_fail("%s: %s", dir, strerror(errno));
        else
                ret = make_control(place);
        if (ret == 0) {
                place->client_uid = user->pw_uid;
                place->client_gid = user->pw_gid;
                place->files.follow = options->follow;
                place->quick = options->quick;
        }
        if (ret == 0 && options->fs) {
                place->image = bench_format("%s/fsop-bench.%ld.img", parent, (long)getpid());
                ret = mount_image(place, parent, options);
        }
        if (ret == 0)
                ret = make_scratch(place->mounted ? place->mount_point : parent, &place->scratch);
        if (ret == 0) {
                place->audit = bench_format("%s/audit/audit.log", place->scratch); /* where it lies no rule reaches */
                ret = make_files(place);
        }
        if (ret == 0)
                ret = write_settings(place, user->pw_name);
        free(parent);
        return ret;
}

void place_fini(struct place *place) {
        tree_remove(place->scratch);
        if (place->mounted && umount(place->mount_point) < 0)
                bench_fail("%s: %s", place->mount_point, strerror(errno));
        if (place->mount_point && rmdir(place->mount_point) < 0)
                bench_fail("%s: %s", place->mount_point, strerror(errno));
        if (place->image && unlink(place->image) < 0 && errno != ENOENT)
                bench_fail("%s: %s", place->image, strerror(errno));
        tree_remove(place->control);
        tree_remove(place->state[0]);
        tree_remove(place->state[1]);
        for (uint32_t i = 0; i < place->files.n; i++)
                free(place->files.paths[i]);
        free(place->files.paths);
        free(place->control);
        free(place->state[0]);
        free(place->state[1]);
        free(place->scratch);
        free(place->image);
        free(place->mount_point);
        free(place->socket[0]);
        free(place->socket[1]);
        free(place->echo_socket);
        free(place->files.directory);
        free(place->config);
        free(place->audit);
        free(place->log);
        *place = (struct place){0};
}

/* ---- the machine ---- */

/* The type of the filesystem that holds PATH: that of the mount with the longest fitting name. */
static void filesystem_of(const char *path, char *type, size_t type_bytes) {
        char line[4096], point[2048], name[64];
        FILE *mounts = fopen("/proc/self/mounts", "re");
        size_t best = 0;

        snprintf(type, type_bytes, "unknown");
        while (mounts && fgets(line, sizeof(line), mounts)) {
                size_t len;

                if (sscanf(line, "%*s %2047s %63s", point, name) != 2)
                        continue;
                len = strcmp(point, "/") == 0 ? 0 : strlen(point);
                if (len >= best && strncmp(path, point, len) == 0 && (path[len] == '/' || path[len] == 0)) {
                        best = len;
                        snprintf(type, type_bytes, "%s", name);
                }
        }
        if (mounts)
                fclose(mounts);
}

static void processor(char *model, size_t model_bytes) {
        char line[256];
        FILE *info = fopen("/proc/cpuinfo", "re");

        snprintf(model, model_bytes, "unknown processor");
        while (info && fgets(line, sizeof(line), info)) {
                const char *value = strchr(line, ':');

                if (!value || strncmp(line, "model name", 10) != 0)
                        continue;
                snprintf(model, model_bytes, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
                break;
        }
        if (info)
                fclose(info);
}

void place_describe(const struct place *place, FILE *stream) {
        struct utsname system;
        char type[64], model[128];
        double load;

        uname(&system);
        filesystem_of(place->scratch, type, sizeof(type));
        processor(model, sizeof(model));
        fprintf(stream, "%s %s, %ld x %s, files on %s%s\n", system.sysname, system.release,
                sysconf(_SC_NPROCESSORS_ONLN), model, type, place->mounted ? " in an image of its own" : "");
        if (getloadavg(&load, 1) == 1 && load >= BUSY_LOAD)
                bench_fail("others keep this machine busy (load %.1f): take the figures for what they are", load);
}
