/* Any bytes as an offer and as an answer, plain and with SRTP: no crash, what we write parses again, and nothing that began
 * secure becomes plain. */
#include <stdlib.h>
#include <string.h>

#include "sdp/sdp_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool some_bytes(uint8_t *bytes, size_t size)
{
	memset(bytes, 0xa5, size);
	return true;
}

static void check_own(const struct sdp_session *s)
{
	struct err_detail detail;
	struct sdp d;

	if (s->agreed.srtp && (!s->agreed.ours.suite || s->agreed.ours.suite != s->agreed.theirs.suite))
		abort();
	if (s->local.len == 0)
		return;
	if (sdp_parse(&d, s->local.data, s->local.len, &detail) != ERR_OK)
		abort();
	if ((s->srtp || s->agreed.srtp) && d.media[s->audio_slot].n_crypto != 1)
		abort();
}

static void run(const uint8_t *data, size_t size, bool srtp)
{
	struct sdp_addr addr = { .family = 4, .bytes = { 127, 0, 0, 1 } };
	struct err_detail detail;
	struct sdp_session s;

	sdp_session_init(&s, &addr, 20000, 1);
	s.random = some_bytes;
	s.srtp = srtp;
	if (sdp_session_answer(&s, data, size, &detail) == ERR_OK && sdp_session_offer(&s, SDP_SENDRECV) != ERR_OK)
		abort();
	check_own(&s);
	if (s.local.len == 0 && sdp_session_offer(&s, SDP_SENDRECV) != ERR_OK)
		abort();
	if (sdp_session_answered(&s, data, size, &detail) == ERR_OK && !s.agreed.valid)
		abort();
	check_own(&s);
	if (srtp && s.agreed.valid && !s.agreed.srtp)
		abort();
	sdp_session_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(data, size, false);
	run(data, size, true);
	return 0;
}
