/* SPDX-License-Identifier: MIT */
/*
 * fsop-errors.h: the error numbers of fsop, the same on every operating system.
 *
 * A call that fails returns one of these, negated: -FSOP_ENOENT. The names are those of <errno.h>, the numbers
 * are fsop's own: errno's differ from system to system (ENOTEMPTY is 39 on Linux and 66 on macOS), and they go
 * over the wire. They start at 101, so that a raw errno that slipped through is recognised at once.
 * Numbers are never reused or changed; new ones go to the end.
 */
#ifndef FSOP_ERRORS_H
#define FSOP_ERRORS_H

#ifdef __cplusplus
extern "C" {
#endif

enum fsop_errno {
        FSOP_EPERM = 101,  /* not permitted */
        FSOP_ENOENT,       /* no such file or directory */
        FSOP_EINTR,        /* interrupted */
        FSOP_EIO,          /* input/output error */
        FSOP_ENXIO,        /* no such device */
        FSOP_E2BIG,        /* list too long: more operations, groups or descriptors than the limit */
        FSOP_EBADF,        /* bad file descriptor or handle, or not open for this */
        FSOP_EAGAIN,       /* try again later */
        FSOP_ENOMEM,       /* out of memory */
        FSOP_EACCES,       /* access denied */
        FSOP_EFAULT,       /* bad address */
        FSOP_ENOTBLK,      /* block device required */
        FSOP_EBUSY,        /* busy */
        FSOP_EEXIST,       /* exists already */
        FSOP_EXDEV,        /* leads to another filesystem, or out of the directory it must stay in */
        FSOP_ENODEV,       /* no such device */
        FSOP_ENOTDIR,      /* not a directory */
        FSOP_EISDIR,       /* is a directory */
        FSOP_EINVAL,       /* invalid argument */
        FSOP_ENFILE,       /* too many open files in the system */
        FSOP_EMFILE,       /* too many open files or handles */
        FSOP_ENOTTY,       /* inappropriate for this device */
        FSOP_ETXTBSY,      /* a running program's file */
        FSOP_EFBIG,        /* file too large */
        FSOP_ENOSPC,       /* no space left */
        FSOP_ESPIPE,       /* cannot seek */
        FSOP_EROFS,        /* read-only filesystem */
        FSOP_EMLINK,       /* too many links */
        FSOP_EPIPE,        /* the other end is gone */
        FSOP_ERANGE,       /* result does not fit */
        FSOP_EDEADLK,      /* would deadlock */
        FSOP_ENAMETOOLONG, /* name too long */
        FSOP_ENOSYS,       /* the system has no such call */
        FSOP_ENOTEMPTY,    /* directory not empty */
        FSOP_ELOOP,        /* too many symbolic links, or one where none may be */
        FSOP_ENODATA,      /* no such attribute */
        FSOP_EOVERFLOW,    /* value too large */
        FSOP_EILSEQ,       /* invalid bytes */
        FSOP_EOPNOTSUPP,   /* not supported by this filesystem or platform */
        FSOP_ETIMEDOUT,    /* the deadline passed */
        FSOP_ECANCELED,    /* cancelled */
        FSOP_ESTALE,       /* stale handle: closed, or of an earlier connection */
        FSOP_EDQUOT,       /* quota exceeded */
        FSOP_ECONNREFUSED, /* nobody listens there */
        FSOP_ECONNRESET,   /* the connection broke */
        FSOP_ENOTCONN,     /* not connected */
        FSOP_EPROTO,       /* the other side broke the protocol */
        FSOP_EMSGSIZE,     /* message larger than the limit */
        FSOP_ENOBUFS,      /* the reply would not fit what is left of the limit */
        FSOP_EHOSTDOWN,    /* host down (network filesystems) */
        FSOP_EREMOTEIO,    /* remote input/output error (network filesystems) */
        FSOP_ENOTUNIQ,     /* name not unique */
        FSOP_EUSERS,       /* too many users */
        FSOP_ECHILD,       /* used after fork */
        FSOP_EUNKNOWN,     /* an error of the operating system without a name here; see the raw number */
};

/* What kind of refusal an error is. */
enum fsop_error_class {
        FSOP_CLASS_NONE = 0,
        FSOP_CLASS_DENIED = 1,      /* policy, or the kernel's permission check, said no */
        FSOP_CLASS_UNSUPPORTED = 2, /* this platform or filesystem cannot do it */
        FSOP_CLASS_INVALID = 3,     /* the request itself is wrong */
        FSOP_CLASS_OS = 4,          /* the operating system failed it */
        FSOP_CLASS_BUSY = 5,        /* a limit or another request is in the way; later may be better */
        FSOP_CLASS_CANCELLED = 6,   /* cancelled, or its deadline passed */
};

#ifdef __cplusplus
}
#endif
#endif
