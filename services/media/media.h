/*
 * media: the engine on the bus: commands in, events and heartbeats out; joins the deciding core (legs) with the streams
 * (engine), the prompts and the recordings. Control thread.
 *
 *	struct media *m;
 *	err_t e = media_new(&m, svc, &cfg, &detail);
 *	service_run(svc);
 *	media_free(&m);
 */
#ifndef MEDIA_MEDIA_H
#define MEDIA_MEDIA_H

#include "media_config.h"
#include "service/service.h"

struct media;

err_t media_new(struct media **ret, struct service *svc, const struct media_config *cfg,
		struct err_detail *detail) MUST;
void media_free(struct media **m);

#endif
