/* reporting: what events count for (README.md). */
#include <stdio.h>

#include "reporting.h"

int main(int argc, char **argv)
{
	struct reporting_config cfg = { 0 };
	struct service *svc = NULL;
	struct reporting *r = NULL;
	struct err_detail detail = { "", "" };
	err_t e;

	e = service_new(&svc, "reporting", reporting_items, &cfg, argc, argv);
	if (e)
		return service_exit_code(e);
	e = reporting_new(&r, svc, &cfg, &detail);
	if (e)
		fprintf(stderr, "reporting: %s: %s: %s\n", err_name(e), detail.field, detail.message);
	else
		service_run(svc);
	reporting_free(&r);
	service_free(&svc);
	return service_exit_code(e);
}
