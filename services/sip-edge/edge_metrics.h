/* edge_metrics: what sip-edge counts. */
#ifndef SIP_EDGE_METRICS_H
#define SIP_EDGE_METRICS_H

#include "metrics/metrics.h"

extern struct metric edge_metric_legs, edge_metric_offers_open, edge_metric_registrations, edge_metric_lag_ms,
    edge_metric_admitted, edge_metric_ghosts, edge_metric_strays, edge_metric_reoffers, edge_metric_pool_empty,
    edge_metric_nta_server, edge_metric_nta_client, edge_metric_nta_legs, edge_metric_farewells, edge_metric_over_share;
extern struct metric edge_metric_offers, edge_metric_dials, edge_metric_answered, edge_metric_ended,
    edge_metric_adopted, edge_metric_revived;
extern struct metric edge_metric_register_ok, edge_metric_register_failed, edge_metric_commands,
    edge_metric_commands_bad, edge_metric_stale;

enum edge_refusal {
	EDGE_REFUSED_MALFORMED,
	EDGE_REFUSED_STRANGER,
	EDGE_REFUSED_OVERLOAD,
	EDGE_REFUSED_AUTH,
	EDGE_REFUSED_LIMITED,
	EDGE_REFUSED_NUMBER,
	EDGE_REFUSED_METHOD,
	EDGE_REFUSED_UNCLAIMED,
	EDGE_REFUSALS
};
void edge_metrics_register(void);
void edge_metrics_refused(enum edge_refusal why);
/* A failed outbound leg, by class of its status. */
void edge_metrics_failed(unsigned status);
enum edge_probe { EDGE_PROBE_ALIVE, EDGE_PROBE_GONE, EDGE_PROBE_DENIED, EDGE_PROBES };
void edge_metrics_probe(enum edge_probe result);

#endif
