/*
 * testkit: what tests need around them: private directories, free ports, real components (NATS, PostgreSQL, Kafka) that
 * live and die with the test, certificates, waiting on a condition, and running a test with the allocator failing.
 *
 * For tests only. What cannot be set up ends the test program with a message (exit 1), so nothing here returns an
 * error. Everything that was started is killed and every directory removed when the program exits; if it crashes, the
 * kernel kills the components (they are bound to the thread that started them: use the main thread) and a guard process
 * removes the directories. Not thread-safe.
 *
 *	struct testkit_nats nats;
 *	testkit_nats_start(&nats, true);                 // ready for clients at nats.url
 *	…
 *	assert_true(testkit_wait_loop(loop, has_message, self, 2000));
 *	testkit_nats_stop(&nats);
 */
#ifndef TESTKIT_TESTKIT_H
#define TESTKIT_TESTKIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"

#define TESTKIT_PATH 128

/* Prints to standard error and exits with 1. */
_Noreturn void testkit_die(const char *fmt, ...) PRINTF(1, 2);

/* ---- files and ports ---- */
/* A new private directory below $TMPDIR, short enough for a Unix socket in it; returns buf. */
const char *testkit_dir(char buf[TESTKIT_PATH]);
/* dir/name of a file with that text, readable by its owner only; returns buf. */
const char *testkit_file(const char *dir, const char *name, const char *text, char buf[TESTKIT_PATH + 64]);
/* Appends the whole file. */
void testkit_read(const char *path, struct str *out);
/* A port of 127.0.0.1 that was free a moment ago. */
int testkit_tcp_port(void);
int testkit_udp_port(void);
/* dir/NAME.pem and dir/NAME.key, signed by dir/ca.pem (made when missing): CN=name, SAN DNS:name, DNS:localhost,
 * IP:127.0.0.1; for servers and clients. */
void testkit_certificate(const char *dir, const char *name);

/* ---- waiting ---- */
/* What a wait allows is time in which it could look: from one look to the next at most 100 ms count, so a machine that stands still, or
 * gives us no CPU, does not end it. Who measures how long something takes asks the clock. */
/* Polls each 5 ms; false after timeout_ms. */
bool testkit_wait(bool (*fn)(void *arg), void *arg, int64_t timeout_ms);
/* Turns the loop until fn is true. */
bool testkit_wait_loop(struct loop *loop, bool (*fn)(void *arg), void *arg, int64_t timeout_ms);
bool testkit_wait_flag(struct loop *loop, const bool *flag, int64_t timeout_ms);
bool testkit_wait_tcp(int port, int64_t timeout_ms);

/* ---- metrics ---- */
/* What this process' own page shows: "trunkline_config_revision", "…_seconds_count"; -1: it is not there. */
int64_t testkit_metric(const char *name);

/* ---- processes ---- */
struct testkit_proc {
	pid_t pid; /* 0: not running */
	char log[TESTKIT_PATH + 64];
};
struct testkit_spawn {
	const char *const *argv;
	const char *const *env; /* NULL-terminated "K=V", added to the environment; NULL: none */
	const char *log;	/* file for stdout and stderr; NULL: inherited */
	uid_t uid;		/* 0: as we are */
	gid_t gid;
	int death_signal; /* when we die; 0: SIGKILL */
};
void testkit_spawn(struct testkit_proc *p, const struct testkit_spawn *how);
bool testkit_proc_running(struct testkit_proc *p);
/* Sends signo, waits, SIGKILL after timeout_ms; returns the exit code, or 128 + signal. No-op if not running. */
int testkit_proc_stop(struct testkit_proc *p, int signo, int64_t timeout_ms);
/* SIGSTOP, and waits until every thread stands: kill() returns before, and on a busy machine a process goes on for a while. SIGCONT wakes it. */
void testkit_stand_still(pid_t pid);
/* Runs to the end (at most timeout_ms, then killed); out: stdout and stderr, or NULL. Exit code, or 128 + signal. */
int testkit_run(const char *const *argv, struct str *out, int64_t timeout_ms);

/* ---- components ---- */
struct testkit_nats {
	struct testkit_proc proc;
	char dir[TESTKIT_PATH]; /* configuration, log, JetStream files */
	char url[64];
	int port;
};
/* Binary: $TRUNKLINE_NATS_SERVER, or what tools/deps installed. */
void testkit_nats_start(struct testkit_nats *n, bool jetstream);
/* conf: further lines for the server's configuration (leafnodes { … }, tls { … }, authorization { … }). */
void testkit_nats_start_conf(struct testkit_nats *n, bool jetstream, const char *conf);
/* Ends it (SIGKILL) and starts it again: same port, same files. */
void testkit_nats_restart(struct testkit_nats *n);
void testkit_nats_kill(struct testkit_nats *n);
void testkit_nats_stop(struct testkit_nats *n);

struct testkit_postgres {
	struct testkit_proc proc;
	char dir[TESTKIT_PATH];	     /* Unix socket, data, log */
	char dsn[TESTKIT_PATH + 64]; /* of the superuser "postgres" */
};
void testkit_postgres_start(struct testkit_postgres *p);
void testkit_postgres_restart(struct testkit_postgres *p);
void testkit_postgres_kill(struct testkit_postgres *p);
void testkit_postgres_stop(struct testkit_postgres *p);

struct testkit_kafka {
	struct testkit_proc proc;
	char dir[TESTKIT_PATH];
	char brokers[64];
	int port, controller_port;
};
/* One KRaft broker, topics created on first use with one partition. */
void testkit_kafka_start(struct testkit_kafka *k);
void testkit_kafka_restart(struct testkit_kafka *k);
void testkit_kafka_kill(struct testkit_kafka *k);
void testkit_kafka_stop(struct testkit_kafka *k);

/* ---- memory ---- */
/* Runs fn with the allocator refusing after 0, 1, 2, … blocks until a run meets no refusal, which must return ERR_OK.
 * A run that met one must return ERR_OK (it managed without) or ERR_EXHAUSTED; anything else ends the test. */
void testkit_each_alloc_failure(err_t (*fn)(void *arg), void *arg);

#endif
