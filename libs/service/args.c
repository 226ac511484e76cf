#include "service_internal.h"
#include "log/log.h"

#include <string.h>

const struct config_item service_common_items[] = {
	CONFIG_STR_REQUIRED(struct service_common, instance, "instance",
			    "name of this instance, unique in its site: a-z, 0-9 and -"),
	CONFIG_STR(struct service_common, site, "site", "centre", "site this instance works at: a-z, 0-9 and -"),
	CONFIG_STR(struct service_common, http_address, "http.address", "127.0.0.1",
		   "IP address for health and metrics"),
	CONFIG_INT(struct service_common, http_port, "http.port", 0, 0, 65535,
		   "TCP port for health and metrics; 0: none"),
	CONFIG_STR(struct service_common, log_level, "log.level", "info", "debug, info, warn or error"),
	CONFIG_STR(struct service_common, nats_url, "nats.url", "nats://127.0.0.1:4222",
		   "NATS servers, separated by commas"),
	CONFIG_INT(struct service_common, nats_replicas, "nats.replicas", 0, 0, 5,
		   "copies of each stream and bucket; 0: 3 where nats.url lists three servers or more, else 1"),
	CONFIG_STR(struct service_common, nats_ca_file, "nats.ca_file", "",
		   "CA certificates (PEM) for NATS; empty: no TLS"),
	CONFIG_STR(struct service_common, nats_cert_file, "nats.cert_file", "", "own certificate (PEM) for NATS"),
	CONFIG_STR(struct service_common, nats_key_file, "nats.key_file", "", "private key (PEM) of nats.cert_file"),
	CONFIG_INT(struct service_common, drain_timeout_ms, "drain.timeout_ms", 30000, 0, 86400000,
		   "how long work under way may go on after SIGTERM"),
	CONFIG_INT(struct service_common, pace_us, "loop.pace_us", 2000, 0, 100000,
		   "under load work begins at most this often (microseconds), and what came meanwhile is done "
		   "together; 0: at once"),
	CONFIG_END
};

err_t service_args_parse(struct service_args *ret, int argc, char **argv, struct err_detail *detail)
{
	*ret = (struct service_args){ 0 };
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (str_eq(a, "-c") || str_eq(a, "--config")) {
			if (++i == argc)
				return err_set(detail, ERR_INVALID, a, "needs a file");
			ret->file = argv[i];
		} else if (str_eq(a, "--print-sample-config")) {
			ret->print_sample = true;
		} else if (str_eq(a, "--print-config-reference")) {
			ret->print_reference = true;
		} else if (str_eq(a, "--version")) {
			ret->version = true;
		} else if (str_eq(a, "--help") || str_eq(a, "-h")) {
			ret->help = true;
		} else {
			return err_set(detail, ERR_INVALID, a, "unknown argument; --help lists all");
		}
	}
	return ERR_OK;
}

err_t service_common_check(const struct service_common *c, struct err_detail *detail)
{
	enum log_level level;

	if (!str_is_id(c->instance))
		return err_set(detail, ERR_INVALID, "instance", "\"%.64s\": a-z, 0-9 and -, at most 63 characters",
			       c->instance);
	if (!str_is_id(c->site))
		return err_set(detail, ERR_INVALID, "site", "\"%.64s\": a-z, 0-9 and -, at most 63 characters",
			       c->site);
	if (log_level_parse(c->log_level, &level))
		return err_set(detail, ERR_INVALID, "log.level", "\"%.64s\": debug, info, warn or error", c->log_level);
	if (str_empty(c->nats_cert_file) != str_empty(c->nats_key_file))
		return err_set(detail, ERR_INVALID, "nats.key_file", "nats.cert_file and nats.key_file go together");
	return ERR_OK;
}
