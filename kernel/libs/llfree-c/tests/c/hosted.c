/* Every function of the interface, as a program in C sees it.
 *
 * With the argument `cheat`, one expectation is wrong on purpose: then the program
 * must fail, or its checks are worth nothing. */
#include "llfree.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { HUGE_ORDER = 9, HUGE_FRAMES = 512, TREE_FRAMES = 16384, CPUS = 4 };

/* A few trees, the last of them incomplete. */
static const size_t FRAMES = 3 * 16384 + 5 * HUGE_FRAMES + 77;

_Noreturn void llfree_panic(const char *message, size_t len) {
    fprintf(stderr, "%.*s\n", (int)len, message);
    abort();
}

/* Memory for a zone, full of noise. */
static llfree_memory memory_for(const llfree_config *config) {
    llfree_layout layout;
    CHECK(llfree_measure(config, &layout) == LLFREE_RESULT_OK);
    llfree_memory memory = {
        .lower = aligned_alloc(64, layout.lower_bytes),
        .lower_bytes = layout.lower_bytes,
        .upper = aligned_alloc(64, layout.upper_bytes),
        .upper_bytes = layout.upper_bytes,
    };
    memset(memory.lower, 0xa5, memory.lower_bytes);
    memset(memory.upper, 0x5a, memory.upper_bytes);
    return memory;
}

static void release(llfree_memory memory) {
    free(memory.lower);
    free(memory.upper);
}

static size_t free_frames(const llfree_zone *zone) {
    llfree_stats stats;
    CHECK(llfree_count(zone, &stats) == LLFREE_RESULT_OK);
    return stats.free;
}

static void blocks_come_and_go(const llfree_config *config) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    llfree_local *local = NULL;
    CHECK(llfree_create(config, &memory, &zone) == LLFREE_RESULT_OK);
    CHECK(llfree_local_open(zone, 0, &local) == LLFREE_RESULT_OK);

    llfree_stats stats;
    CHECK(llfree_count(zone, &stats) == LLFREE_RESULT_OK);
    CHECK(stats.frames == FRAMES && stats.free == FRAMES);
    CHECK(stats.trees == 4 && stats.trees_free == 3);
    CHECK(stats.huge_free == 3 * 32 + 5);

    for (uint32_t order = 0; order <= HUGE_ORDER + 1; order++) {
        size_t frame = SIZE_MAX, size = (size_t)1 << order;
        CHECK(llfree_get(local, order, &frame) == LLFREE_RESULT_OK);
        CHECK(frame % size == 0 && frame + size <= FRAMES);
        CHECK(llfree_is_allocated(zone, frame));
        CHECK(!llfree_is_free(zone, frame, order));
        CHECK(free_frames(zone) == FRAMES - size);
        CHECK(llfree_put(local, frame, order) == LLFREE_RESULT_OK);
        CHECK(llfree_drain(local) == LLFREE_RESULT_OK);
        CHECK(llfree_is_free(zone, frame, order));
    }

    CHECK(llfree_get_at(local, 1024, HUGE_ORDER) == LLFREE_RESULT_OK);
    CHECK(llfree_get_at(local, 1024 + 8, 3) == LLFREE_RESULT_NOT_FREE);
    CHECK(llfree_put(local, 1024 + 8, 3) == LLFREE_RESULT_OK);
    CHECK(llfree_get_at(local, 1024 + 8, 3) == LLFREE_RESULT_OK);
    CHECK(llfree_drain(local) == LLFREE_RESULT_OK);
    CHECK(free_frames(zone) == FRAMES - HUGE_FRAMES);

    CHECK(llfree_local_close(local) == LLFREE_RESULT_OK);
    CHECK(llfree_validate(zone, NULL) == LLFREE_RESULT_OK);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

static void what_stays_is_kept_apart_while_there_is_room(const llfree_config *config) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    llfree_local *local = NULL;
    llfree_class_stats stats;
    size_t frames[64], of_class[LLFREE_CLASS_LONG_LIVED + 1];
    llfree_create(config, &memory, &zone);
    CHECK(llfree_local_open(zone, 0, &local) == LLFREE_RESULT_OK);
    for (size_t i = 0; i < 64; i++) {
        uint32_t class = i % (LLFREE_CLASS_LONG_LIVED + 1);
        CHECK(llfree_get_as(local, i % 8, class, &frames[i]) == LLFREE_RESULT_OK);
        if (i <= LLFREE_CLASS_LONG_LIVED)
            of_class[i] = frames[i] / TREE_FRAMES;
        CHECK(frames[i] / TREE_FRAMES == of_class[class]);
    }
    for (uint32_t class = 0; class <= LLFREE_CLASS_LONG_LIVED; class++) {
        CHECK(llfree_count_class(zone, class, &stats) == LLFREE_RESULT_OK);
        CHECK(stats.trees == 1 && stats.free > 0 && stats.huge_free > 0);
        for (uint32_t other = 0; other < class; other++)
            CHECK(of_class[class] != of_class[other]);
    }
    for (size_t i = 0; i < 64; i++)
        CHECK(llfree_put(local, frames[i], i % 8) == LLFREE_RESULT_OK);
    llfree_drain(local);
    CHECK(llfree_count_class(zone, LLFREE_CLASS_MOVABLE, &stats) == LLFREE_RESULT_OK);
    CHECK(stats.trees == 0);
    CHECK(llfree_get_as(local, 0, 4, frames) == LLFREE_RESULT_UNKNOWN_CLASS);
    CHECK(llfree_count_class(zone, UINT32_MAX, &stats) == LLFREE_RESULT_UNKNOWN_CLASS);
    CHECK(llfree_local_close(local) == LLFREE_RESULT_OK);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

static void each_mistake_has_its_own_result(const llfree_config *config, int cheat) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    llfree_local *local = NULL, *second = NULL;
    size_t frame = 0;
    llfree_create(config, &memory, &zone);
    CHECK(llfree_local_open(zone, CPUS, &local) == LLFREE_RESULT_NO_SUCH_PROCESSOR);
    CHECK(llfree_local_open(zone, 1, &local) == LLFREE_RESULT_OK);
    CHECK(llfree_local_open(zone, 1, &second) == LLFREE_RESULT_HANDLE_IN_USE);
    CHECK(second == NULL);
    CHECK(llfree_close(zone) == LLFREE_RESULT_HANDLES_OPEN);

    CHECK(llfree_get(local, 19, &frame) == LLFREE_RESULT_BAD_ORDER);
    CHECK(llfree_get(local, UINT32_MAX, &frame) == LLFREE_RESULT_BAD_ORDER);
    CHECK(llfree_get(local, 12, &frame) == LLFREE_RESULT_BAD_ORDER);
    CHECK(llfree_get_at(local, 1, 1) == LLFREE_RESULT_MISALIGNED);
    CHECK(llfree_get_at(local, FRAMES, 0) == LLFREE_RESULT_OUT_OF_RANGE);
    CHECK(llfree_put(local, 0, 200) == LLFREE_RESULT_BAD_ORDER);
    CHECK(llfree_put(local, 4, 3) == LLFREE_RESULT_MISALIGNED);
    CHECK(llfree_put(local, SIZE_MAX, 0) == LLFREE_RESULT_OUT_OF_RANGE);
    CHECK(llfree_put(local, 7, 0) == (cheat ? LLFREE_RESULT_OK : LLFREE_RESULT_NOT_ALLOCATED));
    CHECK(llfree_get_at(local, 512, 0) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, 512, HUGE_ORDER) == LLFREE_RESULT_NOT_WHOLE);
    CHECK(llfree_put(local, 512, 0) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, 512, 0) == LLFREE_RESULT_NOT_ALLOCATED);

    while (llfree_get(local, HUGE_ORDER, &frame) == LLFREE_RESULT_OK) {
    }
    CHECK(llfree_get(local, HUGE_ORDER, &frame) == LLFREE_RESULT_OUT_OF_MEMORY);
    CHECK(free_frames(zone) == 77);

    llfree_local_close(local);
    CHECK(llfree_validate(zone, NULL) == LLFREE_RESULT_OK);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

/* Two giant frames and a rest: only the tables take memory. */
static void giant_frames_come_and_go_and_fall_apart(llfree_config config) {
    enum { GIANT_ORDER = 18, GIANT_FRAMES = 1 << GIANT_ORDER };
    config.frames = 2 * GIANT_FRAMES + FRAMES;
    llfree_memory memory = memory_for(&config);
    llfree_zone *zone = NULL;
    llfree_local *local = NULL;
    CHECK(llfree_create(&config, &memory, &zone) == LLFREE_RESULT_OK);
    CHECK(llfree_local_open(zone, 0, &local) == LLFREE_RESULT_OK);
    llfree_stats stats;
    CHECK(llfree_count(zone, &stats) == LLFREE_RESULT_OK && stats.giant_free == 2);
    size_t first = 1, second = 1;
    CHECK(llfree_get(local, GIANT_ORDER, &first) == LLFREE_RESULT_OK);
    CHECK(llfree_get(local, GIANT_ORDER, &second) == LLFREE_RESULT_OK);
    CHECK(first % GIANT_FRAMES == 0 && second % GIANT_FRAMES == 0 && first != second);
    size_t none;
    CHECK(llfree_get(local, GIANT_ORDER, &none) == LLFREE_RESULT_OUT_OF_MEMORY);
    CHECK(llfree_put(local, first, GIANT_ORDER) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, first, GIANT_ORDER) == LLFREE_RESULT_NOT_ALLOCATED);
    CHECK(llfree_put(local, second, HUGE_ORDER) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, second, GIANT_ORDER) == LLFREE_RESULT_NOT_GIANT);
    CHECK(free_frames(zone) == config.frames - GIANT_FRAMES + HUGE_FRAMES);
    CHECK(llfree_local_close(local) == LLFREE_RESULT_OK);
    CHECK(llfree_validate(zone, NULL) == LLFREE_RESULT_OK);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

static void memory_that_does_not_fit_is_refused(const llfree_config *config) {
    llfree_zone *zone = NULL;
    const llfree_memory good = memory_for(config);
    llfree_memory bad = good;
    bad.lower_bytes--;
    CHECK(llfree_create(config, &bad, &zone) == LLFREE_RESULT_LOWER_TOO_SHORT);
    bad = good;
    bad.upper_bytes -= 64;
    CHECK(llfree_create(config, &bad, &zone) == LLFREE_RESULT_UPPER_TOO_SHORT);
    bad = good;
    bad.lower = (char *)bad.lower + 8;
    CHECK(llfree_create(config, &bad, &zone) == LLFREE_RESULT_LOWER_MISALIGNED);
    bad = good;
    bad.upper = (char *)bad.upper + 8;
    CHECK(llfree_create(config, &bad, &zone) == LLFREE_RESULT_UPPER_MISALIGNED);
    bad = good;
    bad.lower = NULL;
    CHECK(llfree_create(config, &bad, &zone) == LLFREE_RESULT_NULL_ARGUMENT);

    llfree_config other = *config;
    other.domain = 3;
    CHECK(llfree_create(&other, &good, &zone) == LLFREE_RESULT_UNKNOWN_DOMAIN);
    other = *config;
    other.frames = 0;
    CHECK(llfree_create(&other, &good, &zone) == LLFREE_RESULT_NO_FRAMES);
    other.frames = SIZE_MAX;
    CHECK(llfree_create(&other, &good, &zone) == LLFREE_RESULT_TOO_MANY_FRAMES);
    other = *config;
    other.cpus = 0;
    CHECK(llfree_create(&other, &good, &zone) == LLFREE_RESULT_NO_PROCESSORS);
    other.cpus = SIZE_MAX;
    CHECK(llfree_create(&other, &good, &zone) == LLFREE_RESULT_TOO_MANY_PROCESSORS);
    CHECK(zone == NULL);
    for (size_t byte = 0; byte < good.lower_bytes; byte++) {
        if (((unsigned char *)good.lower)[byte] != 0xa5) {
            CHECK(!"a refused zone has written nothing");
            break;
        }
    }
    release(good);
}

static void null_is_a_result_everywhere(void) {
    const llfree_result null = LLFREE_RESULT_NULL_ARGUMENT;
    CHECK(llfree_measure(NULL, NULL) == null);
    CHECK(llfree_create(NULL, NULL, NULL) == null);
    CHECK(llfree_recover(NULL, NULL, NULL, NULL) == null);
    CHECK(llfree_close(NULL) == null);
    CHECK(llfree_local_open(NULL, 0, NULL) == null);
    CHECK(llfree_local_close(NULL) == null);
    CHECK(llfree_get(NULL, 0, NULL) == null);
    CHECK(llfree_get_at(NULL, 0, 0) == null);
    CHECK(llfree_put(NULL, 0, 0) == null);
    CHECK(llfree_drain(NULL) == null);
    CHECK(llfree_get_as(NULL, 0, 0, NULL) == null);
    CHECK(llfree_count_class(NULL, 0, NULL) == null);
    CHECK(llfree_count(NULL, NULL) == null);
    CHECK(llfree_validate(NULL, NULL) == null);
    CHECK(llfree_is_allocated(NULL, 0));
    CHECK(!llfree_is_free(NULL, 0, 0));
    CHECK(strcmp(llfree_text(LLFREE_RESULT_OK), "ok") == 0);
    CHECK(strlen(llfree_text(UINT32_MAX)) > 0);
}

static void what_is_allocated_survives_the_loss_of_everything_else(const llfree_config *config) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    llfree_local *local = NULL;
    size_t small = 0, huge = 0;
    llfree_create(config, &memory, &zone);
    llfree_local_open(zone, 0, &local);
    CHECK(llfree_get(local, 4, &small) == LLFREE_RESULT_OK);
    CHECK(llfree_get(local, HUGE_ORDER, &huge) == LLFREE_RESULT_OK);
    CHECK(llfree_drain(local) == LLFREE_RESULT_OK);

    /* The power fails: no handle is closed, and ordinary memory is lost. */
    memset(memory.upper, 0xee, memory.upper_bytes);
    llfree_recovery found;
    zone = NULL;
    CHECK(llfree_recover(config, &memory, &zone, &found) == LLFREE_RESULT_OK);
    CHECK(found.free == FRAMES - 16 - HUGE_FRAMES);
    CHECK(found.unreadable == 0);
    CHECK(llfree_validate(zone, NULL) == LLFREE_RESULT_OK);
    CHECK(llfree_local_open(zone, 2, &local) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, small, 4) == LLFREE_RESULT_OK);
    CHECK(llfree_put(local, huge, HUGE_ORDER) == LLFREE_RESULT_OK);
    llfree_local_close(local);
    CHECK(free_frames(zone) == FRAMES);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

/* A zone that validation must reject: positive control. */
static void a_flipped_bit_is_found(const llfree_config *config) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    llfree_inconsistency found;
    llfree_create(config, &memory, &zone);
    CHECK(llfree_validate(zone, &found) == LLFREE_RESULT_OK);
    ((unsigned char *)memory.lower)[64 * 3] ^= 1;
    CHECK(llfree_validate(zone, &found) == LLFREE_RESULT_INCONSISTENT);
    CHECK(found.kind == LLFREE_INCONSISTENCY_KIND_COUNT);
    CHECK(found.index == 3 && found.stored == HUGE_FRAMES && found.counted == HUGE_FRAMES - 1);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    release(memory);
}

/* One processor of several. */
struct worker {
    llfree_zone *zone;
    size_t cpu;
    unsigned char *owners;
    int wrong;
};

static void *work(void *argument) {
    struct worker *self = argument;
    llfree_local *local = NULL;
    size_t held[256];
    unsigned char me = (unsigned char)(self->cpu + 1);
    if (llfree_local_open(self->zone, self->cpu, &local) != LLFREE_RESULT_OK) {
        self->wrong++;
        return NULL;
    }
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 256; i++) {
            self->wrong += llfree_get(local, 0, &held[i]) != LLFREE_RESULT_OK;
            self->wrong += __atomic_exchange_n(&self->owners[held[i]], me, __ATOMIC_ACQ_REL) != 0;
        }
        for (int i = 0; i < 256; i++) {
            self->wrong += __atomic_exchange_n(&self->owners[held[i]], 0, __ATOMIC_ACQ_REL) != me;
            self->wrong += llfree_put(local, held[i], 0) != LLFREE_RESULT_OK;
        }
    }
    self->wrong += llfree_local_close(local) != LLFREE_RESULT_OK;
    return NULL;
}

static void processors_never_share_a_frame(const llfree_config *config) {
    llfree_memory memory = memory_for(config);
    llfree_zone *zone = NULL;
    unsigned char *owners = calloc(FRAMES, 1);
    struct worker workers[CPUS];
    pthread_t threads[CPUS];
    llfree_create(config, &memory, &zone);
    for (size_t cpu = 0; cpu < CPUS; cpu++) {
        workers[cpu] = (struct worker){.zone = zone, .cpu = cpu, .owners = owners};
        CHECK(pthread_create(&threads[cpu], NULL, work, &workers[cpu]) == 0);
    }
    for (size_t cpu = 0; cpu < CPUS; cpu++) {
        pthread_join(threads[cpu], NULL);
        CHECK(workers[cpu].wrong == 0);
    }
    CHECK(free_frames(zone) == FRAMES);
    CHECK(llfree_validate(zone, NULL) == LLFREE_RESULT_OK);
    CHECK(llfree_close(zone) == LLFREE_RESULT_OK);
    free(owners);
    release(memory);
}

int main(int argc, char **argv) {
    int cheat = argc > 1 && strcmp(argv[1], "cheat") == 0;
    const uint32_t domains[] = {LLFREE_DOMAIN_VOLATILE, LLFREE_DOMAIN_EADR, LLFREE_DOMAIN_ADR};
    null_is_a_result_everywhere();
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        llfree_config config = {.frames = FRAMES, .cpus = CPUS, .domain = domains[i]};
        giant_frames_come_and_go_and_fall_apart(config);
        blocks_come_and_go(&config);
        what_stays_is_kept_apart_while_there_is_room(&config);
        each_mistake_has_its_own_result(&config, cheat);
        memory_that_does_not_fit_is_refused(&config);
        what_is_allocated_survives_the_loss_of_everything_else(&config);
        a_flipped_bit_is_found(&config);
        processors_never_share_a_frame(&config);
    }
    printf("%d checks, %d failed\n", checked, failed);
    return failed != 0;
}
