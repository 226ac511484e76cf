/*
 * origin: tells when a stream was deleted and made anew, so that sequences seen before mean nothing. Asks the server for
 * the stream's time of creation whenever a consumer began. Shared by watch.c and reader.c.
 */
#ifndef BUS_ORIGIN_H
#define BUS_ORIGIN_H

#include "bus_internal.h"

struct origin {
	struct bus *bus;
	const char *stream;	     /* owned by the user */
	void (*replaced)(void *arg); /* not the stream it was */
	void *arg;
	struct request *asking;
	char created[40];
};

void origin_check(struct origin *o);
void origin_done(struct origin *o);

#endif
