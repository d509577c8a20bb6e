/* SPDX-License-Identifier: MIT */
/*
 * ringprobe: whether the kernel gives this process a ring as the io_uring engine wants it. Exit status 0, or 77 with
 * the reason: asked of the kernel and not of the daemon, so that a daemon that wrongly gives up is not mistaken for a
 * kernel that forbids.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if FSOP_HAVE_URING
#include <linux/io_uring.h>

int main(void) {
        struct io_uring_params params;

        memset(&params, 0, sizeof(params));
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
        if (syscall(__NR_io_uring_setup, 8, &params) < 0) {
                printf("SKIP: the kernel does not allow io_uring here: %s\n", strerror(errno));
                return 77;
        }
        return 0;
}
#else
int main(void) {
        printf("SKIP: built without liburing 2.3 or newer, so there is no io_uring engine\n");
        return 77;
}
#endif
