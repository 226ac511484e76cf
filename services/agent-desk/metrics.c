#include "desk.h"

struct metric desk_metric_commands =
    METRIC_COUNTER("trunkline_desk_commands_total", "commands of agents and leads that were carried out");
struct metric desk_metric_refused = METRIC_COUNTER("trunkline_desk_refused_total", "commands refused or failed");
struct metric desk_metric_streams = METRIC_GAUGE("trunkline_desk_streams", "event streams open");
struct metric desk_metric_slow =
    METRIC_COUNTER("trunkline_desk_slow_streams_total", "streams ended because their reader was too slow");
struct metric desk_metric_offers = METRIC_COUNTER("trunkline_desk_offers_total", "offered calls shown to agents");
struct metric desk_metric_bad_messages =
    METRIC_COUNTER("trunkline_desk_bad_messages_total", "messages and entries that did not validate");

void desk_metrics_register(void)
{
	struct metric *const all[] = { &desk_metric_commands, &desk_metric_refused, &desk_metric_streams,
				       &desk_metric_slow,     &desk_metric_offers,  &desk_metric_bad_messages };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
}
