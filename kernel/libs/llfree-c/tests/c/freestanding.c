/* A kernel's view: no C library, no start-up code, no heap.
 *
 * What this file defines is all that the library needs from its surroundings: the
 * four memory functions that every C compiler expects, and llfree_panic. It links
 * with nothing else, and ends with the number of the first step that failed. */
#include "llfree.h"

enum { FRAMES = 2048, CPUS = 2 };

static _Alignas(64) unsigned char lower[4096];
static _Alignas(64) unsigned char upper[16384];

void *memcpy(void *to, const void *from, size_t len) {
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t len) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t len) {
    if ((uintptr_t)to - (uintptr_t)from >= len) {
        return memcpy(to, from, len);
    }
    for (volatile unsigned char *end = to; len > 0; len--) {
        end[len - 1] = ((const unsigned char *)from)[len - 1];
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t len) {
    const volatile unsigned char *a = left, *b = right;
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            return a[i] - b[i];
        }
    }
    return 0;
}

static _Noreturn void leave(long status) {
    for (;;) {
        __asm__ volatile("syscall" : : "a"(60), "D"(status) : "rcx", "r11", "memory");
    }
}

_Noreturn void llfree_panic(const char *message, size_t len) {
    (void)message;
    (void)len;
    leave(99);
}

static long run(void) {
    llfree_config config = {.frames = FRAMES, .cpus = CPUS, .domain = LLFREE_DOMAIN_VOLATILE};
    llfree_layout layout;
    if (llfree_measure(&config, &layout) != LLFREE_RESULT_OK) {
        return 1;
    }
    if (layout.lower_bytes > sizeof lower || layout.upper_bytes > sizeof upper) {
        return 2;
    }
    llfree_memory memory = {lower, sizeof lower, upper, sizeof upper};
    llfree_zone *zone;
    llfree_local *local;
    if (llfree_create(&config, &memory, &zone) != LLFREE_RESULT_OK) {
        return 3;
    }
    if (llfree_local_open(zone, 1, &local) != LLFREE_RESULT_OK) {
        return 4;
    }
    size_t frame, count = 0;
    while (llfree_get(local, 0, &frame) == LLFREE_RESULT_OK) {
        count++;
    }
    if (count != FRAMES) {
        return 5;
    }
    for (frame = 0; frame < FRAMES; frame++) {
        if (llfree_put(local, frame, 0) != LLFREE_RESULT_OK) {
            return 6;
        }
    }
    if (llfree_put(local, 0, 0) != LLFREE_RESULT_NOT_ALLOCATED) {
        return 7;
    }
    if (llfree_local_close(local) != LLFREE_RESULT_OK) {
        return 8;
    }
    if (llfree_validate(zone, NULL) != LLFREE_RESULT_OK) {
        return 9;
    }
    return llfree_close(zone) == LLFREE_RESULT_OK ? 0 : 10;
}

__attribute__((force_align_arg_pointer)) void _start(void) {
    leave(run());
}
