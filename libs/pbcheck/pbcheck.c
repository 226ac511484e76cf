#include "pbcheck/pbcheck.h"
#include "pbcheck/pbwire.h"

#include "base/str.h"

#include <stdbool.h>
#include <string.h>

struct check {
	struct err_detail *detail;
	unsigned depth;
	unsigned fields;
	char path[sizeof(((struct err_detail *)NULL)->field)];
	size_t path_len;
};

static err_t check_message(struct check *c, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size);

static err_t refuse(struct check *c, const char *why)
{
	return err_set(c->detail, ERR_INVALID, c->path, "%s", why);
}

/* Appends ".name"; returns the length to go back to. A path too long is cut: it only serves the message. */
static size_t path_push(struct check *c, const char *name)
{
	size_t before = c->path_len, n = strlen(name), left = sizeof(c->path) - 1 - before;

	if (before && left) {
		c->path[c->path_len++] = '.';
		left--;
	}
	n = n < left ? n : left;
	memcpy(c->path + c->path_len, name, n);
	c->path_len += n;
	c->path[c->path_len] = '\0';
	return before;
}

static void path_pop(struct check *c, size_t before)
{
	c->path_len = before;
	c->path[before] = '\0';
}

/* protobuf-c takes a packed or an unpacked list for any scalar; everything else must have the declared wire type. */
static bool type_fits(const ProtobufCFieldDescriptor *fd, enum pbwire_type type)
{
	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return type == PBWIRE_LEN;
	default:
		return type != PBWIRE_LEN || fd->label == PROTOBUF_C_LABEL_REPEATED;
	}
}

static err_t check_field(struct check *c, const ProtobufCFieldDescriptor *fd, const struct pbwire_field *f)
{
	size_t before = path_push(c, fd->name);
	err_t e = ERR_OK;

	if (!type_fits(fd, f->type))
		e = refuse(c, "has the wrong type on the wire");
	else if (fd->type == PROTOBUF_C_TYPE_STRING && !str_utf8_valid(f->data, f->size))
		e = refuse(c, "must be valid UTF-8 without NUL");
	else if (fd->type == PROTOBUF_C_TYPE_MESSAGE)
		e = check_message(c, fd->descriptor, f->data, f->size);
	path_pop(c, before);
	return e;
}

static err_t check_message(struct check *c, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;
	err_t e = ERR_OK;

	if (c->depth >= PBCHECK_DEPTH_MAX)
		return refuse(c, "is nested too deeply");
	c->depth++;
	while (!e && pbwire_next(&w, &f)) {
		const ProtobufCFieldDescriptor *fd = protobuf_c_message_descriptor_get_field(desc, f.id);

		if (++c->fields > PBCHECK_FIELDS_MAX)
			e = refuse(c, "has too many fields");
		else if (fd)
			e = check_field(c, fd, &f);
	}
	c->depth--;
	if (!e && w.broken)
		e = refuse(c, "is not a protobuf message");
	return e;
}

err_t pbcheck(const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size, struct err_detail *detail)
{
	struct check c = { .detail = detail };

	return check_message(&c, desc, bytes, size);
}

err_t pbcheck_unpack(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size,
		     struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = pbcheck(desc, bytes, size, detail);

	if (e)
		return e;
	msg = protobuf_c_message_unpack(desc, NULL, size, bytes);
	if (!msg)
		return err_set(detail, ERR_INVALID, "", "is not a valid %s", desc->name);
	*ret = msg;
	return ERR_OK;
}
