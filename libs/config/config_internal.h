/* Inside config: the YAML reader, apart from files, so that tests and the fuzzer can give it bytes. */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/config.h"

#define CONFIG_MAX_DEPTH 8
#define CONFIG_MAX_PATH	 128
#define CONFIG_MAX_FILE	 (1 << 20)

/* Sets what the text says; defaults, environment and required settings are not its business. */
err_t config_parse(const struct config_table *tables, size_t n_tables, const char *text, size_t size,
		   struct err_detail *detail) MUST;
/* Checks a value and stores it; where ("line 7", "TRUNKLINE_HTTP_PORT") begins the message of an error. */
err_t config_set(const struct config_table *table, const struct config_item *item, const char *value, const char *where,
		 struct err_detail *detail) MUST;
/* TRUNKLINE_ + path; returns buf. */
const char *config_env_name(const char *path, char buf[CONFIG_MAX_PATH]);

#endif
