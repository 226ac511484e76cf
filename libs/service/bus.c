/* NATS as every service needs it: checks of readiness and metrics that are the same for all. */
#include "service_internal.h"
#include "bus/bus.h"
#include "metrics/metrics.h"

#define LATE_MS 5000 /* a write that waits so long: no leader, no quorum, or a server that is overloaded */

static struct metric connected = METRIC_GAUGE("trunkline_bus_connected", "1 while NATS is connected");
static struct metric losses =
    METRIC_GAUGE("trunkline_bus_losses", "times that the connection to NATS was lost since the start");
static struct metric write_wait =
    METRIC_GAUGE("trunkline_bus_write_wait_seconds",
		 "how long the oldest JetStream write has waited for its acknowledgement");

static bool is_connected(void *arg)
{
	return bus_connected(arg);
}

static bool writes(void *arg)
{
	return bus_write_wait_ms(arg) < LATE_MS;
}

void service_add_bus(struct service *svc, struct bus *bus, bool needed)
{
	void (*add)(struct service *, const char *, bool (*)(void *), void *) =
	    needed ? service_add_ready : service_add_wanted;

	svc->bus = bus;
	metrics_register(&connected);
	metrics_register(&losses);
	metrics_register(&write_wait);
	add(svc, "nats", is_connected, bus);
	add(svc, "nats writes", writes, bus);
}

void service_bus_second(const struct service *svc)
{
	if (!svc->bus)
		return;
	metric_set(&connected, bus_connected(svc->bus));
	metric_set(&losses, (int64_t)bus_losses(svc->bus));
	metric_set(&write_wait, bus_write_wait_ms(svc->bus) / 1000);
}
