#include "base/id.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static _Thread_local unsigned char pool[512];
static _Thread_local size_t pool_left;

/* A child must not give out what its parent gives out. The handler runs in the only thread that the child has. */
static void forget_pool(void)
{
	pool_left = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_pool);
}

static void random_bytes(unsigned char *out, size_t n)
{
	if (pool_left < n) {
		if (getrandom(pool, 256, 0) != 256 || getrandom(pool + 256, 256, 0) != 256)
			abort(); /* the kernel's generator never fails once it is seeded */
		pool_left = sizeof(pool);
	}
	memcpy(out, pool + sizeof(pool) - pool_left, n);
	pool_left -= n;
}

const char *id_new(int64_t wall_ms, char buf[ID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char b[16];

	random_bytes(b + 6, 10);
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)((uint64_t)wall_ms >> (40 - 8 * i));
	b[6] = (unsigned char)(0x70 | (b[6] & 0x0f));
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
	for (int i = 0; i < 16; i++) {
		buf[2 * i] = hex[b[i] >> 4];
		buf[2 * i + 1] = hex[b[i] & 15];
	}
	buf[32] = '\0';
	return buf;
}

bool id_valid(const char *s)
{
	return s && strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

int64_t id_wall_ms(const char *s)
{
	char head[13];

	memcpy(head, s, 12);
	head[12] = '\0';
	return (int64_t)strtoull(head, NULL, 16);
}
