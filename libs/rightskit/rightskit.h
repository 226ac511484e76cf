/*
 * rightskit: for tests: every method of a running service, asked with a token that has all permissions but the method's, which
 * must be denied and told which it lacks, and with one that has nothing else, which must not be denied (GT-3). What is not as it
 * must be ends the test program.
 *
 *	rightskit_check(&trunkline__desk__v1__agent_service__descriptor, "127.0.0.1:9091", signer, "1001");
 */
#ifndef RIGHTSKIT_RIGHTSKIT_H
#define RIGHTSKIT_RIGHTSKIT_H

#include "auth/auth.h"
#include "rpc/rpc.h"

/* Requests are empty messages; the tokens are of tenant acme, and of this agent if agent is not "". */
void rightskit_check(const ProtobufCServiceDescriptor *service, const char *target, const struct auth_signer *signer,
		     const char *agent);
/* One call of any kind of method, with a token of tenant acme and these permissions; req NULL: an empty message. The first
 * message of a stream, or 20 s without one, is a success, too. */
err_t rightskit_call(const ProtobufCMethodDescriptor *method, const ProtobufCServiceDescriptor *service,
		     const char *target, const struct auth_signer *signer, const char *agent, uint64_t rights,
		     const ProtobufCMessage *req, struct err_detail *detail) MUST;
/* A token is let in; withdrawn over this NATS it is refused within a second, and so is a call that it had opened, when its message comes. */
void rightskit_check_revoked(const ProtobufCServiceDescriptor *service, const char *target,
			     const struct auth_signer *signer, const char *agent, const char *nats_url);
/* Gives tenant acme a new configuration, with one request a second (GT-3.1.2c): each method, streams among them, is refused within some seconds, with
 * the quota's name and the time to wait; with another configuration, without that limit, it is not. */
void rightskit_check_limited(const ProtobufCServiceDescriptor *service, const char *target,
			     const struct auth_signer *signer, const char *agent, const char *nats_url);
/* The token of tenant acme with this id is withdrawn, as tenant-manager does it. */
void rightskit_revoke(const char *nats_url, const char *token_id);
/* tenant-manager's mark, without which a service that starts lets nobody in. */
void rightskit_none_revoked(const char *nats_url);
/* Makes token.key and token.pub in the directory. */
struct auth_signer *rightskit_signer(const char *dir);

#endif
