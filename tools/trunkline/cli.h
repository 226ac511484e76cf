/*
 * cli: what the files of the command-line tool share: the options every command has, its words and flags, and errors.
 *
 * The tool knows the services by their protobuf descriptors: flags become a JSON object, JSON becomes the request (pbjson),
 * the response becomes JSON again, and that is printed, as it is or as a table. A new method is a new row in catalog.c.
 * One thread; what it allocates for one command lives until the process ends, unless it grows with the data.
 */
#ifndef TRUNKLINE_CLI_H
#define TRUNKLINE_CLI_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "text/text.h"

enum cli_server { SERVER_ADMIN, SERVER_DESK, SERVER_RECORDER, SERVER_REPORTING, SERVERS };

struct cli_flag {
	const char *name;  /* without "--" */
	const char *value; /* NULL: none was given with "=" and none followed */
};

struct cli {
	/* from the command line or the environment */
	const char *server[SERVERS];
	const char *ca_file, *server_name, *token, *token_file, *tenant;
	int64_t timeout_ms;
	bool json, help;
	enum text_language language; /* of the tool's own sentences */
	const char *accept;	     /* what the services are asked for; NULL: what they know of the user */
	/* the rest, in order */
	const char **words; /* noun, verb, positional arguments */
	int n_words;
	struct cli_flag *flags; /* of the command itself */
	int n_flags;
};

struct catalog_verb;

/* ---- options.c ---- */
struct cli_option {
	const char *name, *argument, *env, *help; /* argument NULL: a switch */
	size_t offset;
};
extern const struct cli_option cli_options[]; /* ends with name NULL */
/* Splits argv. Flags that are not of everybody's are kept for the command; is_switch says which of them take no value. */
err_t cli_parse(struct cli *cli, int argc, char **argv, struct err_detail *detail) MUST;
/* NULL: the flag was not given. Marks nothing: see cli_only(). */
const struct cli_flag *cli_flag(const struct cli *cli, const char *name);
/* The value of a flag that must be there; NULL: it is not, and detail says what would be right. */
const char *cli_value(const struct cli *cli, const char *name, const char *right, struct err_detail *detail);
/* ERR_INVALID names the first flag that is none of allowed (NULL-terminated). */
err_t cli_only(const struct cli *cli, const char *const *allowed, struct err_detail *detail) MUST;
/* The token, from wherever it comes; "" if there is none. */
const char *cli_token(const struct cli *cli);
/* Where login keeps it. */
const char *cli_token_path(void);
/* What a token says of its user, unchecked; NULL: it is no token. A new reference. */
json_t *cli_claims(const char *token);
/* The tenant to act for: --tenant, or the token's own. */
err_t cli_tenant(const struct cli *cli, const char **ret, struct err_detail *detail) MUST;

/* ---- fields.c: flags and files → JSON, by descriptor ---- */
/* path: "display-name", "working.flow-id". Sets or appends (repeated fields). */
err_t fields_set(json_t *object, const ProtobufCMessageDescriptor *desc, const char *path, const char *value,
		 struct err_detail *detail) MUST;
const ProtobufCFieldDescriptor *fields_find(const ProtobufCMessageDescriptor *desc, const char *flag);
/* "text", "number", "yes|no", "time", "duration", "json" …: what the field wants, for help. */
const char *fields_kind(const ProtobufCFieldDescriptor *fd);
/* Decodes into heap memory (mem_free) and its size. */
err_t fields_base64_decode(const char *text, unsigned char **ret, size_t *size) MUST;
/* The flag's name of a field: '-' for '_'. */
const char *fields_flag(const ProtobufCFieldDescriptor *fd, char *buf, size_t size);
/* A span "1h30m", "5s", "250ms", or a moment "2026-11-23T09:00", "today", "now", "-1h", in milliseconds. */
err_t fields_parse_ms(const char *text, int64_t *ret) MUST;

json_t *fields_base64(const unsigned char *bytes, size_t n);

/* ---- yaml.c ---- */
/* All documents of a YAML or JSON file ("-": standard input) as a JSON array. */
err_t yaml_load(json_t **ret, const char *file, struct err_detail *detail) MUST;

/* ---- remote.c: calls with JSON on both sides ---- */
struct remote;
err_t remote_open(struct remote **ret, const struct cli *cli, enum cli_server server, struct err_detail *detail) MUST;
void remote_close(struct remote **r);
/* Without a server: is json such a message? ERR_INVALID names the field. */
err_t remote_check(const ProtobufCMessageDescriptor *desc, const json_t *json, struct err_detail *detail) MUST;
/* A message that came as bytes within another, in base64. *ret: a new reference. */
err_t remote_unpack(json_t **ret, const ProtobufCMessageDescriptor *desc, const char *base64,
		    struct err_detail *detail) MUST;
/* request is not taken over. *ret: a new reference. */
err_t remote_call(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		  const json_t *request, json_t **ret, struct err_detail *detail) MUST;
err_t remote_stream(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		    const json_t *request, bool (*fn)(json_t *message, void *arg), void *arg,
		    struct err_detail *detail) MUST;
/* next: *message NULL at the end; a reference is taken over each time. */
err_t remote_upload(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		    err_t (*next)(json_t **message, void *arg), void *arg, json_t **ret,
		    struct err_detail *detail) MUST;

/* ---- show.c, table.c: JSON → people ---- */
/* columns: "HEADER=field[:format],…"; formats: leaf (of a resource name), word (enum), time, span, size, percent,
 * count, list, choice. */
void table_print(const json_t *rows, const char *columns);
void show_message(const json_t *message);
void show_json(const json_t *value, bool one_line);
/* "19:05:02" of wall milliseconds; a date too when it is not today; buf of 32. */
const char *show_time(int64_t wall_ms, char buf[32]);
const char *show_span(int64_t ms, char buf[32]);
/* "AGENT_STATE_ON_CALL" → "on-call": names of enums without their type; other text as it is. */
const char *show_word(const char *name, char buf[64]);
/* Width on a terminal. */
size_t show_width(const char *text);
int64_t show_number(const json_t *value); /* also of a number in a string */
/* A text of an object; "": there is none. */
const char *show_text(const json_t *object, const char *key);

#endif
