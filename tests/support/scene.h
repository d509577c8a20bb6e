/* SPDX-License-Identifier: MIT */
/*
 * scene.h: a scratch directory, people and a rule for tests of the system backend; and operations put together,
 * resolved and run in one call, without a daemon.
 */
#ifndef FSOP_SCENE_H
#define FSOP_SCENE_H

#include <sys/types.h>

#include "backends/sys.h"

#define NOBODY 65534u
#define SOMEBODY 54321u /* has no account, and needs none */

struct scene {
        char path[256]; /* on a local filesystem, 0755, root's */
        int fd;
        struct identity *nobody, *somebody;
        struct directory root; /* path/tree: the rule's directory */
        struct guard guard;    /* for nobody; a test changes it as it likes */
};
extern struct scene scene;

/* Ends the program with 77 and a line that says why, where it is not run as root. */
void scene_need_root(void);
/* One loud line about a part of a test that cannot run here. */
void scene_skip(const char *why);
/* For a checked fixture: starts the backend and makes path, path/tree and path/outside. */
void scene_open(void);
/* The same where only root can write to the directories above it. */
void scene_open_trusted(void);
void scene_close(void);
/* The same with path on another filesystem, made in a file and mounted: "xfs", "btrfs"; false, with a line, where it
 * cannot be. */
bool scene_open_on(const char *fs);

/* path/NAME, in one of a few static buffers. */
const char *scene_path(const char *name);
/* Directories, files of a few bytes and links below path; any failure fails the test. */
void scene_mkdir(const char *name, uint32_t uid, uint32_t mode);
void scene_file(const char *name, uint32_t uid, uint32_t mode, const char *text);
void scene_symlink(const char *text, const char *name);
void scene_mknod(const char *name, mode_t mode, dev_t device);
/* BYTES of something that no two offsets have in common, from OFFSET on, in a file that may be there. */
void scene_fill(const char *name, uint64_t offset, size_t bytes);
void scene_chown(const char *name, uint32_t uid, uint32_t gid);
void scene_chmod(const char *name, mode_t mode);
/* Last changed at SEC and NSEC, last read five seconds later. */
void scene_times(const char *name, int64_t sec, long nsec);
void scene_xattr(const char *name, const char *attribute, const char *value);
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
/* An ACL of either KIND: USER may do PERM, the owner all, the group MASK at most. */
void scene_acl(const char *name, const char *kind, uint32_t user, uint16_t perm, uint16_t mask);
/* Below tree: a few of everything that a path can lead over. */
void scene_furnish(void);
/* The scene's rule excludes it, and nothing else. Its descriptor, which the scene closes. */
os_fd scene_exclude(const char *name);
/* The scene's rule excludes that name. What stands there now is known, but is not excluded itself: so it is seen what
 * the name alone is good for. */
void scene_keep_name(const char *name);
extern struct object_id scene_kept_id;
extern int scene_outdated; /* set where something else was met there */
/* rm -r. */
void scene_remove(const char *name);
/* lstat. */
struct fsop_stat scene_stat(const char *name);
bool scene_exists(const char *name);
/* The whole of a short file. */
void scene_expect_text(const char *name, const char *text);

struct request {
        struct operation op;
        struct sys_op sys;
        struct result result;
        uint64_t out[16384];
        bool began; /* it was resolved and run */
};
/* As nobody, below the reference root; PATHs are absolute or, with a base, relative. */
struct request *request_new(enum fsop_verb verb, const char *path);
/* path/NAME as root with all rights but set-id; the same of a descriptor; below the rule's directory with its
 * rights. */
struct request *request_root(enum fsop_verb verb, const char *name);
struct request *request_attribute(enum fsop_verb verb, const char *path, const char *name, const void *value,
                                  size_t len);
struct request *request_on(enum fsop_verb verb, os_fd fd);
struct request *request_elevated(enum fsop_verb verb, const char *path);
void request_to(struct request *request, const char *path);
/* As another. */
void request_as(struct request *request, struct identity *identity);
/* With the rule's rights: the paths are below path/tree. create_as: for what it creates; NULL: the service. */
void request_elevate(struct request *request, struct identity *create_as);
void request_base(struct place *place, os_fd base);
/* sys_resolve with FLAGS by which nothing is waited for, of what is in memory. The kernel may still be unable to say,
 * while something is mounted anywhere: then it is asked again. */
int request_resolve_known(struct request *request, unsigned flags);
/* Resolves, runs, releases; its code. opened is closed by request_free. */
int request_run(struct request *request);
void request_free(struct request *request);
/* Both. */
int request_finish(struct request *request);
/* All of it for one path, without arguments. */
int request_once(enum fsop_verb verb, const char *path, struct identity *identity);

#endif
