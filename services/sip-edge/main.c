#include "edge.h"
#include "sip/sofia_names.h"
#include "sip/sofia_tls.h"

#include <stdio.h>

/* Takes the place of Sofia's, which leaks; it must stand in an object of the program itself. See sip/sofia_tls.h. */
void tls_free(void *tls);
void tls_free(void *tls)
{
	sofia_tls_free(tls);
}

/* Sofia's looks up names that a message brings, and waits. See sip/sofia_names.h. */
int su_getaddrinfo(const char *node, const char *service, const su_addrinfo_t *hints, su_addrinfo_t **res)
{
	return sofia_getaddrinfo(node, service, hints, res);
}

int main(int argc, char **argv)
{
	struct edge_config cfg;
	struct service *svc = NULL;
	struct edge *edge = NULL;
	struct err_detail detail = { "", "" };
	err_t e = service_new(&svc, "sip-edge", edge_config_items, &cfg, argc, argv);

	if (e)
		return service_exit_code(e);
	e = edge_config_check(&cfg, &detail);
	if (!e)
		e = edge_new(&edge, svc, &cfg, &detail);
	if (e)
		LOG_ERROR(NULL, "service.failed", "error=%s field=%s message=%s", err_name(e), LOG_Q(detail.field),
			  LOG_Q(detail.message));
	else
		service_run(svc);
	edge_free(&edge);
	service_free(&svc);
	return service_exit_code(e);
}
