/* media_config: the settings of the engine. */
#ifndef MEDIA_CONFIG_H
#define MEDIA_CONFIG_H

#include "config/config.h"
#include "latch.h"

struct media_config {
	char *rtp_address, *rtp_public_address, *rtp_nat;
	char *pool; /* base/placement.h */
	int64_t rtp_port_min, rtp_port_max, rtp_latch_window_ms, rtp_timeout_ms;
	int64_t workers, capacity, abandon_ms;
	bool realtime;
	char *data_dir, *cache_dir;
	int64_t prompt_memory_mb, ring_kb;
};
extern const struct config_item media_config_items[];

/* What the table cannot say; parsed into the form the engine needs. */
struct media_settings {
	struct sdp_addr bind, advertise;
	enum latch_nat nat;
	unsigned workers;
};
err_t media_config_check(const struct media_config *c, struct media_settings *ret, struct err_detail *detail) MUST;

#endif
