#include "origin.h"

#include "base/str.h"

#include <stdio.h>

static void on_info(const struct bus_raw *raw, void *arg)
{
	struct origin *o = arg;
	json_t *info = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	const char *created = json_string_value(json_object_get(info, "created"));
	bool known = o->created[0] != '\0', same = created && str_eq(o->created, created);

	o->asking = NULL;
	if (created && !same)
		(void)str_copy(o->created, sizeof(o->created), created);
	json_decref(info);
	if (created && known && !same)
		o->replaced(o->arg);
}

/* When it cannot be asked now, the next consumer asks. */
void origin_check(struct origin *o)
{
	char path[128];

	bus_request_cancel(&o->asking);
	(void)snprintf(path, sizeof(path), "STREAM.INFO.%s", o->stream);
	if (api_send(&o->asking, o->bus, path, NULL, on_info, o, false))
		o->asking = NULL;
}

void origin_done(struct origin *o)
{
	bus_request_cancel(&o->asking);
}
