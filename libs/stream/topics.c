#include "stream_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define TIMEOUT_MS 10000

static err_t outcome(rd_kafka_event_t *ev, struct err_detail *detail)
{
	const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(ev);
	const rd_kafka_topic_result_t **topics;
	size_t n = 0;

	if (rd_kafka_event_error(ev) || !result)
		return err_set(detail, ERR_UNAVAILABLE, "kafka.brokers", "%s", rd_kafka_event_error_string(ev));
	topics = rd_kafka_CreateTopics_result_topics(result, &n);
	for (size_t i = 0; i < n; i++) {
		rd_kafka_resp_err_t e = rd_kafka_topic_result_error(topics[i]);

		if (e && e != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			return err_set(detail, stream_map_error(e), "kafka", "topic %s: %s",
				       rd_kafka_topic_result_name(topics[i]),
				       rd_kafka_topic_result_error_string(topics[i]));
	}
	return ERR_OK;
}

static err_t create(rd_kafka_t *rk, rd_kafka_NewTopic_t **list, size_t n, struct err_detail *detail)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *ev;
	char why[200];
	err_t e;

	(void)rd_kafka_AdminOptions_set_request_timeout(options, TIMEOUT_MS, why, sizeof(why));
	rd_kafka_CreateTopics(rk, list, n, options, queue);
	ev = rd_kafka_queue_poll(queue, TIMEOUT_MS + 2000);
	e = ev ? outcome(ev, detail) : err_set(detail, ERR_UNAVAILABLE, "kafka.brokers", "no answer");
	if (ev)
		rd_kafka_event_destroy(ev);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	return e;
}

static err_t fill(rd_kafka_NewTopic_t **list, const char *const *topics, size_t n, int partitions, int replication,
		  struct err_detail *detail)
{
	char why[200];

	for (size_t i = 0; i < n; i++) {
		list[i] = rd_kafka_NewTopic_new(topics[i], partitions, replication, why, sizeof(why));
		if (!list[i])
			return err_set(detail, ERR_INVALID, "kafka.topics", "%s: %s", topics[i], why);
	}
	return ERR_OK;
}

err_t stream_ensure_topics(const char *brokers, const char *const *topics, int partitions, int replication,
			   struct err_detail *detail)
{
	rd_kafka_NewTopic_t **list = NULL;
	rd_kafka_conf_t *conf = NULL;
	rd_kafka_t *rk = NULL;
	char why[200];
	size_t n = 0;
	err_t e;

	while (topics[n])
		n++;
	list = mem_array(n ? n : 1, sizeof(*list));
	if (!list)
		return ERR_EXHAUSTED;
	e = fill(list, topics, n, partitions, replication, detail);
	e = e ? e : stream_conf_new(&conf, brokers, "trunkline-topics", NULL, NULL, detail);
	if (e)
		goto out;
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		e = err_set(detail, ERR_INVALID, "kafka", "%s", why);
		goto out;
	}
	e = create(rk, list, n, detail);
out:
	for (size_t i = 0; i < n; i++)
		if (list[i])
			rd_kafka_NewTopic_destroy(list[i]);
	if (rk)
		rd_kafka_destroy(rk);
	mem_free(list);
	return e;
}
