/* call-control: one state machine per call (README.md). */
#include <stdio.h>

#include "control.h"

int main(int argc, char **argv)
{
	struct control_config cfg = { 0 };
	struct service *svc = NULL;
	struct control *cc = NULL;
	struct err_detail detail = { "", "" };
	err_t e;

	e = service_new(&svc, "call-control", control_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = control_new(&cc, svc, &cfg, &detail);
	if (e)
		fprintf(stderr, "call-control: %s: %s: %s\n", err_name(e), detail.field, detail.message);
	else
		service_run(svc);
	control_free(&cc);
	service_free(&svc);
	return service_exit_code(e);
}
