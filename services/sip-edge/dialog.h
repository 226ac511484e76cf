/*
 * dialog: one leg of a call as it lives here: the state of leg.h and renego.h, its owner and epoch, the SDP of both sides,
 * and Sofia's objects. The life is decided by the tables; dialog_event() moves it, performs the row's actions and tells
 * the owner. After dialog_event() a dialog may be gone: callers do not touch it again.
 */
#ifndef SIP_EDGE_DIALOG_H
#define SIP_EDGE_DIALOG_H

#include "base/table.h"
#include "edge.h"
#include "leg.h"
#include "renego.h"
#include "sip/sesstimer.h"
#include "sip/sip_user.h"

struct nta_leg_s;
struct nta_incoming_s;
struct nta_outgoing_s;
struct trunk_use;

#define DIALOG_BRANCHES REG_CONTACTS

/* SDP kept as bytes, NUL-terminated for Sofia. */
struct blob {
	char *text; /* NULL: none */
	size_t size;
};

/* One INVITE of a forked outbound leg. */
struct branch {
	struct dialog *dialog;
	struct nta_leg_s *leg;
	struct nta_outgoing_s *invite;
	char route[96];
	char *ruri, *path;
	unsigned status;      /* final one; 0: none yet */
	unsigned provisional; /* last one told */
	uint32_t session_s;
	unsigned attempts;
	bool cancelled, cancel_sent;
	char *cancel_reason; /* a Reason field for the CANCEL; NULL: none */
};

struct dialog {
	UT_hash_handle hh;
	TAILQ_ENTRY(dialog) offers; /* while it is one that nobody has taken */
	TAILQ_ENTRY(dialog) heard;
	int64_t heard_ms; /* monotonic: last word of a call-control */
	struct edge *edge;
	char leg_id[64], call_id[64], tenant[64], owner[64];
	char agent_id[64], trunk_id[64], queue_id[64];
	uint64_t epoch;
	bool outbound, claimed, saved, reoffered;
	int controller;	  /* that has the offer and has not taken it */
	int64_t asked_ms; /* monotonic: since when one that we thought alive has had it */
	enum leg_state state;
	enum renego_state renego;
	unsigned busy;

	/* what LegEnded said, to be said again */
	bool told_ended, ended_by_us;
	unsigned ended_status;
	char ended_cause[24];

	struct trunk_use *trunk_use;
	struct nta_leg_s *leg;
	struct nta_incoming_s *invite;	   /* inbound INVITE */
	struct nta_incoming_s *reinvite;   /* re-INVITE or UPDATE that waits, or whose ACK is awaited */
	struct nta_incoming_s *refresh_in; /* re-INVITE that changed nothing, answered here, its ACK awaited */
	struct nta_outgoing_s *reinvite_out, *refresh_out, *bye;
	struct ack *ack;	      /* owed; NULL: none (ack.h) */
	struct nta_outgoing_s *probe; /* OPTIONS: is the phone still there? */
	bool reinvite_authed, bye_authed;
	char *sip_call_id, *local, *remote; /* as header values, with tags; from when the dialog is established */
	char *headers;			    /* further ones of our INVITE */
	char to_uri[128];		    /* of the outbound INVITE */
	size_t n_branches;
	struct branch branches[DIALOG_BRANCHES];

	char route[96];		    /* where in-dialog requests really go; "": by route set and target */
	char contact[EDGE_CONTACT]; /* ours, told to this peer */
	struct blob local_sdp, remote_sdp;
	struct blob kept_sdp;	 /* to be offered when its turn comes */
	struct blob sent_sdp;	 /* offered, not answered yet */
	struct blob kept_invite; /* inbound: InviteRecord, for the offer; none once it is taken */
	uint32_t reoffers;	 /* LegReoffer given so far */
	bool reoffer_update;	 /* the waiting one is an UPDATE */
	bool reoffer_late;	 /* it had no SDP: the answer comes in the ACK */
	bool reinvite_is_refresh;
	bool late_offer; /* inbound INVITE without SDP */
	bool peer_updates;
	struct sesstimer session;
	int64_t refreshed_wall_ms;
	struct loop_timer timer; /* offer taken, ring time */
	struct loop_timer refresh_timer, expiry_timer, renego_timer, save_timer, probe_timer;
	char caller[SIP_USER_MAX], called[SIP_USER_MAX], caller_name[SIP_NAME_MAX];
	int64_t born_ms, born_mono_ms;
	int64_t ring_until_ms; /* monotonic; outbound */
	bool replied;	       /* the phone has answered our INVITE with something */
};

/* What came with an event. */
struct dialog_input {
	unsigned status;
	const char *reason;
	unsigned retry_after_s;
	struct edge_bytes sdp;
	const struct edge_command *command;
	struct branch *branch;
};

/* Empty ids: chosen here. Counted and listed; NULL: no memory. */
struct dialog *dialog_new(struct edge *e, const char *tenant, const char *call_id, const char *leg_id,
			  bool outbound) MUST;
struct dialog *dialog_find(struct edge *e, const char *leg_id);
void dialog_free(struct dialog *d);
/* A call-control has said something about it. */
void dialog_heard_of(struct dialog *d);
/* A call-control has taken the offer (any command says so). */
void dialog_claim(struct dialog *d);
/* Offers at an instance that is not heard any more, or at the one that is lost, go to another. */
void dialog_offers_check(struct edge *e, int lost);
void dialog_event(struct dialog *d, enum leg_event ev, const struct dialog_input *in);
/* Returns the row's actions: who holds the request answers RENEGO_REPLY_491 and _BUSY. */
unsigned dialog_renego(struct dialog *d, enum renego_event ev, const struct dialog_input *in);
/* The first answer of any kind to our INVITE: now it may ring as long as it was told to. */
void dialog_replied(struct dialog *d);
/* Session timers from d->session: (re)start after a refresh by either side. */
void dialog_refreshed(struct dialog *d);
/* Writes the checkpoint of an established leg. */
void dialog_save(struct dialog *d);
/* Events to the owner. */
void dialog_tell(struct dialog *d, struct edge_event *ev);
void dialog_tell_ended_again(struct dialog *d);
/* Empty bytes: none. false: no memory (the old content stays). */
bool blob_set(struct blob *b, struct edge_bytes bytes);
void blob_done(struct blob *b);
struct log_ctx dialog_log(const struct dialog *d);
/* An established leg from KV. */
void dialog_adopt(struct edge *e, const struct leg_record *r);
/* Phones that ring are told to stop, offers that nobody has taken are refused; offers_wait: not yet. */
void dialog_drain_all(struct edge *e, bool offers_wait);
/* Nothing is left but what the next process can go on with. */
bool dialog_all_last(const struct edge *e);
/* The process ends: freed without a word to the peer, because the next one goes on with it. */
void dialog_leave(struct dialog *d);

/* What we hold of the leg, to its owner. */
void dialog_tell_state(struct dialog *d);

/* ---- actions, in the *_nta.c files ---- */
void inbound_provisional(struct dialog *d, struct edge_bytes sdp);
/* The INVITE that an earlier life of this process has not answered, as call-control kept it, is a leg again; false: it cannot be. */
bool inbound_revive(struct edge *e, const struct edge_command *c, const char *owner);
void inbound_accept(struct dialog *d, struct edge_bytes sdp);
void inbound_refuse(struct dialog *d, unsigned status, const char *reason, unsigned retry_after_s);
void outbound_dial(struct dialog *d, const struct edge_command *c);
void outbound_cancel(struct dialog *d, const char *reason);
/* The agent's phone may still ring for a leg that an earlier life of this process dialled. */
void outbound_cancel_unknown(struct edge *e, const struct edge_command *c);
/* The branch becomes the dialog: ACK, others CANCELled. */
void outbound_take(struct dialog *d, struct branch *b);
/* Its INVITE, if it waits for an answer, lives on without the dialog until it has one. */
void outbound_branch_done(struct branch *b);
void indialog_bye(struct dialog *d, const char *reason);
void indialog_reinvite(struct dialog *d, const struct blob *sdp, bool refresh);
/* false: the peer has no UPDATE; a re-INVITE must do. */
bool indialog_update_refresh(struct dialog *d);
/* Final answer to the waiting re-INVITE or UPDATE. sdp empty: none. */
void indialog_reanswer(struct dialog *d, unsigned status, struct edge_bytes sdp, bool retry_after);
void indialog_release(struct dialog *d);
/* Asks the phone whether it still knows the dialog: LegState follows, or the leg ends (phone-gone, bye-lost). */
void probe_start(struct dialog *d);
/* Nothing came in time. */
void probe_over(struct dialog *d);
/* Fills what only Sofia knows; strings live in the su_home given as its address. */
bool adopt_describe(const struct dialog *d, struct leg_record *r, void **ret_home);
void adopt_release(void *home); /* NULL-safe */
bool adopt_restore(struct dialog *d, const struct leg_record *r);

#endif
