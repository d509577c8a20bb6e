/* SPDX-License-Identifier: MIT */
/*
 * swap: exchanges two names again and again, until TERM; prints how often.
 *
 *      swap THIS THAT
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t told_to_end;

static void on_term(int signal) {
        (void)signal;
        told_to_end = 1;
}

int main(int argc, char **argv) {
        struct sigaction action = {.sa_handler = on_term};
        unsigned long n = 0;

        if (argc != 3)
                return 2;
        sigaction(SIGTERM, &action, NULL);
        while (!told_to_end)
                n += renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0;
        printf("%lu\n", n);
        return n == 0;
}
