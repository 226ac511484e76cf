/* media_metrics: what the engine counts. Any thread (relaxed atomics); workers add once a tick. */
#ifndef MEDIA_METRICS_H
#define MEDIA_METRICS_H

#include "metrics/metrics.h"

struct media_metrics {
	struct metric endpoints, ports_free, plays, recordings;
	struct metric packets_in, packets_out, bytes_in, send_errors;
	struct metric malformed, refused_source, refused_payload, transcoded, stale;
	struct metric srtp_wrong_tag, srtp_replayed, srtp_refused;
	struct metric rtcp_in, rtcp_out, digits, timeouts;
	struct metric tick_late, ticks_skipped, realtime_workers;
	struct metric recording_errors, recording_dropped;
	struct metric prompts_loaded, prompts_missing, prompt_bytes;
	struct metric commands, commands_bad, fenced, events;
};
extern struct media_metrics media_metrics;
void media_metrics_register(void);

#endif
