/* The LLFree page-frame allocator for kernels in C.
 *
 *     config and layout        llfree_measure
 *     zone, one a range        llfree_create  llfree_recover  llfree_close
 *     handle, one a processor  llfree_local_open  llfree_local_close
 *     blocks of frames         llfree_get  llfree_get_at  llfree_put  llfree_drain
 *     classes of content       llfree_get_as  llfree_count_class
 *     questions                llfree_count  llfree_validate  llfree_is_allocated  llfree_is_free
 *
 * Nothing is allocated and nothing printed here; all memory is given by the
 * kernel. Every function that can fail says so by an llfree_result, one value a
 * cause, and has changed nothing then. A null pointer where a structure, a zone
 * or a handle is needed is LLFREE_RESULT_NULL_ARGUMENT; any other wrong pointer
 * is undefined behaviour, as the numbered obligations of each function say.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef LLFREE_H
#define LLFREE_H

/* Generated from the Rust sources; do not edit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Provided by the kernel, and called if the library finds itself wrong, never for a
// mistake of the caller: prints `len` bytes and stops. It must not return.
extern _Noreturn void llfree_panic(const char *message, size_t len);

// How a call has ended. Whatever is not `LLFREE_RESULT_OK` has changed nothing.
typedef enum {
  // As asked.
  LLFREE_RESULT_OK = 0,
  // A pointer that must point to something is null.
  LLFREE_RESULT_NULL_ARGUMENT = 1,
  // A zone without frames.
  LLFREE_RESULT_NO_FRAMES = 2,
  // More frames than there are physical addresses.
  LLFREE_RESULT_TOO_MANY_FRAMES = 3,
  // A zone without processors.
  LLFREE_RESULT_NO_PROCESSORS = 4,
  // More processors than any zone serves.
  LLFREE_RESULT_TOO_MANY_PROCESSORS = 5,
  // The persistence domain is none of those listed.
  LLFREE_RESULT_UNKNOWN_DOMAIN = 6,
  // The domain needs cache lines to be written back, the processor can't.
  LLFREE_RESULT_NO_FLUSH_INSTRUCTION = 7,
  // The lower tables do not start at a multiple of 64 bytes.
  LLFREE_RESULT_LOWER_MISALIGNED = 8,
  // The lower tables do not fit into the memory given.
  LLFREE_RESULT_LOWER_TOO_SHORT = 9,
  // The upper structures do not start at a multiple of 64 bytes.
  LLFREE_RESULT_UPPER_MISALIGNED = 10,
  // The upper structures do not fit into the memory given.
  LLFREE_RESULT_UPPER_TOO_SHORT = 11,
  // The zone was made for fewer processors.
  LLFREE_RESULT_NO_SUCH_PROCESSOR = 12,
  // The processor has a handle already.
  LLFREE_RESULT_HANDLE_IN_USE = 13,
  // The zone can't end while a processor has a handle.
  LLFREE_RESULT_HANDLES_OPEN = 14,
  // No tree had such a block when it was looked at.
  LLFREE_RESULT_OUT_OF_MEMORY = 15,
  // The zone does not serve this order.
  LLFREE_RESULT_BAD_ORDER = 16,
  // A block of this order does not start at this frame.
  LLFREE_RESULT_MISALIGNED = 17,
  // The block is not entirely inside the zone.
  LLFREE_RESULT_OUT_OF_RANGE = 18,
  // The block that was asked for is not entirely free.
  LLFREE_RESULT_NOT_FREE = 19,
  // Part of the block is free already: freed twice, or never allocated.
  LLFREE_RESULT_NOT_ALLOCATED = 20,
  // A huge frame of the block is allocated in parts, not as a whole.
  LLFREE_RESULT_NOT_WHOLE = 21,
  // Two parts of the tables contradict each other.
  LLFREE_RESULT_INCONSISTENT = 22,
  // A cause that this interface has no number for yet.
  LLFREE_RESULT_OTHER = 23,
  // No tree had such a block, but other processors hold free frames that may have
  // been part of one. They have been asked to give them back.
  LLFREE_RESULT_HELD_ELSEWHERE = 24,
  // The giant frame is allocated in parts, not as one.
  LLFREE_RESULT_NOT_GIANT = 25,
  // Giant frames of this zone would not be what the hardware takes for one.
  LLFREE_RESULT_UNALIGNED = 26,
  // The class of content is none of those listed.
  LLFREE_RESULT_UNKNOWN_CLASS = 27,
} llfree_result;

// What contradicts what.
typedef enum {
  // The count of a huge frame is not the number of its clear bits.
  LLFREE_INCONSISTENCY_KIND_COUNT = 0,
  // A huge frame is allocated as a whole but has bits set.
  LLFREE_INCONSISTENCY_KIND_WHOLE_WITH_BITS = 1,
  // A huge frame is in a state that no completed operation leaves.
  LLFREE_INCONSISTENCY_KIND_STATE = 2,
  // Frames beyond the last one could be taken.
  LLFREE_INCONSISTENCY_KIND_TAIL = 3,
  // A tree's number of free frames is not the sum of its counts.
  LLFREE_INCONSISTENCY_KIND_TREE_FREE = 4,
  // A tree's number of entirely free huge frames is wrong.
  LLFREE_INCONSISTENCY_KIND_TREE_WHOLE = 5,
  // A tree is in use by nobody, by more than one, or by one who never said so.
  LLFREE_INCONSISTENCY_KIND_RESERVATION = 6,
  // One that this interface has no number for yet.
  LLFREE_INCONSISTENCY_KIND_UNLISTED = 7,
  // A huge frame and the giant frame around it don't agree.
  LLFREE_INCONSISTENCY_KIND_GIANT = 8,
} llfree_inconsistency_kind;

// What a block is for. Trees of 64 MiB keep one class while there is room, so that
// what stays put does not break the huge frames of what comes and goes.
typedef enum {
  // Anything: what `llfree_get` takes.
  LLFREE_CLASS_MIXED = 0,
  // What its owner can move elsewhere, or drop.
  LLFREE_CLASS_MOVABLE = 1,
  // What has to stay where it is, but may go at any time.
  LLFREE_CLASS_IMMOVABLE = 2,
  // What stays for as long as the machine runs, or nearly so.
  LLFREE_CLASS_LONG_LIVED = 3,
} llfree_class;

// What a platform saves when power fails.
typedef enum {
  // Nothing: ordinary memory.
  LLFREE_DOMAIN_VOLATILE = 0,
  // The memory including the caches.
  LLFREE_DOMAIN_EADR = 1,
  // The memory, and what has been written back to it.
  LLFREE_DOMAIN_ADR = 2,
} llfree_domain;

// A processor's handle on a zone.
//
// It is for one processor, and for one call at a time: an interrupt handler that
// allocates must not find one of these calls interrupted. Either interrupts are
// disabled around each call, or the handlers have a handle of their own.
typedef struct llfree_local llfree_local;

// The allocator of one range of frames, shared by all processors.
//
// Frames are numbered from zero; where they lie is the kernel's affair. All
// functions that take a zone may be called by several processors at once, except
// `llfree_close`.
typedef struct llfree_zone llfree_zone;

// What a zone is to be.
typedef struct {
  // Frames, of 4 KiB each. Any number: the last huge frame may be incomplete.
  size_t frames;
  // Processors, each with a handle of its own.
  size_t cpus;
  // One of `llfree_domain`.
  uint32_t domain;
} llfree_config;

// Bytes that a zone needs.
typedef struct {
  // Bytes of lower tables: all that is worth keeping.
  size_t lower_bytes;
  // Bytes of upper structures, with the zone and its handles: made anew whenever
  // the zone is.
  size_t upper_bytes;
} llfree_layout;

// The memory that a zone lives in; both parts start at a multiple of 64 bytes.
typedef struct {
  // First byte of the lower tables.
  void *lower;
  // Bytes from there on, at least those of `llfree_layout`.
  size_t lower_bytes;
  // First byte of the upper structures. Their content does not matter.
  void *upper;
  // Bytes from there on, at least those of `llfree_layout`.
  size_t upper_bytes;
} llfree_memory;

// What recovery found.
typedef struct {
  // Frames that are free.
  size_t free;
  // Huge frames that are entirely free.
  size_t free_huge;
  // Entries that did not agree with their bits: operations that were in flight,
  // and damage.
  size_t mended;
  // Huge frames, allocated as a whole, that were about to be split. More than
  // there were processors means damage.
  size_t split_in_flight;
  // Entries that no version of this code has written.
  size_t unreadable;
  // Bitfield words that did not have all bits beyond the last frame set.
  size_t tail_forced;
} llfree_recovery;

// What the trees of one class have.
typedef struct {
  // Trees of the class. Those that are entirely free are of none.
  size_t trees;
  // Frames that are free in them, but for those that processors hold.
  size_t free;
  // Huge frames that are entirely free in them.
  size_t huge_free;
} llfree_class_stats;

// How full a zone is.
typedef struct {
  // Frames in all.
  size_t frames;
  // Frames that are free.
  size_t free;
  // Huge frames that are entirely free.
  size_t huge_free;
  // Trees in all.
  size_t trees;
  // Trees that are entirely free.
  size_t trees_free;
  // Giant frames that are entirely free.
  size_t giant_free;
} llfree_stats;

// Two parts of a zone's tables that contradict each other.
typedef struct {
  // What contradicts what.
  llfree_inconsistency_kind kind;
  // Number of the huge frame or of the tree.
  size_t index;
  // What is written down, where the kind has a number.
  int64_t stored;
  // What was counted instead, where the kind has a number.
  int64_t counted;
} llfree_inconsistency;

// Returns a few words on an `llfree_result`, for a log: static, never null, also
// for a number that is none.
const char *llfree_text(uint32_t code);

// Tells how much memory a zone needs.
//
// Returns `LLFREE_RESULT_OK`, or why there can be no such zone.
//
// # Safety
//
// 1. `config` is null or points to an initialised `llfree_config`.
// 2. `layout` is null or points to where an `llfree_layout` may be written.
llfree_result llfree_measure(const llfree_config *config, llfree_layout *layout);

// Makes a zone of which all frames are free, and stores where it is in `zone`.
//
// What the lower tables held is lost. When the function returns, the new ones are
// durable, as far as the domain goes. The zone lives in the upper memory and is
// there until `llfree_close`.
//
// # Safety
//
// 1. `config` and `memory` are null or point to initialised structures.
// 2. `zone` is null or points to where a pointer may be written.
// 3. Until the zone is closed, both parts of the memory are readable and writable,
//    write-back cached, and accessed by nothing but this library.
llfree_result llfree_create(const llfree_config *config,
                            const llfree_memory *memory,
                            llfree_zone **zone);

// Makes a zone from lower tables that an earlier one has left, however it ended,
// and stores where it is in `zone` and what was found in `found`, unless that is
// null.
//
// `config->frames` must be what it was. The tables are not vouched for: whoever
// keeps them in persistent memory keeps next to them what identifies them.
//
// # Safety
//
// 1. `config` and `memory` are null or point to initialised structures.
// 2. `zone` is null or points to where a pointer may be written.
// 3. Until the zone is closed, both parts of the memory are readable and writable,
//    write-back cached, and accessed by nothing but this library.
// 4. `found` is null or points to where an `llfree_recovery` may be written.
llfree_result llfree_recover(const llfree_config *config,
                             const llfree_memory *memory,
                             llfree_zone **zone,
                             llfree_recovery *found);

// Ends a zone. Its memory is the kernel's again; the lower tables are ready for
// `llfree_recover`.
//
// Returns `LLFREE_RESULT_HANDLES_OPEN`, and does nothing, while a processor has a
// handle.
//
// # Safety
//
// 1. `zone` is null or was stored by `llfree_create` or `llfree_recover`, and has
//    not been closed.
// 2. No other call with this zone is under way or follows.
llfree_result llfree_close(llfree_zone *zone);

// Stores the handle of a processor in `local`.
//
// Returns `LLFREE_RESULT_NO_SUCH_PROCESSOR` if the number is too large, and
// `LLFREE_RESULT_HANDLE_IN_USE` if the processor has its handle already.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
// 2. `local` is null or points to where a pointer may be written.
llfree_result llfree_local_open(llfree_zone *zone,
                                size_t cpu,
                                llfree_local **local);

// Ends a handle. It gives back what it held on to; the processor may open another.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way or follows.
llfree_result llfree_local_close(llfree_local *local);

// Takes a block of `1 << order` frames and stores its first frame in `frame`.
//
// Returns `LLFREE_RESULT_OUT_OF_MEMORY` if no tree had such a block when it was
// looked at, and `LLFREE_RESULT_HELD_ELSEWHERE` if other processors hold free
// frames that may have been part of one: they give them back with one of their
// next calls, so a later attempt may succeed. Returns `LLFREE_RESULT_BAD_ORDER`
// for an order that is not served. In all these cases `frame` is left alone.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way.
// 3. `frame` is null or points to where a number may be written.
llfree_result llfree_get(llfree_local *local, uint32_t order, size_t *frame);

// Takes the very block of `1 << order` frames that starts at `frame`, or none.
//
// Returns `LLFREE_RESULT_NOT_FREE` if a part of it is allocated,
// `LLFREE_RESULT_HELD_ELSEWHERE` if it is free but another processor holds a part
// of it, or what is wrong with the block: its order, its alignment, its range.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way.
llfree_result llfree_get_at(llfree_local *local, size_t frame, uint32_t order);

// Returns a block, or an aligned part of one, whichever handle it came from.
//
// What is noticed, and changes nothing: a block that is free already
// (`LLFREE_RESULT_NOT_ALLOCATED`), a huge frame that is allocated in parts
// (`LLFREE_RESULT_NOT_WHOLE`), a wrong order, alignment or range. What can't be:
// live blocks of others freed as one, and a frame that was freed twice but
// allocated again in between.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way.
llfree_result llfree_put(llfree_local *local, size_t frame, uint32_t order);

// Gives back what a handle holds on to. It stays usable.
//
// A processor calls this before it idles.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way.
llfree_result llfree_drain(llfree_local *local);

// Takes a block for content of a class, one of `llfree_class`, and stores its first
// frame in `frame`. It is returned like any other.
//
// It comes from a tree of that class if there is room. Otherwise movable blocks are
// taken from any tree; all others from trees of each other first, and then they turn
// a movable tree into one of theirs. No class is out of memory while another is not.
//
// Returns what `llfree_get` does, and `LLFREE_RESULT_UNKNOWN_CLASS`.
//
// # Safety
//
// 1. `local` is null or a handle that has not been closed.
// 2. No other call with this handle is under way.
// 3. `frame` is null or points to where a number may be written.
llfree_result llfree_get_as(llfree_local *local,
                            uint32_t order,
                            uint32_t class_,
                            size_t *frame);

// Stores in `stats` what the trees of a class have, one of `llfree_class`. Reads one
// word a tree.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
// 2. `stats` is null or points to where an `llfree_class_stats` may be written.
llfree_result llfree_count_class(const llfree_zone *zone,
                                 uint32_t class_,
                                 llfree_class_stats *stats);

// Stores in `stats` how full a zone is. Reads one word a tree.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
// 2. `stats` is null or points to where an `llfree_stats` may be written.
llfree_result llfree_count(const llfree_zone *zone, llfree_stats *stats);

// Holds everything that is written twice against each other.
//
// Only meaningful while no call with a handle of this zone is under way; handles
// may be open. Returns `LLFREE_RESULT_INCONSISTENT` and stores the first
// contradiction in `found`, unless that is null.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
// 2. `found` is null or points to where an `llfree_inconsistency` may be written.
llfree_result llfree_validate(const llfree_zone *zone, llfree_inconsistency *found);

// Tells whether a frame is allocated, alone or in a block. Frames beyond the last
// one are, and all are if `zone` is null.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
bool llfree_is_allocated(const llfree_zone *zone, size_t frame);

// Tells whether a block could be taken: it exists, and all of it is free. None is
// if `zone` is null.
//
// # Safety
//
// 1. `zone` is null or a zone that has not been closed.
bool llfree_is_free(const llfree_zone *zone, size_t frame, uint32_t order);

#endif  /* LLFREE_H */
