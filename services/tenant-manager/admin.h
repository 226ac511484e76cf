/*
 * admin: AdminService on the gRPC server: every method of every kind of resource by one table. Loop thread.
 */
#ifndef TM_ADMIN_H
#define TM_ADMIN_H

#include "request.h"

struct admin;

err_t admin_new(struct admin **ret, struct manager *tm) MUST;
/* Adds the methods to tm->server, which exists now (its authorize function needs the admin). */
err_t admin_start(struct admin *admin) MUST;
void admin_free(struct admin **admin);
/* For rpc_server_params.authorize; arg is the struct admin. */
err_t admin_authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg);
/* For rpc_server_params.recheck, with the same arg. */
err_t admin_recheck(struct rpc_call *call, struct err_detail *detail, void *arg);

/* For the methods with handlers of their own (upload.c): a job for a call. */
err_t job_new(struct job **ret, struct manager *tm, const struct method *m, struct rpc_call *call) MUST;
/* Runs the method's operation for the tenant of the request (which may be ""), answers, frees the job. */
void job_start(struct job *j);
/* Answers with an error and frees the job. */
void job_fail(struct job *j, err_t e);
/* The caller may act for the tenant in the request. */
err_t job_check_tenant(struct job *j) MUST;

#endif
