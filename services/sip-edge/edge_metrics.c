#include "edge_metrics.h"

struct metric edge_metric_legs = METRIC_GAUGE("trunkline_edge_legs", "legs now");
struct metric edge_metric_offers_open =
    METRIC_GAUGE("trunkline_edge_offers_open", "offers that no call-control has taken yet");
struct metric edge_metric_registrations =
    METRIC_GAUGE("trunkline_edge_registrations", "agents with a registered phone");
struct metric edge_metric_lag_ms = METRIC_GAUGE("trunkline_edge_loop_lag_ms", "how late the loop's timers run");
struct metric edge_metric_admitted =
    METRIC_GAUGE("trunkline_edge_admitted_cps",
		 "new calls a second that are let in at most, to be served in time; 0: no limit");
struct metric edge_metric_over_share =
    METRIC_COUNTER("trunkline_edge_over_share_total", "of the calls refused for overload: their tenant asked for more "
						      "than its fair share (whose: log event admission.refused)");
struct metric edge_metric_ghosts =
    METRIC_COUNTER("trunkline_edge_ghost_legs_total", "legs hung up because their call exists no more");
struct metric edge_metric_reoffers =
    METRIC_COUNTER("trunkline_edge_reoffers_total", "offers made again because nobody had taken them");
struct metric edge_metric_pool_empty =
    METRIC_COUNTER("trunkline_edge_pool_empty_total",
		   "calls offered to the shared pool, because no call-control of their tenant's pool lives");
struct metric edge_metric_strays = METRIC_COUNTER("trunkline_edge_stray_answers_total",
						  "answers to an INVITE of an earlier life, acknowledged and ended");
struct metric edge_metric_nta_server =
    METRIC_GAUGE("trunkline_edge_server_transactions",
		 "Sofia's server transactions, those waiting to be forgotten included");
struct metric edge_metric_nta_client =
    METRIC_GAUGE("trunkline_edge_client_transactions",
		 "Sofia's client transactions, those waiting to be forgotten included");
struct metric edge_metric_farewells =
    METRIC_GAUGE("trunkline_edge_invites_over", "INVITEs whose leg is over and that wait for their final answer");
struct metric edge_metric_nta_legs = METRIC_GAUGE("trunkline_edge_dialogs", "Sofia's dialogs");
struct metric edge_metric_offers = METRIC_COUNTER("trunkline_edge_offers_total", "calls offered to call-control");
struct metric edge_metric_dials = METRIC_COUNTER("trunkline_edge_dials_total", "outbound legs");
struct metric edge_metric_answered = METRIC_COUNTER("trunkline_edge_answered_total", "legs established");
struct metric edge_metric_ended = METRIC_COUNTER("trunkline_edge_ended_total", "legs ended");
struct metric edge_metric_adopted =
    METRIC_COUNTER("trunkline_edge_adopted_total", "established legs taken over at start");
struct metric edge_metric_revived =
    METRIC_COUNTER("trunkline_edge_revived_total", "callers' INVITEs of an earlier life, not answered yet, taken over");
struct metric edge_metric_register_ok =
    METRIC_COUNTER_L("trunkline_edge_registers_total", "result=\"ok\"", "REGISTER requests by result");
struct metric edge_metric_register_failed =
    METRIC_COUNTER_L("trunkline_edge_registers_total", "result=\"refused\"", "REGISTER requests by result");
struct metric edge_metric_commands = METRIC_COUNTER("trunkline_edge_commands_total", "commands of call-control");
struct metric edge_metric_commands_bad =
    METRIC_COUNTER("trunkline_edge_commands_invalid_total", "commands that did not validate");
struct metric edge_metric_stale =
    METRIC_COUNTER("trunkline_edge_commands_stale_total", "commands refused for their old epoch");

#define REFUSED(why) \
	METRIC_COUNTER_L("trunkline_edge_refused_total", "reason=\"" why "\"", "requests refused or dropped")
static struct metric refused[EDGE_REFUSALS] = {
	REFUSED("malformed"), REFUSED("stranger"), REFUSED("overload"), REFUSED("credentials"),
	REFUSED("limited"),   REFUSED("number"),   REFUSED("method"),	REFUSED("unclaimed"),
};
#define FAILED(class) \
	METRIC_COUNTER_L("trunkline_edge_dial_failed_total", "status=\"" class "\"", "outbound legs refused")
static struct metric failed[] = { FAILED("3xx"), FAILED("4xx"), FAILED("5xx"), FAILED("6xx") };

#define PROBE(result)                                                            \
	METRIC_COUNTER_L("trunkline_edge_probes_total", "result=\"" result "\"", \
			 "phones asked within a call because no audio came from them, by what they answered")
static struct metric probes[EDGE_PROBES] = { PROBE("alive"), PROBE("phone-gone"), PROBE("bye-lost") };

void edge_metrics_register(void)
{
	struct metric *all[] = {
		&edge_metric_legs,	   &edge_metric_offers_open,	 &edge_metric_registrations,
		&edge_metric_lag_ms,	   &edge_metric_nta_server,	 &edge_metric_nta_client,
		&edge_metric_nta_legs,	   &edge_metric_offers,		 &edge_metric_dials,
		&edge_metric_answered,	   &edge_metric_ended,		 &edge_metric_adopted,
		&edge_metric_register_ok,  &edge_metric_register_failed, &edge_metric_commands,
		&edge_metric_commands_bad, &edge_metric_stale,		 &edge_metric_admitted,
		&edge_metric_strays,	   &edge_metric_ghosts,		 &edge_metric_reoffers,
		&edge_metric_pool_empty,   &edge_metric_revived,	 &edge_metric_farewells,
		&edge_metric_over_share,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		metrics_register(&refused[i]);
	for (size_t i = 0; i < ARRAY_SIZE(failed); i++)
		metrics_register(&failed[i]);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		metrics_register(&probes[i]);
}

void edge_metrics_refused(enum edge_refusal why)
{
	metric_add(&refused[why], 1);
}

void edge_metrics_failed(unsigned status)
{
	if (status >= 300 && status <= 699)
		metric_add(&failed[status / 100 - 3], 1);
}

void edge_metrics_probe(enum edge_probe result)
{
	metric_add(&probes[result], 1);
}
