/* agent-desk: agents and leads at work, over gRPC (README.md). */
#include <stdio.h>

#include "desk.h"

int main(int argc, char **argv)
{
	struct desk_config cfg = { 0 };
	struct service *svc = NULL;
	struct desk *desk = NULL;
	struct err_detail detail = { "", "" };
	err_t e;

	e = service_new(&svc, "agent-desk", desk_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = desk_new(&desk, svc, &cfg, &detail);
	if (e)
		fprintf(stderr, "agent-desk: %s: %s: %s\n", err_name(e), detail.field, detail.message);
	else
		service_run(svc);
	desk_free(&desk);
	service_free(&svc);
	return service_exit_code(e);
}
