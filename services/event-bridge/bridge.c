#include "bridge_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "events/events.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

#define HOUSEKEEPING_MS 1000
#define TRIM_EACH_S	60
#define LATE_MS		15000 /* an event that waits longer for Kafka's acknowledgement: not ready */

struct metric bridge_metric_lag = METRIC_GAUGE("trunkline_lag", "events of the stream that are not yet in Kafka");
struct metric bridge_metric_forwarded =
    METRIC_COUNTER("trunkline_event_bridge_forwarded_total", "events acknowledged by Kafka");
struct metric bridge_metric_dead =
    METRIC_COUNTER("trunkline_event_bridge_dead_letters_total", "messages that were no valid event");
struct metric bridge_metric_sessions =
    METRIC_COUNTER("trunkline_event_bridge_sessions_total", "times forwarding began");
struct metric bridge_metric_oldest =
    METRIC_GAUGE("trunkline_event_bridge_oldest_seconds", "age of the oldest event on its way to Kafka");
static struct metric stream_bytes = METRIC_GAUGE("trunkline_event_bridge_stream_bytes", "size of the stream EVENTS");
struct metric bridge_metric_active =
    METRIC_GAUGE("trunkline_event_bridge_active", "1: this instance forwards, 0: stands by");

void bridge_metrics_register(void)
{
	struct metric *const all[] = { &bridge_metric_lag,    &bridge_metric_forwarded,
				       &bridge_metric_dead,   &bridge_metric_sessions,
				       &bridge_metric_oldest, &bridge_metric_active,
				       &stream_bytes };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
}

const struct config_item bridge_config_items[] = {
	CONFIG_STR(struct bridge_config, brokers, "kafka.brokers", "127.0.0.1:9092",
		   "Kafka brokers, host:port with commas"),
	CONFIG_STR(struct bridge_config, format, "kafka.format", "protobuf", "value of the records: protobuf or json"),
	CONFIG_STR(struct bridge_config, domains, "kafka.domains", "call,agent,recording,audit,config,system",
		   "domains of events, each with a topic trunkline.<domain>.v1"),
	CONFIG_STR(struct bridge_config, tenants, "kafka.tenant_topics", "",
		   "tenants, with commas, whose events go to topics of their own, too: "
		   "trunkline.tenant.<tenant>.<domain>.v1"),
	CONFIG_STR(struct bridge_config, options, "kafka.options", "",
		   "librdkafka settings as name=value with blanks (security.protocol=ssl …)"),
	CONFIG_INT(struct bridge_config, partitions, "kafka.partitions", 6, 1, 10000,
		   "partitions of topics that are created"),
	CONFIG_INT(struct bridge_config, replication, "kafka.replication", 1, 1, 10,
		   "replicas of topics that are created"),
	CONFIG_INT(struct bridge_config, window, "bridge.window", 1024, 16, 100000,
		   "messages of the stream (of up to 64 events) on their way to Kafka at once; bounds the memory"),
	CONFIG_INT(struct bridge_config, poll_ms, "bridge.poll_ms", 20, 0, 5000,
		   "how often new events are fetched; 0: each at once, at several times the CPU"),
	CONFIG_INT(struct bridge_config, keep, "bridge.keep_events", 10000, 0, 1000000000,
		   "forwarded events that stay in the stream; older ones are given back"),
	CONFIG_END
};

/* ---- active or standing by ---------------------------------------------------------------------------------------- */

static void on_again(void *arg)
{
	struct bridge *b = arg;

	session_stop(b);
	position_load(b);
}

static void on_acquired(uint64_t epoch, void *arg)
{
	struct bridge *b = arg;

	LOG_INFO(NULL, "bridge.active", "epoch=%llu", (unsigned long long)epoch);
	b->active = true;
	position_load(b);
}

static void on_lost(void *arg)
{
	struct bridge *b = arg;

	LOG_WARN(NULL, "bridge.standby", "reason=lease");
	b->active = false;
	b->ending = true;
	loop_timer_start(&b->again, 0); /* stops the session; without the lease none begins */
}

static void on_topics(void *arg)
{
	struct bridge *b = arg;

	b->topics_ready = true;
	position_load(b);
}

static void on_drain(void *arg)
{
	session_drain(arg);
}

/* ---- health --------------------------------------------------------------------------------------------------------- */

static int64_t oldest_ms(const struct bridge *b)
{
	int64_t at = b->producer ? window_oldest_ms(&b->window) : 0;

	return at ? clock_mono_ms() - at : 0;
}

static bool ready_kafka(void *arg)
{
	const struct bridge *b = arg;

	return b->topics_ready && (!b->active || (b->producer && oldest_ms(b) < LATE_MS));
}

static void on_state(err_t e, const struct bus_stream_state *s, void *arg)
{
	const struct bridge *b = arg;

	if (!e)
		metric_set(&stream_bytes, (int64_t)s->bytes);
	if (!e && b->producer)
		metric_set(&bridge_metric_lag,
			   s->last_seq > b->window.position ? (int64_t)(s->last_seq - b->window.position) : 0);
	else if (!b->active)
		metric_set(&bridge_metric_lag, 0);
}

/* Nothing may be on its way that would tell: making sure of the topics, in its thread, is over when Kafka answers again. */
static void ask_kafka(struct bridge *b)
{
	if (!b->producer || !stream_producer_lost(b->producer) || !b->topics_ready)
		return;
	b->topics_ready = false;
	topics_stop(&b->topics);
	if (topics_start(&b->topics, b->loop, b->cfg, on_topics, b))
		b->topics_ready = true; /* no thread now; the next loss asks again */
}

static void on_housekeeping(void *arg)
{
	static unsigned turn;
	struct bridge *b = arg;

	loop_timer_start(&b->housekeeping, HOUSEKEEPING_MS);
	ask_kafka(b);
	metric_set(&bridge_metric_active, b->active);
	metric_set(&bridge_metric_oldest, oldest_ms(b) / 1000);
	if (bus_connected(b->bus) && bus_stream_state(b->bus, EVENTS_STREAM, on_state, b))
		metric_set(&bridge_metric_lag, -1);
	if (++turn % TRIM_EACH_S == 0)
		position_trim(b);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static err_t check_config(const struct bridge_config *cfg, struct err_detail *detail)
{
	if (strcmp(cfg->format, "protobuf") != 0 && strcmp(cfg->format, "json") != 0)
		return err_set(detail, ERR_INVALID, "kafka.format", "must be protobuf or json, not '%s'", cfg->format);
	return topics_check(cfg, detail);
}

static err_t connect_bus(struct bridge *b, struct err_detail *detail)
{
	const struct service_common *c = service_common(b->svc);
	char name[160];
	struct bus_params p = { .loop = b->loop,
				.url = c->nats_url,
				.name = name,
				.ca_file = c->nats_ca_file,
				.cert_file = c->nats_cert_file,
				.replicas = (int)c->nats_replicas,
				.key_file = c->nats_key_file };
	struct bus_kv_params kp = { .bucket = "positions" };
	err_t e;

	snprintf(name, sizeof(name), "event-bridge/%s", c->instance);
	e = bus_new(&b->bus, &p, detail);
	e = e ? e : events_ensure_stream(b->bus, detail);
	return e ? e : bus_kv_open(&b->positions, b->bus, &kp, detail);
}

static void init_timers(struct bridge *b)
{
	loop_timer_init(&b->again, b->loop, on_again, b);
	loop_timer_init(&b->store, b->loop, position_on_store, b);
	loop_timer_init(&b->housekeeping, b->loop, on_housekeeping, b);
}

err_t bridge_new(struct bridge **ret, struct service *svc, const struct bridge_config *cfg, struct err_detail *detail)
{
	struct bridge *b = mem_zalloc(sizeof(*b));
	struct bus_lease_params lp;
	err_t e;

	if (!b)
		return ERR_EXHAUSTED;
	b->svc = svc;
	b->cfg = cfg;
	b->loop = service_loop(svc);
	init_timers(b);
	bridge_metrics_register();
	e = check_config(cfg, detail);
	e = e ? e : window_init(&b->window, (size_t)cfg->window, b);
	e = e ? e : connect_bus(b, detail);
	e = e ? e : topics_start(&b->topics, b->loop, cfg, on_topics, b);
	lp = (struct bus_lease_params){ .key = "event-bridge",
					.holder = service_common(svc)->instance,
					.on_acquired = on_acquired,
					.on_lost = on_lost,
					.arg = b };
	e = e ? e : bus_lease_start(&b->lease, b->bus, &lp);
	if (e) {
		bridge_free(&b);
		return e;
	}
	service_end_on_step_back(svc);
	service_on_drain(svc, on_drain, b);
	service_add_bus(svc, b->bus, true);
	service_add_ready(svc, "kafka", ready_kafka, b);
	loop_timer_start(&b->housekeeping, HOUSEKEEPING_MS);
	*ret = b;
	return ERR_OK;
}

void bridge_free(struct bridge **ref)
{
	struct bridge *b = *ref;

	if (!b)
		return;
	topics_stop(&b->topics);
	session_stop(b);
	bus_lease_stop(&b->lease);
	if (b->positions)
		bus_kv_close(&b->positions);
	bus_free(&b->bus);
	window_done(&b->window);
	loop_timer_done(&b->again);
	loop_timer_done(&b->store);
	loop_timer_done(&b->housekeeping);
	mem_free(b);
	*ref = NULL;
}
