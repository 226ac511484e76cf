/*
 * page: what a List method answers (google.aip.dev/158, /160): rows by their id, behind the one that the page token names, as many as the page
 * has room for. With a filter they are read in larger lots, FILTER_LOOKED_AT at most for a page, which may have fewer then, and a token.
 * On a database worker; everything is in the job's arena.
 *
 *	struct page pg;
 *	err_t e = page_begin(&pg, j, &(struct page_source){ .of = desc, .response = …, .list = "pools", .read = read, .take = take });
 *	… may who asks? …
 *	return e ? e : page_read(tx, &pg);
 */
#ifndef TM_PAGE_H
#define TM_PAGE_H

#include "filter.h"
#include "request.h"

struct page_source {
	const ProtobufCMessageDescriptor *of, *response;
	const char *list; /* field of the response */
	/* At most so many rows, text: the number, behind that id; the id is the first column. */
	err_t (*read)(struct db_tx *tx, const struct job *j, const char *after, const char *limit,
		      struct db_result **ret);
	/* A row as it is answered; *ret NULL: not to who asks. ERR_EXHAUSTED. */
	err_t (*take)(struct job *j, struct db_result *res, int row, ProtobufCMessage **ret);
};
struct page {
	struct job *job;
	struct page_source source;
	struct filter filter;
	const char *last; /* id that was looked at last; at first the page token, which the caller may replace */
	ProtobufCMessage **list;
	size_t n;
	int looked_at;
	bool more;
};

/* Begins the job anew. ERR_INVALID: the filter. */
err_t page_begin(struct page *pg, struct job *j, const struct page_source *source) MUST;
/* The answer is in job->reply then. */
err_t page_read(struct db_tx *tx, struct page *pg) MUST;

#endif
