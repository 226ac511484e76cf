/* sheet_fixture: for the tests: a workbook as bytes. */
#ifndef SHEET_SHEET_FIXTURE_H
#define SHEET_SHEET_FIXTURE_H

#include "base/str.h"

struct sheet_part {
	const char *name;
	const void *data;
	size_t size;
};
/* A zip of these parts, deflated. */
void sheet_fixture_zip(struct str *ret, const struct sheet_part *parts, size_t n);
/* A workbook of one sheet; strings NULL: without shared ones. Both are XML from the first element on. */
void sheet_fixture_book(struct str *ret, const char *rows, const char *strings);

#endif
