/* SPDX-License-Identifier: MIT */
/*
 * errors.c: the table from errno to our own numbers.
 */
#include "backends/posix/errors.h"

#include <errno.h>

#include "backends/sys.h"

#define ROW(name)                                                                                                      \
        case name:                                                                                                     \
                return -FSOP_##name

int error_from_errno(int os_error) {
        switch (os_error) {
                ROW(EPERM);
                ROW(ENOENT);
                ROW(EINTR);
                ROW(EIO);
                ROW(ENXIO);
                ROW(E2BIG);
                ROW(EBADF);
                ROW(EAGAIN);
                ROW(ENOMEM);
                ROW(EACCES);
                ROW(EFAULT);
                ROW(ENOTBLK);
                ROW(EBUSY);
                ROW(EEXIST);
                ROW(EXDEV);
                ROW(ENODEV);
                ROW(ENOTDIR);
                ROW(EISDIR);
                ROW(EINVAL);
                ROW(ENFILE);
                ROW(EMFILE);
                ROW(ENOTTY);
                ROW(ETXTBSY);
                ROW(EFBIG);
                ROW(ENOSPC);
                ROW(ESPIPE);
                ROW(EROFS);
                ROW(EMLINK);
                ROW(EPIPE);
                ROW(ERANGE);
                ROW(EDEADLK);
                ROW(ENAMETOOLONG);
                ROW(ENOSYS);
                ROW(ENOTEMPTY);
                ROW(ELOOP);
                ROW(EOVERFLOW);
                ROW(EILSEQ);
                ROW(EOPNOTSUPP);
                ROW(ETIMEDOUT);
                ROW(ECANCELED);
                ROW(ESTALE);
                ROW(EDQUOT);
                ROW(ECONNREFUSED);
                ROW(ECONNRESET);
                ROW(ENOTCONN);
                ROW(EPROTO);
                ROW(EMSGSIZE);
                ROW(ENOBUFS);
                ROW(EHOSTDOWN);
                ROW(EUSERS);
#ifdef ENODATA
                ROW(ENODATA);
#endif
#ifdef ENOATTR
#if !defined(ENODATA) || ENOATTR != ENODATA
        case ENOATTR:
                return -FSOP_ENODATA;
#endif
#endif
#if ENOTSUP != EOPNOTSUPP
        case ENOTSUP:
                return -FSOP_EOPNOTSUPP;
#endif
#ifdef EREMOTEIO
                ROW(EREMOTEIO);
#endif
#ifdef ENOTUNIQ
                ROW(ENOTUNIQ);
#endif
        default:
                return -FSOP_EUNKNOWN;
        }
}

int sys_error(int os_error) {
        return os_error == 0 ? -FSOP_EIO : error_from_errno(os_error);
}
