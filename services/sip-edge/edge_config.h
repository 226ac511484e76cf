/* edge_config: the settings of sip-edge; the table is in edge_config.c. */
#ifndef SIP_EDGE_CONFIG_H
#define SIP_EDGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "config/config.h"
#include "sip/digest.h"

struct edge_config {
	char *address; /* of the sockets and in Via and Contact */
	int64_t port;
	char *public_address; /* in Via and Contact instead, "" */
	int64_t tls_port;     /* 0: none */
	char *tls_dir;	      /* agent.pem (certificate and key), cafile.pem */
	char *digest;	      /* md5 | sha-256 | both */
	int64_t expires_min_s, expires_max_s, expires_default_s;
	int64_t session_expires_s;
	int64_t offer_timeout_ms, reoffer_ms;
	int64_t max_legs, max_offers, late_ms, least_cps, max_contacts;
	int64_t ring_timeout_ms; /* when LegDial says none */
	int64_t no_reply_ms;	 /* to an INVITE of ours */
	int64_t probe_ms;	 /* to an OPTIONS of ours */
	int64_t orphan_ms;	 /* without a word of a call-control */
	bool hand_over;
	bool answer_strangers;
};

extern const struct config_item edge_config_items[];

/* What a table of ranges cannot say. */
err_t edge_config_check(const struct edge_config *c, struct err_detail *detail) MUST;
/* Algorithms to challenge with, in order; returns how many (1 or 2). */
size_t edge_config_algorithms(const struct edge_config *c, enum digest_algorithm ret[2]);

#endif
