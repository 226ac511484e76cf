/* tenant-manager: who the tenants are and what they have: AdminService, AuthService; see README.md. */
#include "log/log.h"
#include "manager.h"

int main(int argc, char **argv)
{
	struct manager_config config = { 0 };
	struct service *svc = NULL;
	struct manager *tm = NULL;
	struct err_detail detail = { 0 };
	err_t e = service_new(&svc, "tenant-manager", manager_config_items, &config, argc, argv);

	if (e)
		return service_exit_code(e);
	e = manager_new(&tm, svc, &config, &detail);
	if (e)
		LOG_ERROR(NULL, "service.start_failed", "error=%s field=%s detail=%s", err_name(e), detail.field,
			  LOG_Q(detail.message));
	else
		service_run(svc);
	manager_free(&tm);
	service_free(&svc);
	return service_exit_code(e);
}
