/* cc_metrics: call-control's counters (metrics.h). */
#ifndef CALL_CONTROL_CC_METRICS_H
#define CALL_CONTROL_CC_METRICS_H

#include "metrics/metrics.h"

extern struct metric cc_metric_calls, cc_metric_over_quota, cc_metric_over_rate, cc_metric_rate_alone,
    cc_metric_recording_refused, cc_metric_came_back, cc_metric_offers, cc_metric_refused, cc_metric_ended,
    cc_metric_adopted, cc_metric_fenced, cc_metric_orphans, cc_metric_stale, cc_metric_checkpoints,
    cc_metric_checkpoint_retries, cc_metric_events, cc_metric_publish_retries, cc_metric_agent_refused,
    cc_metric_bad_messages, cc_metric_out_of_memory, cc_metric_send_failed, cc_metric_media_instances,
    cc_metric_reanchored, cc_metric_reanchor_failed, cc_metric_stranded, cc_metric_pool_empty, cc_metric_newcomers;
void cc_metrics_register(void);

#endif
