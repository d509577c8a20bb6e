/* SPDX-License-Identifier: MIT */
/*
 * locate.c: from a location as the caller gives it to one that means the same to the daemon. Paths are the caller's:
 * what they mean is decided here, where the current directory and the mount namespace are those of the caller. The last
 * component stays what it is, so that the daemon sees the object itself and not a name that could be exchanged
 * meanwhile.
 *
 *      /a//b/./c    /a/b/c             slashes and dots that say nothing are left out
 *      b/c          CWD/b/c            relative paths are made absolute
 *      x/../b       REAL(x/..)/b       `..` is resolved: policy does not take it
 *      dir/         dir, or where it leads; what is no directory is refused, as by the kernel
 *
 * To a daemon that sees other paths (foreign), and where a path cannot be made absolute, the parent goes as a
 * descriptor, with the last component beside it.
 */
#include "client/client.h"

#include <stdlib.h>
#include <string.h>

#include "proto/names.h"

/* A path taken apart. */
struct path {
        char text[WIRE_PATH_BYTES_MAX + 1]; /* cleaned, NUL-terminated */
        size_t len;
        bool dots;          /* a component is `..` */
        bool ends_in_slash; /* the last component must be a directory */
        bool ends_in_dot;   /* the last component is no name: `.` or `..` */
};

static bool component_is(const char *name, size_t len, const char *what) {
        return len == strlen(what) && memcmp(name, what, len) == 0;
}

/* Appends components of BYTES, leaving out what says nothing. PATH must have room. */
static void path_append(struct path *path, const char *bytes, size_t len) {
        for (size_t i = 0; i < len;) {
                size_t n = 0;
                while (i + n < len && bytes[i + n] != '/')
                        n++;
                if (n > 0) {
                        bool dot = component_is(bytes + i, n, "."), dots = component_is(bytes + i, n, "..");
                        path->ends_in_dot = dot || dots;
                        path->dots |= dots;
                        if (!dot) {
                                if (path->len > 0 && path->text[path->len - 1] != '/')
                                        path->text[path->len++] = '/';
                                memcpy(path->text + path->len, bytes + i, n);
                                path->len += n;
                        }
                }
                path->ends_in_slash = i + n < len;
                i += n + 1;
        }
        path->text[path->len] = 0;
}

static void path_begin(struct path *path, const char *bytes, size_t len) {
        path->len = 0;
        path->dots = path->ends_in_slash = path->ends_in_dot = false;
        if (len > 0 && bytes[0] == '/')
                path->text[path->len++] = '/';
        path_append(path, bytes, len);
}

/* Where the last component begins. */
static size_t path_leaf(const struct path *path) {
        size_t i = path->len;
        while (i > 0 && path->text[i - 1] != '/')
                i--;
        return i;
}

static bool leaf_is_name(const struct path *path) {
        size_t leaf = path_leaf(path), len = path->len - leaf;
        return len > 0 && !component_is(path->text + leaf, len, "..") && !component_is(path->text + leaf, len, ".");
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static int fail_at(struct fsop_batch *batch, int code, int32_t os_error, struct fsop_bytes path, const char *why) {
        char text[400];
        return client_fail(batch->client, code, os_error, "%s: %s", show_bytes(path, text, sizeof(text)), why);
}

static int check_path(struct fsop_batch *batch, const struct fsop_at *at) {
        if (at->path.len > 0 && memchr(at->path.data, 0, at->path.len))
                return fail_at(batch, FSOP_EINVAL, 0, at->path, "a path cannot hold a NUL");
        if (at->path.len > WIRE_PATH_BYTES_MAX)
                return fail_at(batch, FSOP_ENAMETOOLONG, 0, at->path, "the path is longer than 4095 bytes");
        if (at->kind == FSOP_AT_PATH && at->path.len == 0)
                return client_fail(batch->client, FSOP_ENOENT, 0, "the path is empty");
        if (at->kind != FSOP_AT_PATH && at->path.len > 0 && *(const char *)at->path.data == '/')
                return fail_at(batch, FSOP_EINVAL, 0, at->path, "below a handle or descriptor a path is relative");
        return 0;
}

/* `.` and `..` name nothing that could be made, taken away or moved; the codes are the kernel's. */
static int check_name(struct fsop_batch *batch, enum location_role role, struct path *path, const struct fsop_at *at) {
        if (role != ROLE_CREATED && role != ROLE_NEW_DIRECTORY && role != ROLE_NAME && role != ROLE_FILE)
                return 0;
        if (at->kind != FSOP_AT_PATH && at->path.len == 0)
                return client_fail(batch->client, FSOP_EINVAL, 0, "a name below the handle or descriptor is missing");
        if (leaf_is_name(path) && !path->ends_in_dot)
                return 0;
        if (role == ROLE_NAME || role == ROLE_FILE)
                return fail_at(batch, path->len == 1 && path->text[0] == '/' ? FSOP_EBUSY : FSOP_EINVAL, 0, at->path,
                               "the last component is no name of its own");
        return fail_at(batch, FSOP_EEXIST, 0, at->path, "exists already");
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static int add_fd(struct fsop_batch *batch, const struct batch_fd *fd, uint32_t *ret_index) {
        if (!batch->client->info.descriptors)
                return client_fail(batch->client, FSOP_EOPNOTSUPP, 0, "this connection cannot pass descriptors");
        if (batch->n_fds == WIRE_FRAME_FDS_MAX)
                return client_fail(batch->client, FSOP_E2BIG, 0, "the batch is full: %u descriptors",
                                   WIRE_FRAME_FDS_MAX);
        *ret_index = batch->n_fds;
        batch->fds[batch->n_fds++] = *fd;
        return 0;
}

static int add_caller_fd(struct fsop_batch *batch, intptr_t fd, uint32_t *ret_index) {
        if (fd == CONNECT_FD_NONE || fd < 0)
                return client_fail(batch->client, FSOP_EBADF, 0, "%lld is no descriptor", (long long)fd);
        for (uint32_t i = 0; i < batch->n_fds; i++)
                if (!batch->fds[i].owned && batch->fds[i].fd == fd) {
                        *ret_index = i;
                        return 0;
                }
        return add_fd(batch, &(struct batch_fd){.fd = fd}, ret_index);
}

/* The directory PATH as a descriptor. Operations in the same one share it, if its path is absolute. */
static int add_directory(struct fsop_batch *batch, const char *path, uint32_t *ret_index) {
        size_t len = strlen(path);
        for (uint32_t i = 0; i < batch->n_fds; i++)
                if (batch->fds[i].parent.len == len && len > 0 && memcmp(batch->fds[i].parent.data, path, len) == 0) {
                        *ret_index = i;
                        return 0;
                }
        struct batch_fd fd = {.owned = true};
        int32_t os_error = 0;
        int r = connect_open_directory(path, &fd.fd, &os_error);
        if (r < 0)
                return fail_at(batch, -r, os_error, fsop_bytes_of(path), fsop_strerror(r));
        if (path[0] == '/')
                fd.parent = arena_copy(&batch->arena, (struct bytes){(const uint8_t *)path, len});
        r = add_fd(batch, &fd, ret_index);
        if (r < 0)
                connect_fd_close(fd.fd);
        return r;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static int keep_path(struct fsop_batch *batch, const char *text, size_t len, struct location *location) {
        location->path = arena_copy(&batch->arena, (struct bytes){(const uint8_t *)text, len});
        return location->path.data ? 0 : client_fail(batch->client, FSOP_ENOMEM, 0, "no memory for a path");
}

/* Puts the current directory in front. False where it has no path, or the result would be too long. */
static bool path_make_absolute(struct path *path) {
        static const size_t room = WIRE_PATH_BYTES_MAX + 1;
        char relative[WIRE_PATH_BYTES_MAX + 1];
        int32_t os_error;
        if (path->len > WIRE_PATH_BYTES_MAX)
                return false;
        size_t len = path->len;
        memcpy(relative, path->text, len + 1);
        if (connect_current_directory(path->text, room, &os_error) < 0 ||
            strlen(path->text) + 1 + len > WIRE_PATH_BYTES_MAX) {
                memcpy(path->text, relative, len + 1);
                return false;
        }
        path->len = strlen(path->text);
        if (len > 0 && path->text[path->len - 1] != '/')
                path->text[path->len++] = '/';
        memcpy(path->text + path->len, relative, len + 1);
        path->len += len;
        return true;
}

/* Replaces everything before the last component, or that too if it is `..`, by where it really is. Left as it is if
 * that cannot be told. */
static void path_resolve_dots(struct path *path) {
        char real[WIRE_PATH_BYTES_MAX + 1], leaf[WIRE_PATH_BYTES_MAX + 1];
        int32_t os_error;
        size_t at = leaf_is_name(path) ? path_leaf(path) : path->len;
        size_t leaf_len = path->len - at;
        if (path->len > WIRE_PATH_BYTES_MAX)
                return;
        memcpy(leaf, path->text + at, leaf_len + 1);
        path->text[at] = 0;
        bool found = connect_real_path(at > 0 ? path->text : ".", real, &os_error) == 0;
        path->text[at] = leaf[0];
        size_t real_len = found ? strlen(real) : 0;
        if (!found || real_len + 1 + leaf_len > WIRE_PATH_BYTES_MAX)
                return;
        path->len = real_len;
        memcpy(path->text, real, real_len + 1);
        if (leaf_len > 0 && path->text[path->len - 1] != '/')
                path->text[path->len++] = '/';
        memcpy(path->text + path->len, leaf, leaf_len + 1);
        path->len += leaf_len;
        path->dots = false;
}

/* A slash, or `.`, at the end where a directory can only be in the way. The kernel's answers. */
static int refuse_directory(struct fsop_batch *batch, enum location_role role, const struct path *path, int type) {
        int code = FSOP_ENOTDIR;
        if (type == -FSOP_ENOENT)
                code = FSOP_ENOENT;
        else if (role == ROLE_CREATED && type >= 0)
                code = FSOP_EEXIST;
        else if (type == FSOP_TYPE_DIRECTORY)
                code = FSOP_EISDIR;
        return fail_at(batch, code, 0, (struct fsop_bytes){path->text, path->len},
                       "a slash at the end means a directory");
}

/*
 * A slash at the end of an object: it must be a directory, and a link is followed to it. Policy takes neither the slash
 * nor a dot, so both are settled here, as far as the caller can see; else the daemon follows.
 */
static int settle_directory(struct fsop_batch *batch, enum location_role role, struct path *path,
                            struct location *location) {
        char real[WIRE_PATH_BYTES_MAX + 1];
        int32_t os_error;
        if (role == ROLE_NEW_DIRECTORY || role == ROLE_NAME || !(path->ends_in_slash || path->ends_in_dot) ||
            !leaf_is_name(path))
                return 0;
        int type = connect_type(path->text, &os_error);
        if (role == ROLE_CREATED || role == ROLE_FILE)
                return refuse_directory(batch, role, path, type);
        if (type == FSOP_TYPE_SYMLINK && connect_real_path(path->text, real, &os_error) == 0) {
                path_begin(path, real, strlen(real));
                type = connect_type(path->text, &os_error);
        } else if (type != FSOP_TYPE_DIRECTORY) {
                location->follow = true;
        }
        if (type < 0 || type == FSOP_TYPE_DIRECTORY || type == FSOP_TYPE_SYMLINK)
                return 0;
        return refuse_directory(batch, role, path, type);
}

/* Whether the kernel would look where the last component leads. */
static bool is_followed(const struct path *path, enum location_role role, const struct location *location) {
        if (role == ROLE_NEW_DIRECTORY || role == ROLE_NAME)
                return false;
        return location->follow || !leaf_is_name(path);
}

/* The parent as a descriptor, the last component beside it. */
static int locate_by_parent(struct fsop_batch *batch, enum location_role role, struct path *path,
                            struct location *location) {
        char real[WIRE_PATH_BYTES_MAX + 1];
        int32_t os_error;
        /* Links are the caller's, too: they would lead elsewhere where the daemon lives. */
        if (is_followed(path, role, location) && connect_real_path(path->text, real, &os_error) == 0) {
                path_begin(path, real, strlen(real));
                location->follow = false;
        }
        location->kind = LOCATION_FD;
        /* A parent that an earlier operation of the batch is to make is not there yet: the nearest directory that
         * is. */
        char parent[WIRE_PATH_BYTES_MAX + 1];
        size_t leaf = leaf_is_name(path) ? path_leaf(path) : path->len;
        int r;
        for (;;) {
                size_t len = leaf;
                while (len > 1 && path->text[len - 1] == '/')
                        len--;
                memcpy(parent, path->text, len);
                parent[len] = 0;
                r = add_directory(batch, len > 0 ? parent : ".", &location->fd_index);
                if (r != -FSOP_ENOENT || len == 0)
                        break;
                while (leaf > 0 && path->text[leaf - 1] == '/')
                        leaf--;
                while (leaf > 0 && path->text[leaf - 1] != '/')
                        leaf--;
        }
        return r < 0 ? r : keep_path(batch, path->text + leaf, path->len - leaf, location);
}

static int locate_path(struct fsop_batch *batch, enum location_role role, struct path *path,
                       struct location *location) {
        int r = settle_directory(batch, role, path, location);
        if (r < 0)
                return r;
        bool absolute = path->text[0] == '/' || path_make_absolute(path);
        if (!absolute || (batch->client->info.foreign && !batch->explaining))
                return locate_by_parent(batch, role, path, location);
        if (path->dots)
                path_resolve_dots(path);
        location->kind = LOCATION_PATH;
        return keep_path(batch, path->text, path->len, location);
}

/* ---- locations --------------------------------------------------------------------------------------------------- */

static int locate_below(struct fsop_batch *batch, enum location_role role, const struct fsop_at *at, struct path *path,
                        struct location *location) {
        struct fsop_client *client = batch->client;
        int r = 0;
        if (role == ROLE_HANDLE && at->path.len > 0)
                return fail_at(batch, FSOP_EINVAL, 0, at->path, "an open file takes no path");
        if (at->kind == FSOP_AT_FD) {
                location->kind = LOCATION_FD;
                r = add_caller_fd(batch, at->fd, &location->fd_index);
        } else {
                location->kind = LOCATION_HANDLE;
                location->handle = at->handle.id;
                if (at->handle.connection != client->unique)
                        r = client_fail(client, FSOP_ESTALE, 0, "the handle belongs to another connection");
        }
        if (r < 0)
                return r;
        if (path->ends_in_slash && role == ROLE_OBJECT)
                location->follow = true;
        else if (path->ends_in_slash && (role == ROLE_CREATED || role == ROLE_FILE))
                return refuse_directory(batch, role, path, -FSOP_ENOENT);
        return keep_path(batch, path->text, path->len, location);
}

int locate(struct fsop_batch *batch, enum fsop_verb verb, enum location_role role, const struct fsop_at *given,
           struct location *ret_location) {
        struct fsop_at at;
        *ret_location = (struct location){0};
        if (!given && role == ROLE_OPTIONAL)
                return 0;
        if (!given || take_struct(&at, sizeof(at), given) < 0)
                return client_fail(batch->client, FSOP_EINVAL, 0, "%s: a location is missing or has no valid size",
                                   verb_name(verb));
        if (at.kind != FSOP_AT_PATH && at.kind != FSOP_AT_HANDLE && at.kind != FSOP_AT_FD)
                return client_fail(batch->client, FSOP_EINVAL, 0, "%s: %d is no kind of location", verb_name(verb),
                                   (int)at.kind);
        if (at.kind == FSOP_AT_PATH && role == ROLE_HANDLE)
                return client_fail(batch->client, FSOP_EINVAL, 0, "%s: takes an open handle or descriptor, not a path",
                                   verb_name(verb));
        int r = check_path(batch, &at);
        if (r < 0)
                return r;
        struct path path;
        path_begin(&path, at.path.data, at.path.len);
        r = check_name(batch, role, &path, &at);
        if (r < 0)
                return r;
        ret_location->follow = at.follow && (role == ROLE_OBJECT || role == ROLE_OPTIONAL || role == ROLE_HANDLE);
        return at.kind == FSOP_AT_PATH ? locate_path(batch, role, &path, ret_location)
                                       : locate_below(batch, role, &at, &path, ret_location);
}
