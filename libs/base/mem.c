#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_after = -1;
static atomic_long refusals;

static bool refused(void)
{
	if (__builtin_expect(atomic_load_explicit(&fail_after, memory_order_relaxed) < 0, 1))
		return false;
	if (atomic_fetch_sub_explicit(&fail_after, 1, memory_order_relaxed) > 0)
		return false;
	atomic_store_explicit(&fail_after, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
	return true;
}

void *mem_alloc(size_t size)
{
	return refused() ? NULL : malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
	return refused() ? NULL : calloc(1, size ? size : 1);
}

void *mem_realloc(void *p, size_t size)
{
	return refused() ? NULL : realloc(p, size ? size : 1);
}

void *mem_array(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return mem_zalloc(total);
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);

	if (copy && size)
		memcpy(copy, p, size);
	return copy;
}

void mem_free(void *p)
{
	free(p);
}

void mem_fail_after(long n)
{
	atomic_store(&refusals, 0);
	atomic_store(&fail_after, n);
}

long mem_refusals(void)
{
	return atomic_load(&refusals);
}
