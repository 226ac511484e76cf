/* Any bytes as an offer and as an answer: no crash, and what we write parses again. */
#include <stdlib.h>

#include "sdp/sdp_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_own(const struct sdp_session *s)
{
	struct err_detail detail;
	struct sdp d;

	if (s->local.len && sdp_parse(&d, s->local.data, s->local.len, &detail) != ERR_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp_addr addr = { .family = 4, .bytes = { 127, 0, 0, 1 } };
	struct err_detail detail;
	struct sdp_session s;

	sdp_session_init(&s, &addr, 20000, 1);
	if (sdp_session_answer(&s, data, size, &detail) == ERR_OK && sdp_session_offer(&s, SDP_SENDRECV) != ERR_OK)
		abort();
	check_own(&s);
	if (sdp_session_answered(&s, data, size, &detail) == ERR_OK && !s.agreed.valid)
		abort();
	check_own(&s);
	sdp_session_done(&s);
	return 0;
}
