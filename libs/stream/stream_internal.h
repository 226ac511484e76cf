/* The inside of libs/stream, shared by producer.c, consumer.c and topics.c. */
#ifndef STREAM_INTERNAL_H
#define STREAM_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include "stream/stream.h"

/* A configuration with our defaults (name=value pairs) and the owner's options on top; ERR_INVALID names the option. */
err_t stream_conf_new(rd_kafka_conf_t **ret, const char *brokers, const char *client_id, const char *const *defaults,
		      const char *const *options, struct err_detail *detail) MUST;
err_t stream_map_error(rd_kafka_resp_err_t e);

#endif
