/* Counts what has been checked, and says what was wrong. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int checked;
static int failed;

/* Checks that a condition holds. */
#define CHECK(condition) \
    check((condition), #condition, __FILE__, __LINE__)

static inline void check(int holds, const char *text, const char *file, int line) {
    checked++;
    if (!holds) {
        failed++;
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    }
}

#endif
