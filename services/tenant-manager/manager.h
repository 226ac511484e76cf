/*
 * manager: what the parts of tenant-manager share.
 *
 *	admin.c       gRPC methods → jobs on database workers → answers
 *	admin_wire.c  request messages → struct request
 *	ops_*.c       what a job does, inside one transaction
 *	publisher.c   outbox → KV, prompt store, events
 *	upload.c      UploadPrompt;  audio.c: any file → 8 kHz
 *	importer.c    CreateImport: a table of agents or numbers → rows (import_run.h)
 *	sensitive.c   what is stored encrypted, and the key for it
 *	ops_rotation.c  another key;  rotation.c: how far the services are with it
 *	quota.c       what a tenant may have; how often it may ask: libs/apirate
 *	deletion.c  what deleting a tenant decides; ops_deletion.c: the mark, the way back; purge.c: what goes
 *	login.c       AuthService;  bootstrap.c: the first operator's token
 *	token.c       which tokens were made;  revoker.c: those that are withdrawn → KV;  token_uses.c: when they were used
 */
#ifndef TM_MANAGER_H
#define TM_MANAGER_H

#include "apirate/apirate.h"
#include "auth/auth.h"
#include "bus/bus.h"
#include "db/db.h"
#include "events/events.h"
#include "promptstore/promptstore.h"
#include "revoked/revoked.h"
#include "rpc/rpc.h"
#include "service/service.h"
#include "manager_config.h"

struct publisher;
struct importer;

struct manager {
	const struct manager_config *config;
	struct service *service;
	struct loop *loop;
	struct bus *bus;
	struct db *db;
	struct db *login_db; /* passwords are slow on purpose: their own workers, so that nothing else waits for them */
	struct db *import_db; /* imports take seconds: their own worker */
	struct rpc_server *server;
	struct auth_verifier *verifier;
	struct auth_signer *signer;
	struct revoked *revoked;
	struct revoker *revoker;
	struct token_uses *token_uses;
	struct events *events;
	struct promptstore *prompts;
	struct publisher *publisher;
	struct importer *importer;
	struct admin *admin;
	struct bootstrap *bootstrap;
	struct throttle *throttle;
	struct tenantconf *conf; /* as published, for apirate */
	struct apirate *apirate;
	uint8_t *master_key; /* SEALED_KEY bytes; NULL: there is none */
	struct purge *purge;
	struct rotation *rotation;
};

err_t manager_new(struct manager **ret, struct service *svc, const struct manager_config *config,
		  struct err_detail *detail) MUST;
void manager_free(struct manager **tm);

#endif
