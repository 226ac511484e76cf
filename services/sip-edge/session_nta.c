#include "session_nta.h"

#include <stdio.h>
#include <strings.h>

static struct sesstimer_said said(const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;
	struct sesstimer_said s = {
		.supported = sip_has_feature(sip->sip_supported, "timer") || sip_has_feature(sip->sip_require, "timer"),
		.expires_s = x ? (uint32_t)x->x_delta : 0,
		.min_s = sip->sip_min_se ? (uint32_t)sip->sip_min_se->min_delta : 0,
	};

	if (x && x->x_refresher)
		s.refresher = strcasecmp(x->x_refresher, "uas") == 0 ? SESSTIMER_UAS : SESSTIMER_UAC;
	return s;
}

bool session_as_server(const sip_t *request, uint32_t wanted_s, struct sesstimer *ret)
{
	struct sesstimer_said s = said(request);

	return sesstimer_as_server(&s, wanted_s, ret);
}

void session_as_client(const sip_t *response, uint32_t wanted_s, struct sesstimer *ret)
{
	struct sesstimer_said s = said(response);

	sesstimer_as_client(&s, wanted_s, ret);
}

void session_text(char dst[64], const struct sesstimer *t, bool as_server)
{
	snprintf(dst, 64, "%u;refresher=%s", t->interval_s, t->we_refresh == as_server ? "uas" : "uac");
}
