#include "db/db_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

struct db_blob {
	struct db_blob *next;
	int row, col;
	size_t size;
	unsigned char data[];
};

err_t db_result_new(struct db_result **ret, PGresult *pg)
{
	struct db_result *r = mem_zalloc(sizeof(*r));

	if (!r) {
		PQclear(pg);
		return ERR_EXHAUSTED;
	}
	r->pg = pg;
	*ret = r;
	return ERR_OK;
}

void db_result_free(struct db_result **r)
{
	if (!*r)
		return;
	for (struct db_blob *b = (*r)->blobs, *next; b; b = next) {
		next = b->next;
		mem_free(b);
	}
	PQclear((*r)->pg);
	mem_free(*r);
	*r = NULL;
}

int db_rows(const struct db_result *r)
{
	return r ? PQntuples(r->pg) : 0;
}

int64_t db_affected(const struct db_result *r)
{
	return r ? strtoll(PQcmdTuples(r->pg), NULL, 10) : 0;
}

const char *db_text(const struct db_result *r, int row, int col)
{
	const char *v = r ? PQgetvalue(r->pg, row, col) : NULL;

	return v ? v : "";
}

bool db_null(const struct db_result *r, int row, int col)
{
	return !r || PQgetisnull(r->pg, row, col);
}

int64_t db_int(const struct db_result *r, int row, int col)
{
	return strtoll(db_text(r, row, col), NULL, 10);
}

bool db_bool(const struct db_result *r, int row, int col)
{
	return str_eq(db_text(r, row, col), "t");
}

const char *db_number(int64_t n, char buf[DB_NUMBER])
{
	snprintf(buf, DB_NUMBER, "%" PRId64, n);
	return buf;
}

void db_array_add(struct str *array, const char *text)
{
	str_printf(array, "%s\"%s\"", array->len ? "," : "{", text);
}

const char *db_array_text(struct str *array)
{
	str_append(array, array->len ? "}" : "{}");
	return str_text(array);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* bytea_output is hex (conn.c): "\x" and two digits a byte. */
static bool hex_decode(unsigned char *out, const char *hex, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

const void *db_bytes(struct db_result *r, int row, int col, size_t *size)
{
	const char *text = db_text(r, row, col);
	size_t n = strlen(text);

	*size = 0;
	for (struct db_blob *b = r ? r->blobs : NULL; b; b = b->next) {
		if (b->row == row && b->col == col) {
			*size = b->size;
			return b->data;
		}
	}
	if (db_null(r, row, col) || n < 2 || n % 2 || strncmp(text, "\\x", 2) != 0)
		return NULL;
	n = n / 2 - 1;
	struct db_blob *b = mem_alloc(sizeof(*b) + n + 1);
	if (!b) {
		*size = SIZE_MAX;
		return NULL;
	}
	if (!hex_decode(b->data, text + 2, n)) {
		mem_free(b);
		return NULL;
	}
	*b = (struct db_blob){ .next = r->blobs, .row = row, .col = col, .size = n };
	r->blobs = b;
	*size = n;
	return b->data;
}

static const struct {
	const char *prefix;
	err_t code;
} sqlstates[] = {
	{ "23505", ERR_EXISTS },       { "23503", ERR_PRECONDITION }, { "23001", ERR_PRECONDITION },
	{ "23514", ERR_INVALID },      { "23502", ERR_INVALID },      { "22", ERR_INVALID },
	{ "42501", ERR_DENIED },       { "40001", ERR_ABORTED },      { "40P01", ERR_ABORTED },
	{ "55P03", ERR_ABORTED },      { "57014", ERR_TIMEOUT },      { "08", ERR_UNAVAILABLE },
	{ "57P0", ERR_UNAVAILABLE },   { "25P03", ERR_UNAVAILABLE },  { "53300", ERR_UNAVAILABLE },
	{ "P0001", ERR_PRECONDITION }, { "53", ERR_EXHAUSTED },	      { "54", ERR_EXHAUSTED },
};

err_t db_err_from_sqlstate(const char *sqlstate)
{
	for (size_t i = 0; sqlstate && i < ARRAY_SIZE(sqlstates); i++) {
		if (strncmp(sqlstate, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
			return sqlstates[i].code;
	}
	return ERR_INTERNAL;
}

static char escaped(char c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	default:
		return '\0';
	}
}

void db_copy_text(struct str *rows, const char *text, size_t n, bool last)
{
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		char c = escaped(text[i]);

		if (!c)
			continue;
		str_append_n(rows, text + from, i - from);
		str_append_n(rows, (const char[]){ '\\', c }, 2);
		from = i + 1;
	}
	str_append_n(rows, text + from, n - from);
	str_append_c(rows, last ? '\n' : '\t');
}

void db_copy_field(struct str *rows, const char *value, bool last)
{
	if (value)
		db_copy_text(rows, value, strlen(value), last);
	else
		str_append(rows, last ? "\\N\n" : "\\N\t");
}

void db_copy_int(struct str *rows, int64_t v, bool last)
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	char text[24], *p = text + sizeof(text);

	*--p = last ? '\n' : '\t';
	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--p = '-';
	str_append_n(rows, p, (size_t)(text + sizeof(text) - p));
}
