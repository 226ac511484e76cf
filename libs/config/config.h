/*
 * config: one table per service says every setting; from it come parsing, checks, the sample file, the reference page
 * and the Helm values.
 *
 *	struct media_config { int64_t rtp_port_min; char *rtp_address; … };
 *	static const struct config_item items[] = {
 *		CONFIG_INT(struct media_config, rtp_port_min, "rtp.port_min", 20000, 1024, 65534, "first RTP port (even)"),
 *		CONFIG_STR(struct media_config, rtp_address, "rtp.address", "127.0.0.1", "address in SDP and of the sockets"),
 *		CONFIG_END
 *	};
 *
 * Source: a YAML file (nested maps; key path joined by dots), then the environment: TRUNKLINE_ + path in upper case with
 * dots as underscores (TRUNKLINE_RTP_PORT_MIN). An unknown key, a wrong type or a value out of range is an error that
 * names the key, the line and what is allowed. Settings marked secret take a file path (…_file) by convention and are
 * never printed. Not thread-safe; load before threads start.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum config_type { CONFIG_TYPE_END, CONFIG_TYPE_INT, CONFIG_TYPE_BOOL, CONFIG_TYPE_STR };
enum config_flag { CONFIG_REQUIRED = 1, CONFIG_RELOADABLE = 2, CONFIG_SECRET = 4 };

struct config_item {
	enum config_type type;
	const char *path; /* "rtp.port_min" */
	size_t offset;	  /* int64_t, bool or char * member */
	int64_t def_int, min, max;
	const char *def_str; /* NULL: "" */
	unsigned flags;
	const char *help;
};

#define CONFIG_INT(s, member, path, def, min, max, help)                                 \
	{                                                                                \
		CONFIG_TYPE_INT, path, offsetof(s, member), def, min, max, NULL, 0, help \
	}
#define CONFIG_BOOL(s, member, path, def, help)                                       \
	{                                                                             \
		CONFIG_TYPE_BOOL, path, offsetof(s, member), def, 0, 1, NULL, 0, help \
	}
#define CONFIG_STR(s, member, path, def, help)                                    \
	{                                                                         \
		CONFIG_TYPE_STR, path, offsetof(s, member), 0, 0, 0, def, 0, help \
	}
#define CONFIG_STR_REQUIRED(s, member, path, help)                                               \
	{                                                                                        \
		CONFIG_TYPE_STR, path, offsetof(s, member), 0, 0, 0, NULL, CONFIG_REQUIRED, help \
	}
#define CONFIG_END                                               \
	{                                                        \
		CONFIG_TYPE_END, NULL, 0, 0, 0, 0, NULL, 0, NULL \
	}

/* Fills the struct at out: defaults, file (NULL: none), environment. Several tables may read one file: tables is a
 * NULL-terminated list of {items, out} and a key unknown to all of them is an error. Strings are heap-owned by the
 * struct: config_free() frees them; after an error there is nothing to free. INT members are int64_t. */
struct config_table {
	const struct config_item *items;
	void *out;
};
err_t config_load(const struct config_table *tables, size_t n_tables, const char *file, struct err_detail *detail) MUST;
void config_free(const struct config_table *tables, size_t n_tables);
/* The commented sample file (YAML) and the reference page (Markdown). */
void config_print_sample(const struct config_table *tables, size_t n_tables, FILE *out);
void config_print_reference(const struct config_table *tables, size_t n_tables, FILE *out);

#endif
