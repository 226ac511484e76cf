#include "media.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bus/bus.h"
#include "legs.h"
#include "log/log.h"
#include "media_metrics.h"
#include "media_wire.h"
#include "outbox.h"
#include "stream.h"

#define HEARTBEAT_MS 500

struct media {
	struct service *svc;
	struct loop *loop;
	const struct service_common *common;
	const struct media_config *cfg;
	struct media_settings set;
	struct bus *bus;
	struct bus_sub *sub;
	struct promptstore *store;
	struct legs *legs;
	struct legs_ops ops;
	struct streams streams;
	struct outbox outbox;
	struct loop_idle idle;
	struct loop_timer heartbeat;
	uint64_t incarnation;
};

/* ---- out ---- */
static void emit(const char *owner, struct event *ev, void *arg)
{
	struct media *m = (struct media *)((char *)arg - offsetof(struct media, streams));
	struct log_ctx ctx = { .tenant = ev->tenant, .call = ev->call_id, .leg = ev->leg_id };
	err_t e;

	ev->time_ms = clock_steady_ms();
	metric_add(&media_metrics.events, 1);
	if (ev->kind == EVENT_FAILED) {
		metric_add(&media_metrics.fenced, ev->failed.error == ERR_ABORTED);
		LOG_WARN(&ctx, "media.failed", "command=%s error=%s message=%s", command_name(ev->failed.what),
			 err_name(ev->failed.error), LOG_Q(ev->failed.message));
	}
	e = outbox_put(&m->outbox, owner, ev);
	if (e)
		LOG_ERROR(&ctx, "media.event_lost", "owner=%s error=%s", owner, err_name(e));
}

static void on_turn_end(void *arg)
{
	struct media *m = arg;
	err_t e = outbox_flush(&m->outbox);

	if (e)
		LOG_ERROR(NULL, "media.publish_failed", "error=%s", err_name(e));
	/* Here, after all reports of the turn: the last leg may have gone with one of them. */
	if (m->streams.draining && legs_count(m->legs) == 0)
		service_drained(m->svc);
}

static void on_heartbeat(void *arg)
{
	struct media *m = arg;
	unsigned capacity = m->cfg->capacity ? (unsigned)m->cfg->capacity : m->streams.ports.n;
	struct str out = STR_INIT;
	char subject[256];

	loop_timer_start(&m->heartbeat, HEARTBEAT_MS);
	snprintf(subject, sizeof(subject), "tl.%s.hb.media.%s", m->common->site, m->common->instance);
	heartbeat_to_pb(m->common->instance, m->cfg->pool, m->streams.ports.used, capacity, m->streams.draining,
			m->incarnation, &out);
	/* Lost while the bus is away: the next one comes in half a second. */
	if (!out.failed && bus_connected(m->bus) && bus_publish(m->bus, subject, out.data, out.len))
		LOG_DEBUG(NULL, "media.heartbeat_lost", "subject=%s", subject);
	str_done(&out);
}

static void on_problem(const struct leg *leg, const char *what, err_t e, void *arg)
{
	struct log_ctx ctx = { .tenant = leg_tenant(leg), .call = leg_call(leg), .leg = leg_id(leg) };

	(void)arg;
	LOG_ERROR(&ctx, "media.problem", "what=%s error=%s", what, err_name(e));
}

/* ---- in ---- */
static void on_command(const struct command *c, void *arg)
{
	struct media *m = arg;

	metric_add(&media_metrics.commands, 1);
	legs_command(m->legs, c, clock_steady_ms());
}

static void on_bad(const struct command *c, const struct err_detail *d, void *arg)
{
	struct media *m = arg;
	struct event ev = { .kind = EVENT_FAILED,
			    .tenant = c->tenant,
			    .call_id = c->call_id,
			    .leg_id = c->leg_id,
			    .request = c->request };
	char message[384];

	metric_add(&media_metrics.commands_bad, 1);
	snprintf(message, sizeof(message), "%s: %s", d->field, d->message);
	ev.failed.what = c->kind;
	ev.failed.error = ERR_INVALID;
	ev.failed.message = message;
	emit(c->owner, &ev, &m->streams);
}

static void on_message(const struct bus_msg *msg, void *arg)
{
	struct err_detail d = { "", "" };

	if (commands_from_pb(msg->data, msg->size, on_command, on_bad, arg, &d) == ERR_OK)
		return;
	metric_add(&media_metrics.commands_bad, 1);
	LOG_WARN(NULL, "media.bad_message", "field=%s message=%s", d.field, LOG_Q(d.message));
}

static void on_drain(void *arg)
{
	struct media *m = arg;

	m->streams.draining = true;
	on_heartbeat(m);
	LOG_INFO(NULL, "media.draining", "endpoints=%zu", legs_count(m->legs));
	on_turn_end(m);
}

/* ---- building up ---- */
/* A wrong address must show at the start, not at the first call. */
static err_t try_ports(struct media *m, struct err_detail *d)
{
	uint16_t port;
	int fd[2];
	err_t e =
	    ports_init(&m->streams.ports, &m->set.bind, (uint16_t)m->cfg->rtp_port_min, (uint16_t)m->cfg->rtp_port_max);

	/* Not the ports of a former life: their phones still send to them. */
	if (!e)
		m->streams.ports.next = (unsigned)(m->incarnation % m->streams.ports.n);
	if (!e)
		e = ports_open(&m->streams.ports, fd, &port);
	if (e)
		return err_set(d, e, "rtp.address", "no pair of ports %lld-%lld at %s can be opened",
			       (long long)m->cfg->rtp_port_min, (long long)m->cfg->rtp_port_max, m->cfg->rtp_address);
	close(fd[0]);
	close(fd[1]);
	ports_release(&m->streams.ports, port);
	metric_set(&media_metrics.ports_free, m->streams.ports.n);
	return ERR_OK;
}

static err_t start_streams(struct media *m, struct err_detail *d)
{
	struct tapes_params tp = { .control = m->loop, .dir = m->cfg->data_dir, .rings = m->set.workers };
	struct engine_params ep = {
		.control = m->loop,
		.workers = m->set.workers,
		.realtime = m->cfg->realtime,
		.nat = m->set.nat,
		.latch_window_us = m->cfg->rtp_latch_window_ms * 1000,
		.timeout_us = m->cfg->rtp_timeout_ms * 1000,
		.abandon_us = m->cfg->abandon_ms * 1000,
	};
	err_t e = try_ports(m, d);

	if (e)
		return e;
	if (mkdir(m->cfg->data_dir, 0750) && access(m->cfg->data_dir, W_OK))
		return err_set(d, ERR_DENIED, "data.dir", "%s cannot be written", m->cfg->data_dir);
	for (tp.ring_bytes = 65536; tp.ring_bytes < (size_t)m->cfg->ring_kb * 1024;)
		tp.ring_bytes *= 2;
	streams_tape_reports(&tp);
	streams_reports(&ep);
	e = tapes_new(&m->streams.tapes, &tp);
	if (!e) {
		ep.tapes = m->streams.tapes;
		e = engine_new(&m->streams.engine, &ep);
	}
	return e ? err_set(d, e, "media.workers", "threads and their memory cannot be had") : ERR_OK;
}

static err_t connect_bus(struct media *m, struct err_detail *d)
{
	struct bus_params p = {
		.loop = m->loop,
		.url = m->common->nats_url,
		.ca_file = m->common->nats_ca_file,
		.cert_file = m->common->nats_cert_file,
		.replicas = (int)m->common->nats_replicas,
		.key_file = m->common->nats_key_file,
	};
	char name[128];
	err_t e;

	snprintf(name, sizeof(name), "media/%s", m->common->instance);
	p.name = name;
	e = bus_new(&m->bus, &p, d);
	if (!e)
		e = promptstore_new(&m->store, m->bus, d);
	m->outbox.bus = m->bus;
	return e;
}

static err_t start_prompts(struct media *m, struct err_detail *d)
{
	struct prompts_params p = {
		.loop = m->loop,
		.store = m->store,
		.cache_dir = m->cfg->cache_dir,
		.memory_bytes = (size_t)m->cfg->prompt_memory_mb << 20,
	};
	err_t e = prompts_new(&m->streams.prompts, &p);

	return e ? err_set(d, e, "data.cache_dir", "%s cannot be used", m->cfg->cache_dir) : ERR_OK;
}

static bool random_bytes(uint8_t *bytes, size_t size)
{
	return getrandom(bytes, size, 0) == (ssize_t)size;
}

static err_t start_legs(struct media *m, struct err_detail *d)
{
	struct legs_params p = { .address = m->set.advertise,
				 .loopback = sdp_addr_loopback(&m->set.bind),
				 .random = random_bytes };
	err_t e;

	streams_ops(&m->ops);
	m->ops.emit = emit;
	e = legs_new(&m->legs, &p, &m->ops, &m->streams);
	return e ? err_set(d, e, "memory", "exhausted") : ERR_OK;
}

static err_t subscribe(struct media *m, struct err_detail *d)
{
	char subject[256];
	err_t e;

	snprintf(subject, sizeof(subject), "tl.%s.media.%s", m->common->site, m->common->instance);
	e = bus_subscribe(&m->sub, m->bus, subject, NULL, on_message, m);
	return e ? err_set(d, e, "nats.url", "%s cannot be subscribed", subject) : ERR_OK;
}

err_t media_new(struct media **ret, struct service *svc, const struct media_config *cfg, struct err_detail *d)
{
	struct media *m = mem_zalloc(sizeof(*m));
	err_t e;

	if (!m)
		return err_set(d, ERR_EXHAUSTED, "memory", "exhausted");
	m->svc = svc;
	m->loop = service_loop(svc);
	m->common = service_common(svc);
	m->cfg = cfg;
	m->incarnation = (uint64_t)clock_wall_ms();
	m->streams.on_problem = on_problem;
	media_metrics_register();
	loop_timer_init(&m->heartbeat, m->loop, on_heartbeat, m);
	outbox_init(&m->outbox, m->common->site, m->common->instance);
	/* Before the bus hooks itself in: what is published at the end of a turn leaves with the same turn. */
	loop_idle_start(&m->idle, m->loop, on_turn_end, m);
	e = media_config_check(cfg, &m->set, d);
	if (!e)
		e = start_streams(m, d);
	if (!e)
		e = start_legs(m, d);
	if (!e)
		e = connect_bus(m, d);
	if (!e)
		e = start_prompts(m, d);
	if (!e)
		e = subscribe(m, d);
	if (e) {
		media_free(&m);
		return e;
	}
	service_add_bus(svc, m->bus, true);
	service_on_drain(svc, on_drain, m);
	on_heartbeat(m);
	*ret = m;
	return ERR_OK;
}

void media_free(struct media **ref)
{
	struct media *m = *ref;

	if (!m)
		return;
	loop_timer_stop(&m->heartbeat);
	loop_idle_stop(&m->idle);
	bus_unsubscribe(&m->sub);
	engine_free(&m->streams.engine);
	tapes_free(&m->streams.tapes);
	streams_done(&m->streams); /* before the prompts: what waited for one is not called any more */
	prompts_free(&m->streams.prompts);
	promptstore_free(&m->store);
	outbox_done(&m->outbox);
	bus_free(&m->bus);
	legs_free(&m->legs);
	ports_done(&m->streams.ports);
	mem_free(m);
	*ref = NULL;
}
