#include "filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/str.h"

struct reader {
	const char *begin, *at;
	struct filter *f;
	size_t used; /* of f->words */
	bool more;   /* after an AND */
	struct err_detail *detail;
};

static err_t wrong(struct reader *r, const char *want)
{
	return err_set(r->detail, ERR_INVALID, "filter", "at '%.30s' (byte %zu): %s", r->at, (size_t)(r->at - r->begin),
		       want);
}

static void skip_space(struct reader *r)
{
	while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')
		r->at++;
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || strchr("_.+*-", c);
}

/* The word itself, followed by something that ends it. */
static bool take_keyword(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	skip_space(r);
	if (strncmp(r->at, word, n) != 0 || (r->at[n] && word_char(r->at[n])))
		return false;
	r->at += n;
	return true;
}

/* ---- the path ------------------------------------------------------------------------------------------------------ */

static bool scalar(const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_BYTES;
}

static err_t take_path(struct reader *r, struct filter_term *t, const ProtobufCMessageDescriptor *desc)
{
	char name[64];

	for (;;) {
		size_t n = 0;

		while (islower((unsigned char)r->at[n]) || isdigit((unsigned char)r->at[n]) || r->at[n] == '_')
			n++;
		if (!n || n >= sizeof(name))
			return wrong(r, "a field is wanted");
		memcpy(name, r->at, n);
		name[n] = '\0';
		t->path[t->depth] = protobuf_c_message_descriptor_get_field_by_name(desc, name);
		if (!t->path[t->depth])
			return err_set(r->detail, ERR_INVALID, "filter", "'%s' is no field of %s", name,
				       desc->short_name);
		desc = t->path[t->depth]->type == PROTOBUF_C_TYPE_MESSAGE ? t->path[t->depth]->descriptor : NULL;
		t->depth++;
		r->at += n;
		if (*r->at != '.')
			return ERR_OK;
		if (!desc || t->depth == FILTER_DEPTH)
			return wrong(r, "there is nothing within that field");
		r->at++;
	}
}

/* ---- operator and value -------------------------------------------------------------------------------------------- */

static err_t take_op(struct reader *r, struct filter_term *t)
{
	static const struct {
		const char *text;
		enum filter_op op;
	} ops[] = { { "!=", FILTER_NE }, { "<=", FILTER_LE }, { ">=", FILTER_GE }, { "=", FILTER_EQ },
		    { "<", FILTER_LT },	 { ">", FILTER_GT },  { ":", FILTER_HAS } };

	skip_space(r);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (strncmp(r->at, ops[i].text, strlen(ops[i].text)) == 0) {
			r->at += strlen(ops[i].text);
			t->op = ops[i].op;
			return ERR_OK;
		}
	}
	return wrong(r, "one of = != < <= > >= : is wanted");
}

static void put(struct reader *r, char c)
{
	r->f->words[r->used++] = c; /* twice the text's size: there is room for every byte and a NUL for each word */
}

static err_t take_quoted(struct reader *r)
{
	for (r->at++; *r->at && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && (r->at[1] == '"' || r->at[1] == '\\'))
			r->at++;
		put(r, *r->at);
	}
	if (!*r->at)
		return wrong(r, "a closing \" is wanted");
	r->at++;
	return ERR_OK;
}

static err_t take_value(struct reader *r, struct filter_term *t)
{
	err_t e = ERR_OK;

	skip_space(r);
	t->text = &r->f->words[r->used];
	if (*r->at == '"')
		e = take_quoted(r);
	else if (!word_char(*r->at) || !*r->at)
		e = wrong(r, "a value is wanted, in \"…\" unless it is a plain word");
	else
		while (*r->at && word_char(*r->at))
			put(r, *r->at++);
	put(r, '\0');
	return e;
}

static bool as_number(const struct filter_term *t, int64_t *ret)
{
	char *end;

	if (str_eq(t->text, "true") || str_eq(t->text, "false")) {
		*ret = t->text[0] == 't';
		return true;
	}
	errno = 0;
	*ret = strtoll(t->text, &end, 10);
	return !errno && end != t->text && !*end;
}

/* Does the value suit the field? */
static err_t check_value(struct reader *r, struct filter_term *t)
{
	const ProtobufCFieldDescriptor *f = t->path[t->depth - 1];
	bool set = t->op == FILTER_HAS && str_eq(t->text, "*");

	if (set)
		return ERR_OK;
	if (!scalar(f))
		return err_set(r->detail, ERR_INVALID, "filter",
			       "'%s' is not compared as a whole: name a field within it, or ask '%s:*'", f->name,
			       f->name);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return t->op == FILTER_EQ || t->op == FILTER_NE || t->op == FILTER_HAS
			   ? ERR_OK
			   : err_set(r->detail, ERR_INVALID, "filter", "'%s' is text: = != and : compare it", f->name);
	if (!as_number(t, &t->number))
		return err_set(r->detail, ERR_INVALID, "filter", "'%s' is a number or true or false; '%.40s' is none",
			       f->name, t->text);
	return ERR_OK;
}

static err_t take_term(struct reader *r, const ProtobufCMessageDescriptor *of)
{
	struct filter_term *t = &r->f->terms[r->f->n];
	err_t e;

	if (r->f->n == FILTER_TERMS)
		return err_set(r->detail, ERR_INVALID, "filter", "more than %d terms", FILTER_TERMS);
	t->negated = take_keyword(r, "NOT");
	skip_space(r);
	e = take_path(r, t, of);
	if (!e)
		e = take_op(r, t);
	if (!e)
		e = take_value(r, t);
	if (!e)
		e = check_value(r, t);
	r->f->n += !e;
	return e;
}

err_t filter_parse(struct filter *ret, const char *text, const ProtobufCMessageDescriptor *of,
		   struct err_detail *detail)
{
	struct reader r = { .begin = text, .at = text, .f = ret, .detail = detail };
	err_t e = ERR_OK;

	memset(ret, 0, sizeof(*ret));
	if (strlen(text) > FILTER_BYTES)
		return err_set(detail, ERR_INVALID, "filter", "is longer than %d bytes", FILTER_BYTES);
	skip_space(&r);
	while (!e && (*r.at || r.more)) {
		e = take_term(&r, of);
		skip_space(&r);
		r.more = !e && take_keyword(&r, "AND");
		if (!e && !r.more && *r.at)
			e = wrong(&r, "AND is wanted (OR and brackets are not supported)");
		skip_space(&r);
	}
	return e;
}

/* ---- matching ------------------------------------------------------------------------------------------------------- */

/* Any number of * in the pattern; linear but for the last star's retries. */
static bool like(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool number_at(const ProtobufCFieldDescriptor *f, const void *p, int64_t *ret)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*ret = *(const protobuf_c_boolean *)p;
		return true;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		*ret = *(const int64_t *)p;
		return true;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*ret = *(const uint64_t *)p > INT64_MAX ? INT64_MAX : (int64_t) * (const uint64_t *)p;
		return true;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		*ret = *(const uint32_t *)p;
		return true;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		*ret = *(const int32_t *)p;
		return true;
	default:
		return false;
	}
}

static bool compare(enum filter_op op, int64_t a, int64_t b)
{
	switch (op) {
	case FILTER_EQ:
	case FILTER_HAS:
		return a == b;
	case FILTER_NE:
		return a != b;
	case FILTER_LT:
		return a < b;
	case FILTER_LE:
		return a <= b;
	case FILTER_GT:
		return a > b;
	case FILTER_GE:
		return a >= b;
	}
	return false;
}

static bool element(const struct filter_term *t, const ProtobufCFieldDescriptor *f, const void *p)
{
	const char *text = f->type == PROTOBUF_C_TYPE_STRING ? *(char *const *)p : NULL;
	int64_t number;

	if (f->type == PROTOBUF_C_TYPE_STRING && t->op == FILTER_HAS)
		return text && strcasestr(text, t->text);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return like(t->text, text ? text : "") == (t->op == FILTER_EQ);
	return number_at(f, p, &number) && compare(t->op, number, t->number);
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

/* A member of a oneof that is not the one that is set is not there. */
static bool absent(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	       *(const uint32_t *)(const void *)((const char *)m + f->quantifier_offset) != f->id;
}

static bool is_set(const ProtobufCFieldDescriptor *f, const void *p)
{
	int64_t number;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		return !str_empty(*(char *const *)p);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)p != NULL;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)p)->len > 0;
	return number_at(f, p, &number) && number;
}

static bool from(const struct filter_term *t, size_t depth, const ProtobufCMessage *m);

static bool one(const struct filter_term *t, size_t depth, const void *p)
{
	const ProtobufCFieldDescriptor *f = t->path[depth];
	bool last = depth + 1 == t->depth;

	if (last && t->op == FILTER_HAS && str_eq(t->text, "*"))
		return is_set(f, p);
	if (last)
		return element(t, f, p);
	return *(ProtobufCMessage *const *)p && from(t, depth + 1, *(ProtobufCMessage *const *)p);
}

static bool from(const struct filter_term *t, size_t depth, const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f = t->path[depth];
	const char *p = (const char *)m + f->offset;
	size_t n;

	if (absent(m, f))
		return false;
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return one(t, depth, p);
	n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
	p = *(char *const *)(const void *)p;
	for (size_t i = 0; i < n; i++)
		if (one(t, depth, p + i * size_of(f)))
			return true;
	return false;
}

bool filter_match(const struct filter *f, const ProtobufCMessage *m)
{
	for (size_t i = 0; i < f->n; i++)
		if (from(&f->terms[i], 0, m) == f->terms[i].negated)
			return false;
	return true;
}
