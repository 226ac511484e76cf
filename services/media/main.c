#include <stdio.h>

#include "log/log.h"
#include "media.h"

int main(int argc, char **argv)
{
	struct media_config cfg = { 0 };
	struct err_detail detail = { "", "" };
	struct service *svc = NULL;
	struct media *media = NULL;
	err_t e;

	e = service_new(&svc, "media", media_config_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = media_new(&media, svc, &cfg, &detail);
	if (e)
		LOG_ERROR(NULL, "service.start_failed", "field=%s message=%s error=%s", detail.field,
			  LOG_Q(detail.message), err_name(e));
	else
		service_run(svc);
	media_free(&media);
	service_free(&svc);
	return service_exit_code(e);
}
