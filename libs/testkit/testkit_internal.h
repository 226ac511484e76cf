/* Shared by the files of testkit: where the cache is, starting a component and waiting until it is ready. */
#ifndef TESTKIT_INTERNAL_H
#define TESTKIT_INTERNAL_H

#include "testkit/testkit.h"

/* What tools/deps fills: $TRUNKLINE_CACHE, or the user's cache directory; appended: rest. */
const char *testkit_cache(const char *rest, char *buf, size_t size);
/* Waits until fn is true; ends the test with the tail of the log when the process dies or timeout_ms is over. */
void testkit_proc_ready(struct testkit_proc *p, const char *what, bool (*fn)(void *arg), void *arg, int64_t timeout_ms);
/* Removes a directory made by testkit_dir() now. */
void testkit_dir_remove(const char *dir);
int64_t testkit_deadline(int64_t timeout_ms);
void testkit_pause(void);
/* A connected blocking socket with a 1 s receive timeout, or -1. */
int testkit_connect(int port);

extern int testkit_alloc_env; /* alloc_env.c */

#endif
