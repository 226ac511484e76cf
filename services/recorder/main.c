#include "log/log.h"
#include "recorder.h"

int main(int argc, char **argv)
{
	struct recorder_config cfg = { 0 };
	struct err_detail detail = { "", "" };
	struct recorder *recorder = NULL;
	struct service *svc = NULL;
	err_t e;

	e = service_new(&svc, "recorder", recorder_config_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = recorder_new(&recorder, svc, &cfg, &detail);
	if (e)
		LOG_ERROR(NULL, "service.start_failed", "field=%s message=%s error=%s", detail.field,
			  LOG_Q(detail.message), err_name(e));
	else
		service_run(svc);
	recorder_free(&recorder);
	service_free(&svc);
	return service_exit_code(e);
}
