/* SPDX-License-Identifier: MIT */
/*
 * swap: exchanges two names again and again, until TERM; prints how often.
 *
 *      swap THIS THAT
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

/* Looked for, not caught: a sanitizer holds back what comes between its own calls. */
static int told_to_end(void) {
        sigset_t pending;

        return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

int main(int argc, char **argv) {
        unsigned long n = 0;
        sigset_t end;

        if (argc != 3)
                return 2;
        sigemptyset(&end);
        sigaddset(&end, SIGTERM);
        sigprocmask(SIG_BLOCK, &end, NULL);
        while (!told_to_end())
                for (int i = 0; i < 100; i++)
                        n += renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0;
        printf("%lu\n", n);
        return n == 0;
}
