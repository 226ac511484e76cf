/*
 * token: which tokens were made, in tm.token (GT-3): written down in the transaction that grants one, before it is signed. On a database worker.
 *
 *	e = token_note(tx, &(struct token_note){ .user = &user, .author = giver->subject, .now_s = now_s, .lifetime_s = 3600 });
 */
#ifndef TM_TOKEN_H
#define TM_TOKEN_H

#include "auth/auth.h"
#include "db/db.h"
#include "kind.h"

extern const struct kind token_kind;

#define TOKEN_ROLES_MAX 16
struct token_note {
	const struct auth_user *user;	  /* with its token_id and rights, as it is to be signed */
	char *const *roles;		  /* the tenant's and built-in ones beside the scopes */
	size_t n_roles;			  /* at most TOKEN_ROLES_MAX */
	const char *author, *operator_id; /* operator_id: whose it is, NULL: of no Operator */
	bool is_given;			  /* by CreateToken: it counts */
	int64_t now_s, lifetime_s;
};
/* In a transaction of the user's tenant, of no tenant for an operator. One that is there stays as it is. */
err_t token_note(struct db_tx *tx, const struct token_note *t) MUST;
/* Live tokens made by CreateToken: by one maker and by all, in the transaction's tenant; in one of no tenant: of operators. */
struct token_limits {
	int64_t of_maker, of_owner;
};
/* ERR_EXHAUSTED: there is no room for one more; it names the limit. Exact: until the transaction ends nobody else makes one there. */
err_t token_check_room(struct db_tx *tx, const char *maker, const struct token_limits *limits,
		       struct err_detail *detail) MUST;
/* ERR_UNAUTHENTICATED: the token that this user came with is withdrawn, whether the services were told of it or not (GT-3). In any transaction;
 * who came with a token without an id, or with none, as an import that goes on, is let in. */
err_t token_check(struct db_tx *tx, const struct auth_user *user, struct err_detail *detail) MUST;
/* All live ones of an Operator. In a transaction of no tenant. */
err_t token_withdraw(struct db_tx *tx, const char *operator_id, const char *by) MUST;
/* Names of the permissions in a set, for people; how many. */
size_t token_rights(uint64_t set, char *names[RIGHTS_END]);

#endif
