#include "cc_metrics.h"

struct metric cc_metric_calls = METRIC_GAUGE("trunkline_calls", "calls this instance owns");
struct metric cc_metric_newcomers =
    METRIC_GAUGE("trunkline_call_newcomers", "new calls that wait for their tenant's turn");
struct metric cc_metric_offers = METRIC_COUNTER("trunkline_call_offers_total", "calls offered by sip-edge");
struct metric cc_metric_refused =
    METRIC_COUNTER("trunkline_call_refused_total",
		   "offers refused: no media engine, too many calls, draining, unknown tenant");
struct metric cc_metric_ended = METRIC_COUNTER("trunkline_call_ended_total", "calls that came to their last event");
struct metric cc_metric_adopted =
    METRIC_COUNTER("trunkline_call_adopted_total", "calls taken over from an owner that is gone");
struct metric cc_metric_fenced =
    METRIC_COUNTER("trunkline_call_fenced_total", "checkpoints refused because another owner has the call");
struct metric cc_metric_orphans = METRIC_COUNTER("trunkline_call_orphan_media_total",
						 "calls of which media still held something though they exist no more");
struct metric cc_metric_stale =
    METRIC_COUNTER("trunkline_call_stale_total", "commands that a peer refused for their old epoch");
struct metric cc_metric_checkpoints = METRIC_COUNTER("trunkline_call_checkpoints_total", "checkpoints written");
struct metric cc_metric_checkpoint_retries =
    METRIC_COUNTER("trunkline_call_checkpoint_retries_total", "checkpoints to be written again");
struct metric cc_metric_events = METRIC_COUNTER("trunkline_call_events_total", "events published");
struct metric cc_metric_publish_retries =
    METRIC_COUNTER("trunkline_call_publish_retries_total", "events published again after a failure");
struct metric cc_metric_agent_refused = METRIC_COUNTER("trunkline_call_agent_change_refused_total",
						       "changes of an agent's state that its record did not allow");
struct metric cc_metric_bad_messages =
    METRIC_COUNTER("trunkline_call_bad_messages_total", "messages from the bus that did not validate");
struct metric cc_metric_out_of_memory =
    METRIC_COUNTER("trunkline_call_out_of_memory_total", "facts or messages lost to memory");
struct metric cc_metric_send_failed =
    METRIC_COUNTER("trunkline_call_send_failed_total", "batches that the bus did not take");
struct metric cc_metric_media_instances = METRIC_GAUGE("trunkline_media_instances", "media engines alive");

struct metric cc_metric_reanchored =
    METRIC_COUNTER("trunkline_call_reanchored_total", "calls moved to another media engine, theirs being gone");
struct metric cc_metric_reanchor_failed =
    METRIC_COUNTER("trunkline_call_reanchor_failed_total",
		   "calls that ended because no engine, or a phone, would take the new one");
struct metric cc_metric_stranded =
    METRIC_GAUGE("trunkline_call_stranded", "calls whose media engine is gone and that wait for another");

struct metric cc_metric_pool_empty =
    METRIC_COUNTER("trunkline_call_pool_empty_total",
		   "calls given a media engine of the shared pool, because none of their tenant's pool has room");

struct metric cc_metric_over_quota = METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"inbound_calls\"",
						      "what was refused because the tenant uses as much as it may");
struct metric cc_metric_rate_alone =
    METRIC_COUNTER("trunkline_quota_rate_alone_total",
		   "calls let in by this instance's own count, because KV told nothing of the tenant's calls a second");
struct metric cc_metric_over_rate = METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"calls_per_s\"",
						     "what was refused because the tenant uses as much as it may");
struct metric cc_metric_recording_refused =
    METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"recording_bytes\"",
		     "what was refused because the tenant uses as much as it may");

struct metric cc_metric_came_back =
    METRIC_COUNTER("trunkline_call_came_back_total",
		   "checkpoints of calls that were over long ago, found in the bucket again");

void cc_metrics_register(void)
{
	struct metric *const all[] = { &cc_metric_calls,
				       &cc_metric_newcomers,
				       &cc_metric_offers,
				       &cc_metric_refused,
				       &cc_metric_ended,
				       &cc_metric_adopted,
				       &cc_metric_fenced,
				       &cc_metric_stale,
				       &cc_metric_checkpoints,
				       &cc_metric_checkpoint_retries,
				       &cc_metric_events,
				       &cc_metric_publish_retries,
				       &cc_metric_agent_refused,
				       &cc_metric_bad_messages,
				       &cc_metric_out_of_memory,
				       &cc_metric_send_failed,
				       &cc_metric_media_instances,
				       &cc_metric_reanchored,
				       &cc_metric_reanchor_failed,
				       &cc_metric_stranded,
				       &cc_metric_pool_empty,
				       &cc_metric_orphans,
				       &cc_metric_over_quota,
				       &cc_metric_came_back,
				       &cc_metric_rate_alone,
				       &cc_metric_over_rate,
				       &cc_metric_recording_refused };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
}
