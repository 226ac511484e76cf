/*
 * XML by expat. Its memory is counted: what it keeps for one document (open elements, names, a token that does not end) is
 * bounded, whatever the document is. A document type is refused: so there are no entities, nothing external, nothing that
 * multiplies.
 */
#include "sheet_internal.h"

#include <expat.h>
#include <string.h>
#include "base/mem.h"

#define MEMORY_MAX ((size_t)32 << 20)
#define DEPTH_MAX  256
#define SEPARATOR  '|'

/* expat's functions for memory know nobody: the document that this thread reads. */
static _Thread_local struct sheet_xml *current;

struct block {
	size_t size;
	max_align_t data[];
};

static void *take(size_t size)
{
	struct block *b;

	if (size > MEMORY_MAX || current->used_bytes + size > MEMORY_MAX)
		return NULL;
	b = mem_alloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	current->used_bytes += size;
	return b->data;
}

static struct block *block_of(void *p)
{
	return (struct block *)(void *)((char *)p - offsetof(struct block, data));
}

static void give(void *p)
{
	if (!p)
		return;
	current->used_bytes -= block_of(p)->size;
	mem_free(block_of(p));
}

static void *resize(void *p, size_t size)
{
	void *to = take(size);
	size_t old = p ? block_of(p)->size : 0;

	if (to && p) {
		memcpy(to, p, old < size ? old : size);
		give(p);
	}
	return to;
}

void sheet_xml_fail(struct sheet_xml *x, err_t e)
{
	if (x->error)
		return;
	x->error = e;
	XML_StopParser(x->parser, XML_FALSE);
}

static const char *local(const char *name)
{
	const char *bar = strrchr(name, SEPARATOR);

	return bar ? bar + 1 : name;
}

const char *sheet_xml_attribute(const char **atts, const char *name)
{
	for (; *atts; atts += 2) {
		if (strcmp(local(atts[0]), name) == 0)
			return atts[1];
	}
	return NULL;
}

static void on_start(void *arg, const char *name, const char **atts)
{
	struct sheet_xml *x = arg;

	if (x->error)
		return;
	if (++x->depth > DEPTH_MAX)
		sheet_xml_fail(x, err_set(x->detail, ERR_EXHAUSTED, "file", "%s is nested too deeply", x->part));
	else if (x->on_start)
		x->on_start(x, local(name), atts);
}

static void on_end(void *arg, const char *name)
{
	struct sheet_xml *x = arg;

	if (x->error)
		return;
	x->depth--;
	if (x->on_end)
		x->on_end(x, local(name));
}

static void on_text(void *arg, const char *text, int n)
{
	struct sheet_xml *x = arg;

	if (!x->error && x->on_text)
		x->on_text(x, text, (size_t)n);
}

static void on_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int has_internal)
{
	struct sheet_xml *x = arg;

	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal;
	sheet_xml_fail(x, err_set(x->detail, ERR_INVALID, "file", "%s has a document type, which no workbook has",
				  x->part));
}

err_t sheet_xml_open(struct sheet_xml *x)
{
	static const XML_Memory_Handling_Suite memory = { take, resize, give };
	static const char separator[] = { SEPARATOR, '\0' };

	x->error = ERR_OK;
	x->depth = x->used_bytes = 0;
	current = x;
	x->parser = XML_ParserCreate_MM(NULL, &memory, separator);
	if (!x->parser)
		return ERR_EXHAUSTED;
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_start, on_end);
	XML_SetCharacterDataHandler(x->parser, on_text);
	XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
	return ERR_OK;
}

err_t sheet_xml_feed(struct sheet_xml *x, const void *bytes, size_t n, bool last)
{
	current = x;
	if (x->error || XML_Parse(x->parser, bytes, (int)n, last) == XML_STATUS_OK)
		return x->error;
	if (x->error)
		return x->error;
	enum XML_Error why = XML_GetErrorCode(x->parser);
	x->error = why == XML_ERROR_NO_MEMORY
		       ? err_set(x->detail, ERR_EXHAUSTED, "file", "%s needs too much memory", x->part)
		       : err_set(x->detail, ERR_INVALID, "file", "%s, line %lu: %s", x->part,
				 XML_GetCurrentLineNumber(x->parser), XML_ErrorString(why));
	return x->error;
}

void sheet_xml_close(struct sheet_xml *x)
{
	current = x;
	if (x->parser)
		XML_ParserFree(x->parser);
	x->parser = NULL;
	current = NULL;
}
