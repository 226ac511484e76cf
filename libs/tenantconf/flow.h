/*
 * flow: an IVR flow as the call controller executes it (GT-4): plain steps with resolved references. Immutable, part of a
 * tenant's snapshot (tenant.h): a call that holds the snapshot (tenant_ref) keeps the flow version it started with.
 *
 * Execution starts at steps[0]. `next` and the other exits are indexes into steps; FLOW_END: hang up with cause normal.
 */
#ifndef TENANTCONF_FLOW_H
#define TENANTCONF_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tenant_prompt;
struct tenant_queue;

#define FLOW_END	  (-1)
#define FLOW_STEPS_MAX	  1000
#define FLOW_VARIABLE_MAX 32  /* name, with its NUL: [a-z][a-z0-9_]{0,30} */
#define FLOW_VALUE_MAX	  256 /* bytes of a value, with its NUL */
#define FLOW_DIGITS_MAX	  32

enum flow_kind {
	FLOW_ANSWER,
	FLOW_PLAY,
	FLOW_COLLECT,
	FLOW_BRANCH,
	FLOW_SET,
	FLOW_QUEUE,
	FLOW_RING_AGENT,
	FLOW_RECORD,
	FLOW_HANG_UP,
};

struct flow_prompts {
	size_t n;
	const struct tenant_prompt *const *list;
};
struct flow_case {
	const char *value;
	int next;
};

struct flow_step {
	const char *id;
	enum flow_kind kind;
	int next;
	union {
		struct {
			struct flow_prompts prompts;
			bool interruptible;
		} play;
		struct {
			const char *variable;
			struct flow_prompts prompts;
			unsigned min_digits, max_digits;	    /* 0…32, 1…32 */
			int64_t first_timeout_ms, digit_timeout_ms; /* defaults are filled in */
			const char *terminators, *reset_keys;	    /* "#", "*" unless given */
			unsigned tries;				    /* ≥ 1 */
			int on_failure;				    /* = next unless given */
		} collect;
		struct {
			const char *variable;
			size_t n_cases;
			const struct flow_case *cases;
			int otherwise; /* = next unless given */
		} branch;
		struct {
			const char *variable;
			const char *value; /* with ${…}, see flow_expand */
		} set;
		struct {
			const struct tenant_queue *queue; /* never NULL */
			unsigned priority;		  /* 0…10, to be added to the queue's */
			int on_timeout, on_full;	  /* FLOW_END: hang up */
			int on_no_agents;		  /* FLOW_WAIT: wait all the same */
		} queue;
		struct {
			const char *agent_id; /* with ${…} */
			int64_t timeout_ms;
			int on_no_answer, on_busy;
		} ring_agent;
		struct {
			bool on;
		} record;
		struct {
			unsigned status; /* 400…699; 480 unless given */
		} hang_up;
	};
};
#define FLOW_WAIT (-2)

struct flow {
	const char *id;
	const char *display_name;
	int n_steps;
	const struct flow_step *steps;
};

/* "play", "collect" …: as it stands in events. Never NULL. */
const char *flow_kind_name(enum flow_kind kind);
/* Index of a step by id, FLOW_END if there is none (a checkpoint of another version of the flow). */
int flow_find_step(const struct flow *f, const char *id);
/* Replaces ${name} by what lookup returns (NULL: nothing). Writes at most size-1 bytes, never cuts a UTF-8 character;
 * false if it did not fit. Used for set.value and ring_agent.agent_id. */
bool flow_expand(char *dst, size_t size, const char *text, const char *(*lookup)(const char *name, void *arg),
		 void *arg);
/* [a-z][a-z0-9_]{0,30} */
bool flow_variable_ok(const char *name);

#endif
