/*
 * sdp: strict parser of session descriptions (RFC 8866), only what audio calls need. Pure; any thread.
 *
 * Everything outside of the sizes below is refused: the error names the line. What is well-formed but not understood
 * (unknown attributes, other media) is kept in place as far as the answer needs it, or ignored.
 *
 *	struct sdp d;
 *	err_t e = sdp_parse(&d, bytes, size, &detail);
 *	for (unsigned i = 0; i < d.n_media; i++) … d.media[i].port …
 */
#ifndef SDP_SDP_H
#define SDP_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "sdp/sdp_crypto.h"

#define SDP_SIZE_MAX	16384
#define SDP_LINES_MAX	512
#define SDP_MEDIA_MAX	8
#define SDP_FORMATS_MAX 32
#define SDP_CRYPTO_MAX	4 /* lines of one media that are ours; further ones are not looked at */
#define SDP_TOKEN	32
#define SDP_ADDR_TEXT	46

/* Bits of who may send, seen from the party that wrote the description. */
enum sdp_dir { SDP_INACTIVE = 0, SDP_SENDONLY = 1, SDP_RECVONLY = 2, SDP_SENDRECV = 3 };

enum sdp_codec { SDP_CODEC_OTHER, SDP_CODEC_PCMA, SDP_CODEC_PCMU, SDP_CODEC_EVENT /* telephone-event, RFC 4733 */ };

struct sdp_addr {
	uint8_t family; /* 0: absent, 4 or 6 */
	uint8_t bytes[16];
};

struct sdp_format {
	uint8_t pt;
	enum sdp_codec codec;
	uint32_t rate_hz;
	bool mapped; /* by an rtpmap line, not by the static table */
};

struct sdp_media {
	char kind[SDP_TOKEN];	/* "audio" */
	char proto[SDP_TOKEN];	/* "RTP/AVP", "RTP/SAVP" */
	char format[SDP_TOKEN]; /* the first format as written: repeated when the line is refused */
	bool rtp;		/* profile RTP/AVP or RTP/SAVP, formats are payload types */
	bool srtp;		/* RTP/SAVP: only then crypto is filled */
	uint16_t port;
	uint16_t rtcp_port;	   /* 0: port + 1 */
	struct sdp_addr addr;	   /* of the media or else of the session */
	struct sdp_addr rtcp_addr; /* family 0: addr */
	enum sdp_dir dir;
	unsigned ptime_ms; /* 0: not said */
	unsigned n_formats;
	struct sdp_format formats[SDP_FORMATS_MAX];
	unsigned n_crypto;
	struct sdp_crypto crypto[SDP_CRYPTO_MAX]; /* in the order of the description */
};

struct sdp {
	uint64_t version; /* of o= */
	struct sdp_addr addr;
	enum sdp_dir dir;
	unsigned n_media;
	struct sdp_media media[SDP_MEDIA_MAX];
};

/* ERR_INVALID: detail.field is "sdp line N". */
err_t sdp_parse(struct sdp *ret, const void *bytes, size_t size, struct err_detail *detail) MUST;

/* First format of the codec at 8 kHz or NULL. */
const struct sdp_format *sdp_media_find(const struct sdp_media *m, enum sdp_codec codec);

/* Numeric IPv4 or IPv6 text; false if it is neither. */
bool sdp_addr_parse(struct sdp_addr *ret, const char *text);
const char *sdp_addr_text(const struct sdp_addr *a, char buf[SDP_ADDR_TEXT]);
bool sdp_addr_any(const struct sdp_addr *a);	   /* 0.0.0.0 or :: */
bool sdp_addr_loopback(const struct sdp_addr *a);  /* 127.0.0.0/8 or ::1 */
bool sdp_addr_multicast(const struct sdp_addr *a); /* also broadcast */

#endif
