#include "stream_internal.h"

#include <stdio.h>
#include <string.h>

/* Libraries never log: what goes wrong reaches the owner as a result. */
static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

static err_t set_one(rd_kafka_conf_t *conf, const char *option, struct err_detail *detail)
{
	const char *eq = strchr(option, '=');
	char name[128], why[200];

	if (!eq || (size_t)(eq - option) >= sizeof(name))
		return err_set(detail, ERR_INVALID, "kafka.options", "'%s' must be name=value", option);
	memcpy(name, option, (size_t)(eq - option));
	name[eq - option] = '\0';
	if (rd_kafka_conf_set(conf, name, eq + 1, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		return err_set(detail, ERR_INVALID, name, "%s", why);
	return ERR_OK;
}

static err_t set_all(rd_kafka_conf_t *conf, const char *const *options, struct err_detail *detail)
{
	err_t e = ERR_OK;

	for (; options && *options && !e; options++)
		e = set_one(conf, *options, detail);
	return e;
}

err_t stream_conf_new(rd_kafka_conf_t **ret, const char *brokers, const char *client_id, const char *const *defaults,
		      const char *const *options, struct err_detail *detail)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[1024];
	err_t e;

	rd_kafka_conf_set_log_cb(conf, no_log);
	(void)snprintf(text, sizeof(text), "bootstrap.servers=%s", brokers);
	e = set_one(conf, text, detail);
	(void)snprintf(text, sizeof(text), "client.id=%s", client_id ? client_id : "trunkline");
	e = e ? e : set_one(conf, text, detail);
	e = e ? e : set_all(conf, defaults, detail);
	e = e ? e : set_all(conf, options, detail);
	if (e)
		rd_kafka_conf_destroy(conf);
	else
		*ret = conf;
	return e;
}

err_t stream_map_error(rd_kafka_resp_err_t e)
{
	switch (e) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return ERR_OK;
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		return ERR_EXHAUSTED;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
		return ERR_INVALID;
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
		return ERR_TIMEOUT;
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		return ERR_NOT_FOUND;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
		return ERR_DENIED;
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
	case RD_KAFKA_RESP_ERR__DESTROY:
		return ERR_CANCELLED;
	case RD_KAFKA_RESP_ERR__FATAL:
		return ERR_ABORTED;
	default:
		return ERR_UNAVAILABLE;
	}
}
