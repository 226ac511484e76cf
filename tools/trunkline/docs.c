#include "docs.h"

#include <stdbool.h>
#include <string.h>
#include "base/str.h"
#include "pbcheck/pbwire.h"

__asm__(".pushsection .rodata\n"
	".local docs_start\n"
	"docs_start:\n"
	".incbin \"build/gen/trunkline-docs.binpb\"\n"
	".local docs_end\n"
	"docs_end:\n"
	".byte 0\n"
	".popsection\n");

extern const uint8_t docs_start[] __attribute__((visibility("hidden")));
extern const uint8_t docs_end[] __attribute__((visibility("hidden")));

#define PATH_MAX_LEN 16

/* Field numbers in descriptor.proto: where names and members of each kind are. */
enum {
	FILE_PACKAGE = 2,
	FILE_MESSAGE = 4,
	FILE_SERVICE = 6,
	FILE_SOURCE = 9,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	SERVICE_METHOD = 2
};
enum { LOCATION_PATH = 1, LOCATION_LEADING = 3, LOCATION_TRAILING = 4 };

/* Where something stands in its file, as SourceCodeInfo counts: field number, index, field number, index … */
struct place {
	struct pbwire_field file;
	uint64_t path[PATH_MAX_LEN];
	size_t n;
};

static bool is_text(const struct pbwire_field *f, const char *text, size_t len)
{
	return f->size == len && memcmp(f->data, text, len) == 0;
}

static bool child(const struct pbwire_field *of, uint32_t id, struct pbwire_field *ret)
{
	struct pbwire w = pbwire_over(of->data, of->size);

	while (pbwire_next(&w, ret))
		if (ret->id == id && ret->type == PBWIRE_LEN)
			return true;
	return false;
}

/* The member of that kind (field id) with that name. */
static bool named(struct place *p, const struct pbwire_field *in, uint32_t id, const char *name, size_t len,
		  struct pbwire_field *ret)
{
	struct pbwire w = pbwire_over(in->data, in->size);
	struct pbwire_field f, is;
	uint64_t index = 0;

	if (p->n + 2 > PATH_MAX_LEN)
		return false;
	while (pbwire_next(&w, &f)) {
		if (f.id != id || f.type != PBWIRE_LEN)
			continue;
		if (child(&f, 1, &is) && is_text(&is, name, len)) {
			p->path[p->n++] = id;
			p->path[p->n++] = index;
			*ret = f;
			return true;
		}
		index++;
	}
	return false;
}

/* name: "package.Outer.Inner", below the file's package. */
static bool find_in(struct place *p, const char *name, uint32_t top, struct pbwire_field *ret)
{
	struct pbwire_field package, in = p->file;
	uint32_t id = top;

	if (!child(&p->file, FILE_PACKAGE, &package) || strncmp(name, (const char *)package.data, package.size) != 0 ||
	    name[package.size] != '.')
		return false;
	for (name += package.size + 1; *name; id = MESSAGE_NESTED) {
		size_t len = strcspn(name, ".");

		if (!named(p, &in, id, name, len, ret))
			return false;
		in = *ret;
		name += len + (name[len] == '.');
	}
	return true;
}

static bool find(struct place *p, const char *name, uint32_t top, struct pbwire_field *ret)
{
	struct pbwire w = pbwire_over(docs_start, (size_t)((uintptr_t)docs_end - (uintptr_t)docs_start));

	while (pbwire_next(&w, &p->file)) {
		p->n = 0;
		if (p->file.id == 1 && find_in(p, name, top, ret))
			return true;
	}
	return false;
}

static bool is_here(const struct place *p, const struct pbwire_field *location)
{
	struct pbwire_field path;
	struct pbwire w;
	uint64_t v = 0;
	unsigned shift = 0;
	size_t n = 0;

	if (!child(location, LOCATION_PATH, &path))
		return false;
	w = pbwire_over(path.data, path.size); /* packed numbers: bytes of varints */
	for (; w.pos < w.end; w.pos++) {
		v |= (uint64_t)(*w.pos & 0x7f) << shift;
		shift += 7;
		if (*w.pos & 0x80)
			continue;
		if (n == p->n || p->path[n++] != v)
			return false;
		v = 0;
		shift = 0;
	}
	return n == p->n;
}

/* On one line. */
static void copy(char *buf, size_t size, const struct pbwire_field *comment)
{
	size_t n = 0;

	for (size_t i = 0; i < comment->size && n + 1 < size; i++) {
		char c = (char)comment->data[i];

		if (c == '\n')
			c = ' ';
		if (c != ' ' || (n && buf[n - 1] != ' '))
			buf[n++] = c;
	}
	while (n && (buf[n - 1] == ' ' || (buf[n - 1] & 0xc0) == 0x80 || (buf[n - 1] & 0x80)))
		if (buf[n - 1] == ' ' || n + 1 == size) /* neither a blank nor half a character at the end */
			n--;
		else
			break;
	buf[n] = '\0';
}

static const char *comment_of(const struct place *p, char *buf, size_t size)
{
	struct pbwire_field source, location, comment;
	struct pbwire w;

	if (!child(&p->file, FILE_SOURCE, &source))
		return buf;
	w = pbwire_over(source.data, source.size);
	while (pbwire_next(&w, &location))
		if (location.id == 1 && is_here(p, &location)) {
			if (child(&location, LOCATION_TRAILING, &comment) ||
			    child(&location, LOCATION_LEADING, &comment))
				copy(buf, size, &comment);
			break;
		}
	return buf;
}

static const char *member(const char *of, uint32_t top, uint32_t kind, const char *name, char *buf, size_t size)
{
	struct pbwire_field in, f;
	struct place p;

	buf[0] = '\0';
	if (!find(&p, of, top, &in) || !named(&p, &in, kind, name, strlen(name), &f))
		return buf;
	return comment_of(&p, buf, size);
}

const char *docs_field(const ProtobufCMessageDescriptor *message, const char *field, char *buf, size_t size)
{
	return member(message->name, FILE_MESSAGE, MESSAGE_FIELD, field, buf, size);
}

const char *docs_method(const ProtobufCServiceDescriptor *service, const char *method, char *buf, size_t size)
{
	return member(service->name, FILE_SERVICE, SERVICE_METHOD, method, buf, size);
}
