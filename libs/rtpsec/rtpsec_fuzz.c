/* Any bytes from the network as SRTP and SRTCP: no crash, and nothing without a right tag is taken. */
#include <stdlib.h>
#include <string.h>

#include "rtpsec/rtpsec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp_crypto ours = { .suite = SDP_AES_CM_128_HMAC_SHA1_80, .key = { 1 } };
	struct sdp_crypto theirs = { .suite = SDP_AES_CM_128_HMAC_SHA1_80, .key = { 2 } };
	uint32_t aligned[512];
	struct rtpsec *s;
	size_t n = size;

	if (size > sizeof(aligned) || rtpsec_init() || rtpsec_new(&s, &ours, &theirs))
		return 0;
	memcpy(aligned, data, size);
	if (rtpsec_unprotect(s, aligned, &n) == RTPSEC_OK)
		abort();
	memcpy(aligned, data, size);
	n = size;
	if (rtpsec_unprotect_rtcp(s, aligned, &n) == RTPSEC_OK)
		abort();
	rtpsec_free(&s);
	return 0;
}
