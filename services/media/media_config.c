#include "media_config.h"

#include <sched.h>

#include "base/placement.h"
#include "base/str.h"

#define S struct media_config
const struct config_item media_config_items[] = {
	CONFIG_STR(S, rtp_address, "rtp.address", "127.0.0.1", "address of the RTP sockets"),
	CONFIG_STR(S, rtp_public_address, "rtp.public_address", "",
		   "address in SDP when it is another one (behind NAT)"),
	CONFIG_INT(S, rtp_port_min, "rtp.port_min", 20000, 1024, 65533, "first RTP port; each endpoint takes two"),
	CONFIG_INT(S, rtp_port_max, "rtp.port_max", 29999, 1025, 65535, "last RTP port"),
	CONFIG_STR(
	    S, rtp_nat, "rtp.nat", "auto",
	    "strict: only the signalled address is believed; auto: also a public one for a private one, and another "
	    "port of the same host; any: whoever sends first"),
	CONFIG_INT(S, rtp_latch_window_ms, "rtp.latch_window_ms", 3000, 0, 60000,
		   "how long the signalled address may take over from one that was guessed"),
	CONFIG_INT(S, rtp_timeout_ms, "rtp.timeout_ms", 15000, 1000, 3600000,
		   "no RTP and no RTCP of a party that should send, for so long: reported, and again after as long"),
	CONFIG_INT(S, workers, "media.workers", 0, 0, 256, "threads that move packets; 0: one per core"),
	CONFIG_BOOL(S, realtime, "media.realtime", true,
		    "these threads run before everything else of the machine (SCHED_RR), where the system permits it "
		    "(CAP_SYS_NICE); one that takes more than a fifth of a core does not"),
	CONFIG_POOL(S, pool),
	CONFIG_INT(S, capacity, "media.capacity", 0, 0, 1000000,
		   "endpoints this engine says it can bear; 0: its port pairs"),
	CONFIG_INT(S, abandon_ms, "media.abandon_ms", 7200000, 60000, 86400000,
		   "silence after which an endpoint that nobody frees is freed"),
	CONFIG_STR(S, data_dir, "data.dir", "/var/lib/trunkline/recordings",
		   "segments: <dir>/<tenant>/<recording>.seg"),
	CONFIG_STR(S, cache_dir, "data.cache_dir", "/var/cache/trunkline/prompts", "prompts by tenant and hash"),
	CONFIG_INT(S, prompt_memory_mb, "prompts.memory_mb", 128, 1, 65536, "prompts kept ready in memory"),
	CONFIG_INT(S, ring_kb, "recording.ring_kb", 8192, 64, 1048576,
		   "memory between each worker and the recording thread"),
	CONFIG_END
};
#undef S

static unsigned cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static err_t parse_nat(const char *text, enum latch_nat *ret, struct err_detail *detail)
{
	static const char *const names[] = { "strict", "auto", "any" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(text, names[i])) {
			*ret = (enum latch_nat)i;
			return ERR_OK;
		}
	return err_set(detail, ERR_INVALID, "rtp.nat", "'%s' is none of strict, auto, any", text);
}

err_t media_config_check(const struct media_config *c, struct media_settings *ret, struct err_detail *detail)
{
	const char *public = str_empty(c->rtp_public_address) ? c->rtp_address : c->rtp_public_address;

	ret->workers = c->workers ? (unsigned)c->workers : cores();
	if (!sdp_addr_parse(&ret->bind, c->rtp_address))
		return err_set(detail, ERR_INVALID, "rtp.address", "'%s' is no IPv4 or IPv6 address", c->rtp_address);
	if (!sdp_addr_parse(&ret->advertise, public) || sdp_addr_any(&ret->advertise))
		return err_set(detail, ERR_INVALID, "rtp.public_address",
			       "'%s' is no address that a phone could send to", public);
	if (ret->bind.family != ret->advertise.family)
		return err_set(detail, ERR_INVALID, "rtp.public_address", "must be of the family of rtp.address");
	if (c->rtp_port_max <= c->rtp_port_min)
		return err_set(detail, ERR_INVALID, "rtp.port_max", "must be above rtp.port_min");

	err_t e = placement_check(c->pool, detail);

	return e ? e : parse_nat(c->rtp_nat, &ret->nat, detail);
}
