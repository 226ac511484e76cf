/* router: gives waiting calls to agents (README.md). */
#include <stdio.h>

#include "router.h"

int main(int argc, char **argv)
{
	struct router_config cfg = { 0 };
	struct service *svc = NULL;
	struct router *r = NULL;
	struct err_detail detail = { "", "" };
	err_t e = service_new(&svc, "router", router_items, &cfg, argc, argv);

	if (e)
		return service_exit_code(e);
	e = router_new(&r, svc, &cfg, &detail);
	if (e)
		fprintf(stderr, "router: %s: %s: %s\n", err_name(e), detail.field, detail.message);
	else
		service_run(svc);
	if (!e && router_failed(r))
		e = ERR_EXHAUSTED;
	router_free(&r);
	service_free(&svc);
	return service_exit_code(e);
}
