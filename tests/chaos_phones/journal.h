/*
 * journal: what the telephones saw, a JSON object a line, with the wall clock in milliseconds. The judge reads nothing else
 * of them.
 *
 *	journal_open("phones.jsonl");
 *	journal("c17", wall_ns(), "up", "\"status\": %u", 200);    // {"t": 1764465720123.4, "leg": "c17", "ev": "up", "status": 200}
 */
#ifndef CHAOS_PHONES_JOURNAL_H
#define CHAOS_PHONES_JOURNAL_H

#include <stdint.h>

#define MS_NS 1000000ll

/* As the kernel's stamps of packets (SO_TIMESTAMPNS). */
int64_t wall_ns(void);
/* Ends the program when it cannot be written. */
void journal_open(const char *path);
/* more: further members, or NULL. */
__attribute__((format(printf, 4, 5))) void journal(const char *leg, int64_t at_ns, const char *event, const char *more,
						   ...);
/* Once a second is enough: an interrupted run keeps all but its last moment. */
void journal_flush(void);

#endif
