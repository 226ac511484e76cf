#include "edge_config.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

const struct config_item edge_config_items[] = {
	CONFIG_STR(struct edge_config, address, "sip.address", "127.0.0.1", "address of the SIP sockets"),
	CONFIG_INT(struct edge_config, port, "sip.port", 5060, 1, 65535, "UDP and TCP port"),
	CONFIG_STR(struct edge_config, public_address, "sip.public_address", "",
		   "address in Via and Contact when the sockets' is not reachable from outside; empty: sip.address"),
	CONFIG_INT(struct edge_config, tls_port, "sip.tls_port", 0, 0, 65535, "TLS port; 0: no TLS"),
	CONFIG_STR(struct edge_config, tls_dir, "sip.tls_dir", "",
		   "directory with agent.pem (certificate and key) and cafile.pem, needed with sip.tls_port"),
	CONFIG_STR(
	    struct edge_config, digest, "sip.digest", "md5",
	    "algorithms offered in challenges: md5, sha-256 or both (RFC 8760). Either is accepted in answers; phones "
	    "of before 2020 often fail when two are offered"),
	CONFIG_INT(struct edge_config, expires_min_s, "sip.expires_min_s", 30, 1, 3600,
		   "shortest registration; shorter gets 423"),
	CONFIG_INT(struct edge_config, expires_max_s, "sip.expires_max_s", 3600, 30, 86400, "longest registration"),
	CONFIG_INT(struct edge_config, expires_default_s, "sip.expires_default_s", 600, 30, 86400,
		   "registration of a phone that asks for no time"),
	CONFIG_INT(struct edge_config, session_expires_s, "sip.session_expires_s", 1800, 90, 86400,
		   "session timer (RFC 4028): a dialog that nobody refreshes for so long ends"),
	CONFIG_INT(struct edge_config, offer_timeout_ms, "sip.offer_timeout_ms", 6000, 100, 30000,
		   "call-control must take a new call in this time, else 503"),
	CONFIG_INT(struct edge_config, reoffer_ms, "sip.reoffer_ms", 2000, 50, 30000,
		   "an offer that nobody has taken for so long is made once more: who got it may be dead"),
	CONFIG_INT(struct edge_config, max_legs, "sip.max_legs", 20000, 1, 1000000, "legs at once; more: 503"),
	CONFIG_INT(struct edge_config, max_offers, "sip.max_offers", 500, 1, 100000, "offers not taken yet; more: 503"),
	CONFIG_INT(
	    struct edge_config, late_ms, "sip.late_ms", 500, 10, 30000,
	    "call-control's first word about an offer, or a turn of our own loop, that takes longer is late: fewer new "
	    "calls are let in, the others get 503 (calls in progress never)"),
	CONFIG_INT(struct edge_config, least_cps, "sip.least_cps", 10, 1, 10000,
		   "new calls a second that are let in however late everything is"),
	CONFIG_INT(struct edge_config, max_contacts, "sip.max_contacts", 4, 1, 8,
		   "phones of one agent; they ring together"),
	CONFIG_INT(struct edge_config, ring_timeout_ms, "sip.ring_timeout_ms", 60000, 1000, 300000,
		   "ring time of an outbound leg when the command gives none"),
	CONFIG_INT(
	    struct edge_config, probe_ms, "sip.probe_ms", 6000, 500, 32000,
	    "a phone that is asked within a call (OPTIONS, because no audio comes from it) and answers nothing for so "
	    "long is gone"),
	CONFIG_INT(
	    struct edge_config, orphan_ms, "sip.orphan_ms", 25000, 1000, 600000,
	    "a leg about which no call-control has said anything for so long is hung up if its call exists no more"),
	CONFIG_INT(struct edge_config, no_reply_ms, "sip.no_reply_ms", 5000, 500, 32000,
		   "a phone that has answered our INVITE with nothing, not even 100, is not there"),
	CONFIG_BOOL(
	    struct edge_config, hand_over, "sip.hand_over", true,
	    "at SIGTERM the process ends within a second, for the next one on this address goes on with all calls: "
	    "nobody is refused; off (an instance that is removed): new calls get 503, the others may end by "
	    "themselves until drain.timeout_ms"),
	CONFIG_BOOL(struct edge_config, answer_strangers, "sip.answer_strangers", false,
		    "answer requests from sources that are neither a trunk nor name a tenant's domain (scanners); off: "
		    "silence"),
	CONFIG_END
};

static bool is_address(const char *s)
{
	unsigned char buf[16];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

/* Sofia starts without its certificate and then serves nobody: look for it ourselves. */
static err_t check_tls(const struct edge_config *c, struct err_detail *detail)
{
	static const char *const files[] = { "agent.pem", "cafile.pem" };
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", c->tls_dir, files[i]);
		if (access(path, R_OK) != 0)
			return err_set(detail, ERR_INVALID, "sip.tls_dir", "%s cannot be read; TLS needs it", path);
	}
	return ERR_OK;
}

err_t edge_config_check(const struct edge_config *c, struct err_detail *detail)
{
	if (!is_address(c->address))
		return err_set(detail, ERR_INVALID, "sip.address", "'%s' is not an IP address", c->address);
	if (!str_empty(c->public_address) && !is_address(c->public_address))
		return err_set(detail, ERR_INVALID, "sip.public_address", "'%s' is not an IP address",
			       c->public_address);
	if (!str_eq(c->digest, "md5") && !str_eq(c->digest, "sha-256") && !str_eq(c->digest, "both"))
		return err_set(detail, ERR_INVALID, "sip.digest", "'%s': must be md5, sha-256 or both", c->digest);
	if (c->expires_min_s > c->expires_max_s)
		return err_set(detail, ERR_INVALID, "sip.expires_min_s", "is above sip.expires_max_s");
	return c->tls_port ? check_tls(c, detail) : ERR_OK;
}

size_t edge_config_algorithms(const struct edge_config *c, enum digest_algorithm ret[2])
{
	if (str_eq(c->digest, "both")) {
		ret[0] = DIGEST_SHA256; /* the stronger first: a client takes the topmost it knows (RFC 8760 §2.4) */
		ret[1] = DIGEST_MD5;
		return 2;
	}
	ret[0] = str_eq(c->digest, "sha-256") ? DIGEST_SHA256 : DIGEST_MD5;
	return 1;
}
