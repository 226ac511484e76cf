#include "media_metrics.h"

#define P "trunkline_media_"

struct media_metrics media_metrics = {
	.endpoints = METRIC_GAUGE(P "endpoints", "endpoints open"),
	.ports_free = METRIC_GAUGE(P "rtp_port_pairs_free", "pairs of RTP ports not in use"),
	.plays = METRIC_COUNTER(P "plays_total", "prompts, music and tones started"),
	.recordings = METRIC_GAUGE(P "recordings", "recordings running"),
	.packets_in = METRIC_COUNTER(P "packets_in_total", "RTP packets accepted"),
	.packets_out = METRIC_COUNTER(P "packets_out_total", "RTP packets sent"),
	.bytes_in = METRIC_COUNTER(P "payload_in_bytes_total", "RTP payload accepted"),
	.send_errors = METRIC_COUNTER(P "send_errors_total", "RTP packets the kernel did not take"),
	.malformed = METRIC_COUNTER(P "malformed_total", "datagrams that are not RTP or RTCP"),
	.refused_source = METRIC_COUNTER(P "refused_source_total", "RTP and RTCP from a source that is not the party"),
	.refused_payload = METRIC_COUNTER(P "refused_payload_total", "RTP of a payload type that was not agreed"),
	.stale =
	    METRIC_COUNTER(P "stale_total", "RTP packets that had waited while this process stood still: thrown away"),
	.transcoded = METRIC_COUNTER(P "transcoded_total", "packets changed from one G.711 law to the other"),
	.srtp_wrong_tag =
	    METRIC_COUNTER(P "srtp_wrong_tag_total", "packets to SRTP endpoints that the peer's key did not sign"),
	.srtp_replayed =
	    METRIC_COUNTER(P "srtp_replayed_total", "SRTP and SRTCP packets that came a second time or too late"),
	.srtp_refused = METRIC_COUNTER(P "srtp_refused_total",
				       "SRTP packets of too many sources, or not sent because their index was used"),
	.rtcp_in = METRIC_COUNTER(P "rtcp_in_total", "RTCP packets accepted"),
	.rtcp_out = METRIC_COUNTER(P "rtcp_out_total", "RTCP packets sent"),
	.digits = METRIC_COUNTER(P "digits_total", "telephone-events reported"),
	.timeouts = METRIC_COUNTER(P "timeouts_total", "endpoints that heard nothing for rtp.timeout_ms"),
	.tick_late = METRIC_HISTOGRAM(P "tick_late_seconds", "how late a tick began"),
	.ticks_skipped = METRIC_COUNTER(P "ticks_skipped_total", "ticks lost by overload: audio of prompts delayed"),
	.realtime_workers = METRIC_GAUGE(P "realtime_workers", "threads that move packets with real-time priority"),
	.recording_errors = METRIC_COUNTER(P "recording_errors_total", "recordings that could not be written"),
	.recording_dropped =
	    METRIC_COUNTER(P "recording_dropped_total", "packets that the recording thread could not take"),
	.prompts_loaded = METRIC_COUNTER(P "prompts_loaded_total", "prompts read from disk or the store"),
	.prompts_missing = METRIC_COUNTER(P "prompts_missing_total", "prompts that could not be had"),
	.prompt_bytes = METRIC_GAUGE(P "prompt_memory_bytes", "prompts kept in memory"),
	.commands = METRIC_COUNTER(P "commands_total", "commands executed"),
	.commands_bad = METRIC_COUNTER(P "commands_bad_total", "commands that did not validate"),
	.fenced = METRIC_COUNTER(P "commands_fenced_total", "commands with an old epoch"),
	.events = METRIC_COUNTER(P "events_total", "events sent to call-control"),
};

void media_metrics_register(void)
{
	struct metric *m = (struct metric *)&media_metrics;

	for (size_t i = 0; i < sizeof(media_metrics) / sizeof(*m); i++)
		metrics_register(&m[i]);
}
