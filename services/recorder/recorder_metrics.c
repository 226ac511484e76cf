#include "recorder.h"

#define P "trunkline_recorder_"

struct metric recorder_metric_stored = METRIC_COUNTER(P "stored_total", "recordings made into files and indexed");
struct metric recorder_metric_lost = METRIC_COUNTER(P "lost_total", "recordings whose audio was not found");
struct metric recorder_metric_orphans = METRIC_COUNTER(P "orphans_total", "segments taken in without their event");
struct metric recorder_metric_retries =
    METRIC_COUNTER(P "retries_total", "steps to be repeated: database, bus or disk away");
struct metric recorder_metric_bad_events =
    METRIC_COUNTER(P "bad_events_total", "events that did not validate, skipped");
struct metric recorder_metric_jobs = METRIC_GAUGE(P "jobs", "recordings under way from segment to file");
struct metric recorder_metric_audio_seconds = METRIC_COUNTER(P "audio_seconds_total", "length of what was stored");
struct metric recorder_metric_downloads = METRIC_COUNTER(P "downloads_total", "files sent");
struct metric recorder_metric_refused = METRIC_COUNTER(P "refused_total", "requests refused");
struct metric recorder_metric_lag = METRIC_GAUGE(P "lag_events", "recording events not yet dealt with");
struct metric recorder_metric_behind =
    METRIC_COUNTER(P "behind_total", "times a recording was put off because its tenant has its share of the places");

void recorder_metrics_register(void)
{
	struct metric *const all[] = {
		&recorder_metric_stored,	&recorder_metric_lost,	     &recorder_metric_orphans,
		&recorder_metric_retries,	&recorder_metric_bad_events, &recorder_metric_jobs,
		&recorder_metric_audio_seconds, &recorder_metric_downloads,  &recorder_metric_refused,
		&recorder_metric_lag,		&recorder_metric_behind,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
}
