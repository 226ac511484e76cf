/* event-bridge: JetStream → Kafka (README.md). */
#include "bridge.h"

#include "log/log.h"

int main(int argc, char **argv)
{
	struct bridge_config cfg = { 0 };
	struct err_detail detail = { "", "" };
	struct service *svc = NULL;
	struct bridge *bridge = NULL;
	err_t e;

	e = service_new(&svc, "event-bridge", bridge_config_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = bridge_new(&bridge, svc, &cfg, &detail);
	if (e)
		LOG_ERROR(NULL, "service.start_failed", "error=%s field=%s message=%s", err_name(e), detail.field,
			  LOG_Q(detail.message));
	else
		service_run(svc);
	bridge_free(&bridge);
	service_free(&svc);
	return service_exit_code(e);
}
