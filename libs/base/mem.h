/*
 * mem: heap allocation that a test can make fail.
 *
 * The whole project allocates through these, so that every unit test can run again with the allocator failing after
 * N blocks (mem_fail_after). Thread-safe; the failure counter counts the allocations of all threads.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include "base/err.h"

/* NULL when out of memory. size 0 is allocated as 1 byte. */
void *mem_alloc(size_t size) MUST;
void *mem_zalloc(size_t size) MUST;
void *mem_realloc(void *p, size_t size) MUST;
/* Array of n elements of the given size, zeroed; NULL on overflow or when out of memory. */
void *mem_array(size_t n, size_t size) MUST;
char *mem_strdup(const char *s) MUST;
void *mem_dup(const void *p, size_t size) MUST;
void mem_free(void *p);

/* Test hook: the allocation after the next n succeeds no more, nor any later one; n < 0 switches it off. */
void mem_fail_after(long n);
/* How many allocations were refused since the last mem_fail_after(). */
long mem_refusals(void);

#endif
