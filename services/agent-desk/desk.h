/*
 * desk: the agents' door to the platform: AgentService over gRPC (trunkline/desk/v1/agent_service.proto).
 *
 * It holds no state of its own that matters: an agent's state is its record in KV `agents` (libs/agents), which commands
 * change by compare-and-set and streams are told of by its watch. So any number of desks run side by side, and one that
 * is killed loses nothing but its connections: clients come back, to any desk, and are told the present state first.
 *
 * One loop. desk.c wires; commands.c changes states; streams.c tells; offers.c looks up the call behind a reservation;
 * sign_in.c and seats.c count who is signed in, where that is limited; queues.c keeps what routers say of their queues; facts.c shows the tenant's events to leads.
 */
#ifndef AGENT_DESK_DESK_H
#define AGENT_DESK_DESK_H

#include <stdbool.h>
#include <stdint.h>
#include "agents/agents_store.h"
#include "apirate/apirate.h"
#include "auth/auth.h"
#include "base/err.h"
#include "bus/bus.h"
#include "config/config.h"
#include "metrics/metrics.h"
#include "revoked/revoked.h"
#include "rpc/rpc.h"
#include "service/service.h"
#include "tenantconf/tenantconf.h"

/* How soon changes of agents are seen: while somebody looks at a screen, and while nobody does. */
#define DESK_SCREEN_MS 40
#define DESK_NOBODY_MS 250

struct streams;
struct queues;
struct facts;
struct sign_ins;
struct events;

struct desk_config {
	char *grpc_address;
	char *tls_ca_file, *tls_cert_file, *tls_key_file;
	char *public_key_file;
};
extern const struct config_item desk_items[];

struct desk {
	struct service *svc;
	struct loop *loop;
	struct bus *bus;
	struct bus_kv *calls; /* checkpoints of call-control, read only */
	struct events *events;
	struct agents_store *agents;
	struct tenantconf *conf;
	struct auth_verifier *verifier;
	struct revoked *revoked;
	struct apirate *apirate;
	struct rpc_server *server;
	struct streams *streams;
	struct queues *queues;
	struct facts *facts;
	struct sign_ins *sign_ins;
	const char *site, *instance;
	char source[96];
};

err_t desk_new(struct desk **ret, struct service *svc, const struct desk_config *cfg, struct err_detail *detail) MUST;
void desk_free(struct desk **desk);

/* The authenticated caller; set before every handler. */
const struct auth_user *desk_user(const struct rpc_call *call);
/* Which agent a request is about: the caller itself, or, for a lead, another one. ERR_NOT_FOUND hides the rest. */
err_t desk_agent_of(const struct rpc_call *call, const char *requested, const char **ret,
		    struct err_detail *detail) MUST;
/* Has desk.supervise. */
bool desk_is_lead(const struct rpc_call *call);
/* "" if it is not configured any more. */
const char *desk_agent_name(const struct desk *d, const char *tenant, const char *agent_id);

/* ---- commands.c ---- */
err_t commands_add(struct desk *d) MUST;

/* ---- metrics.c ---- */
extern struct metric desk_metric_commands, desk_metric_refused, desk_metric_streams, desk_metric_slow,
    desk_metric_offers, desk_metric_bad_messages;
void desk_metrics_register(void);

#endif
