/* orphans: endpoints that media holds for a call that exists no more: media says that nothing comes from their party, and nobody
 * here knows the call. The truth is KV `calls`: if it is not there either, they are freed. GT-15. */
#include "control.h"

#include <stdio.h>
#include "base/mem.h"
#include "base/str.h"
#include "cc_metrics.h"
#include "log/log.h"

struct orphan {
	struct control *control;
	char tenant[CALL_NAME], call_id[ID_TEXT], media[CALL_NAME];
};

static void on_looked(err_t e, const struct bus_msg *msg, void *arg)
{
	struct orphan *o = arg;
	struct control *cc = o->control;
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	(void)msg;
	if (e == ERR_NOT_FOUND && !live_find(cc, o->call_id)) {
		metric_add(&cc_metric_orphans, 1);
		LOG_WARN(&(struct log_ctx){ .tenant = o->tenant, .call = o->call_id }, "media.without_call", "media=%s",
			 o->media);
		snprintf(subject, sizeof(subject), "tl.%s.media.%s", cc->site, o->media);
		out = batches_get(&cc->batches, subject, &fresh);
		if (fresh)
			cc_wire_put_media_owner(out, cc->self.instance);
		cc_wire_put_call_free(out, o->tenant, o->call_id);
	}
	mem_free(o);
}

void orphans_look(struct control *cc, const char *tenant, const char *call_id, const char *media)
{
	struct orphan *o = media ? mem_zalloc(sizeof(*o)) : NULL;
	char key[CALL_NAME + ID_TEXT + 2];

	if (!o)
		return;
	o->control = cc;
	str_copy(o->tenant, sizeof(o->tenant), tenant);
	str_copy(o->call_id, sizeof(o->call_id), call_id);
	str_copy(o->media, sizeof(o->media), media);
	snprintf(key, sizeof(key), "%s.%s", tenant, call_id);
	if (bus_kv_get(cc->kv, key, on_looked, o))
		mem_free(o); /* media says it again */
}
