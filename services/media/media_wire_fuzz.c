/* Any bytes as a batch of commands; what validates is executed by the core without a stream side. */
#include <stdlib.h>

#include "media_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_command(const struct command *c, void *arg)
{
	(void)arg;
	if (!*c->tenant || !*c->owner || !c->epoch || c->sdp_size > 16384 || c->play.n > COMMAND_PROMPTS)
		abort();
}

static void on_bad(const struct command *c, const struct err_detail *d, void *arg)
{
	struct event ev = { .kind = EVENT_FAILED, .tenant = c->tenant, .call_id = c->call_id, .leg_id = c->leg_id };
	struct str out = STR_INIT;

	(void)arg;
	if (!*d->field)
		abort();
	ev.failed.message = d->message;
	event_to_pb(&ev, "media-1", &out);
	str_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { "", "" };

	(void)!commands_from_pb(data, size, on_command, on_bad, NULL, &d);
	return 0;
}
