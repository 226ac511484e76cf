/*
 * filter: which resources a List method answers (google.aip.dev/160, the part of it that a call centre's lists need). Pure.
 *
 *	display_name = "Sales*" AND skills.skill_id = english AND NOT enabled = false
 *
 * Terms joined by AND, each may have NOT before it. A path names a field of the resource as it is answered (secrets are not in it), through
 * nested messages by dots; of a repeated field any element will do. = and != compare text (without regard to case, * stands for anything),
 * numbers, true and false; < <= > >= compare numbers; : asks whether text contains the value, or whether the field is set at all (:*).
 * What is no bare word ([A-Za-z0-9_.+*-]) stands in "…", with \" and \\. At most 1,000 bytes and 16 terms.
 */
#ifndef TM_FILTER_H
#define TM_FILTER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define FILTER_BYTES 1000
#define FILTER_TERMS 16
#define FILTER_DEPTH 4
/* A list with a filter reads rows in such lots, and looks at so many for one page. */
#define FILTER_LOT	 1000
#define FILTER_LOOKED_AT 20000

enum filter_op { FILTER_EQ, FILTER_NE, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE, FILTER_HAS };

struct filter_term {
	bool negated;
	const ProtobufCFieldDescriptor *path[FILTER_DEPTH];
	size_t depth;
	enum filter_op op;
	const char *text; /* the value, in filter.words */
	int64_t number;	  /* the same, of numbers and booleans */
};
struct filter {
	struct filter_term terms[FILTER_TERMS];
	size_t n; /* 0: everything */
	char words[2 * FILTER_BYTES];
};

/* text may be ""; detail->field is "filter". */
err_t filter_parse(struct filter *ret, const char *text, const ProtobufCMessageDescriptor *of,
		   struct err_detail *detail) MUST;
bool filter_match(const struct filter *f, const ProtobufCMessage *m);

#endif
