/*
 * The pool: worker threads, each with a connection of its own, take jobs from one list in which tenants take turns. Finished
 * jobs go to a second list and an eventfd wakes the loop: so completing a job allocates nothing and cannot fail.
 */
#include "db/db_internal.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "fair/fair.h"
#include "metrics/metrics.h"

#define ATTEMPTS       4 /* the first and 3 repetitions */
#define JOBS_MAX       10000
#define TENANT_MAX     (JOBS_MAX / 2)
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define CHECK_MS       1000 /* an idle connection is looked at this often */

static struct metric wait_seconds =
    METRIC_HISTOGRAM("trunkline_db_wait_seconds", "jobs for PostgreSQL: how long each waited for a worker");

struct job {
	struct fair_item wait; /* first: one is the other */
	struct job *next;
	char *tenant;
	err_t (*fn)(struct db_tx *tx, void *arg);
	void *arg;
	void (*done)(err_t e, void *arg);
	void *done_arg;
	int64_t asked_us;
	int64_t give_up_ms; /* no connection until then: ERR_UNAVAILABLE */
	err_t result;
	bool waited; /* db_run_wait: the caller sleeps on db->finished */
	bool complete;
};
struct job_list {
	struct job *first, **tail;
	size_t n;
};

struct worker {
	struct db *db;
	struct db_conn conn;
	pthread_t thread;
	bool started, up;
	const char *tenant; /* of the job under way; NULL: none, or of no tenant */
	int64_t next_try_ms, backoff_ms;
};

struct db {
	struct loop *loop;
	struct loop_io io;
	int event_fd;
	char *conninfo;
	int64_t wait_ms;
	pthread_mutex_t lock;
	pthread_cond_t work, finished;
	struct fair waiting;
	struct job_list completed;
	int n_up;
	bool stopping;
	size_t n_workers;
	struct worker *workers;
};

static void list_init(struct job_list *l)
{
	*l = (struct job_list){ .tail = &l->first };
}

static void list_add(struct job_list *l, struct job *j)
{
	j->next = NULL;
	*l->tail = j;
	l->tail = &j->next;
	l->n++;
}

static void job_free(struct job *j)
{
	mem_free(j->tenant);
	mem_free(j);
}

/* With the lock held. */
static void job_complete(struct db *db, struct job *j, err_t e)
{
	uint64_t one = 1;

	j->result = e;
	if (j->waited) {
		j->complete = true;
		pthread_cond_broadcast(&db->finished);
		return;
	}
	list_add(&db->completed, j);
	if (db->completed.n == 1 && db->event_fd >= 0 && write(db->event_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: readable anyway */
}

static void call_done(struct job *j)
{
	if (j->done)
		j->done(j->result, j->done_arg);
	job_free(j);
}

static void call_all_done(struct job *first)
{
	for (struct job *j = first, *next; j; j = next) {
		next = j->next;
		call_done(j);
	}
}

static void on_completed(uint32_t events, void *arg)
{
	struct db *db = arg;
	struct job_list list;
	uint64_t n;

	(void)events;
	if (read(db->event_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&db->lock);
	list = db->completed;
	list_init(&db->completed);
	pthread_mutex_unlock(&db->lock);
	call_all_done(list.first);
}

/* ---- workers ---- */

static void set_up_state(struct worker *w, bool up)
{
	pthread_mutex_lock(&w->db->lock);
	w->db->n_up += (int)up - (int)w->up;
	w->up = up;
	pthread_mutex_unlock(&w->db->lock);
}

/* One attempt unless it is too early for one. */
static bool try_connect(struct worker *w)
{
	char error[DB_ERROR_TEXT];
	int64_t now_ms = clock_mono_ms();

	if (db_conn_alive(&w->conn))
		return true;
	db_conn_close(&w->conn);
	set_up_state(w, false);
	if (now_ms < w->next_try_ms)
		return false;
	if (!db_conn_open(&w->conn, w->db->conninfo, error)) {
		w->backoff_ms = BACKOFF_MIN_MS;
		w->next_try_ms = 0;
		set_up_state(w, true);
		return true;
	}
	w->next_try_ms = clock_mono_ms() + w->backoff_ms;
	w->backoff_ms = w->backoff_ms * 2 < BACKOFF_MAX_MS ? w->backoff_ms * 2 : BACKOFF_MAX_MS;
	return false;
}

/* With the lock held: sleeps until woken or until_ms (monotonic). */
static void sleep_until(struct db *db, int64_t until_ms)
{
	struct timespec ts = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

	pthread_cond_timedwait(&db->work, &db->lock, &ts);
}

static bool stopping(struct db *db)
{
	pthread_mutex_lock(&db->lock);
	bool yes = db->stopping;
	pthread_mutex_unlock(&db->lock);
	return yes;
}

/* Until connected (true), or give_up_ms has passed, or the pool stops. */
static bool wait_connected(struct worker *w, int64_t give_up_ms)
{
	while (!try_connect(w)) {
		int64_t now_ms = clock_mono_ms();

		if (now_ms >= give_up_ms || stopping(w->db))
			return false;
		int64_t until_ms = w->next_try_ms < give_up_ms ? w->next_try_ms : give_up_ms;
		usleep((useconds_t)(until_ms - now_ms < 50 ? until_ms - now_ms + 1 : 50) * 1000);
	}
	return true;
}

static err_t run_job(struct worker *w, struct job *j)
{
	err_t e = ERR_UNAVAILABLE;

	for (int i = 0; i < ATTEMPTS; i++) {
		bool retry;

		if (!wait_connected(w, j->give_up_ms))
			return ERR_UNAVAILABLE;
		e = db_tx_run(&w->conn, j->tenant, j->fn, j->arg, &retry);
		if (!retry)
			break;
		usleep((useconds_t)(i + 1) * 2000);
	}
	return e;
}

/* A tenant whose questions take long leaves one worker to the others, who take turns. What is of no tenant is ours. */
static bool may_run(const char *tenant, void *arg)
{
	const struct db *db = arg;
	size_t busy = 0;

	if (!*tenant || db->n_workers == 1)
		return true;
	for (size_t i = 0; i < db->n_workers; i++)
		busy += db->workers[i].tenant && str_eq(db->workers[i].tenant, tenant);
	return busy < db->n_workers - 1;
}

/* With the lock held. What waits may be somebody else's to take since this one is under way, or another has ended. */
static struct job *next_job(struct worker *w)
{
	struct db *db = w->db;
	struct job *j = (struct job *)fair_take(&db->waiting, may_run, db);

	w->tenant = j ? j->tenant : NULL;
	if (j && db->waiting.n)
		pthread_cond_signal(&db->work);
	return j;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct db *db = w->db;

	for (;;) {
		bool up = try_connect(w);

		pthread_mutex_lock(&db->lock);
		struct job *j = db->stopping ? NULL : next_job(w);
		if (!j && !db->stopping) {
			sleep_until(db, up ? clock_mono_ms() + CHECK_MS : w->next_try_ms);
			j = db->stopping ? NULL : next_job(w);
		}
		bool stop = db->stopping;
		pthread_mutex_unlock(&db->lock);
		if (stop)
			break;
		if (!j)
			continue;
		metric_observe_us(&wait_seconds, clock_mono_us() - j->asked_us);
		err_t e = run_job(w, j);
		pthread_mutex_lock(&db->lock);
		w->tenant = NULL; /* goes with the job */
		job_complete(db, j, e);
		pthread_mutex_unlock(&db->lock);
	}
	db_conn_close(&w->conn);
	return NULL;
}

/* ---- the pool ---- */

static err_t start_workers(struct db *db, const struct db_params *p)
{
	db->n_workers = p->connections > 0 ? (size_t)p->connections : 2;
	db->workers = mem_array(db->n_workers, sizeof(*db->workers));
	if (!db->workers)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < db->n_workers; i++) {
		struct worker *w = &db->workers[i];

		w->db = db;
		w->backoff_ms = BACKOFF_MIN_MS;
		w->conn.statement_timeout_ms = p->statement_timeout_ms > 0 ? p->statement_timeout_ms : 10000;
		int rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc)
			return err_from_errno(rc);
		w->started = true;
	}
	return ERR_OK;
}

static struct db *db_alloc(const struct db_params *p)
{
	pthread_condattr_t attr;
	struct db *db = mem_zalloc(sizeof(*db));

	if (!db)
		return NULL;
	db->loop = p->loop;
	metrics_register(&wait_seconds);
	db->event_fd = -1;
	db->wait_ms = p->wait_ms > 0 ? p->wait_ms : 5000;
	fair_init(&db->waiting);
	list_init(&db->completed);
	pthread_mutex_init(&db->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&db->work, &attr);
	pthread_cond_init(&db->finished, &attr);
	pthread_condattr_destroy(&attr);
	return db;
}

err_t db_new(struct db **ret, const struct db_params *p)
{
	err_t e = ERR_EXHAUSTED;
	struct db *db = db_alloc(p);

	if (!db)
		return ERR_EXHAUSTED;
	db->conninfo = mem_strdup(p->conninfo ? p->conninfo : "");
	if (!db->conninfo)
		goto out;
	if (p->loop) {
		db->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (db->event_fd < 0) {
			e = err_from_errno(errno);
			goto out;
		}
		e = loop_io_start(&db->io, p->loop, db->event_fd, EPOLLIN, on_completed, db);
		if (e) {
			db->loop = NULL;
			goto out;
		}
	}
	e = start_workers(db, p);
out:
	if (e)
		db_free(&db);
	else
		*ret = db;
	return e;
}

static void stop_workers(struct db *db)
{
	pthread_mutex_lock(&db->lock);
	db->stopping = true;
	pthread_cond_broadcast(&db->work);
	pthread_mutex_unlock(&db->lock);
	for (size_t i = 0; db->workers && i < db->n_workers; i++) {
		if (db->workers[i].started)
			pthread_join(db->workers[i].thread, NULL);
	}
}

void db_free(struct db **ref)
{
	struct db *db = *ref;
	struct job *j;

	if (!db)
		return;
	stop_workers(db);
	if (db->loop)
		loop_io_stop(&db->io);
	call_all_done(db->completed.first);
	while ((j = (struct job *)fair_take(&db->waiting, NULL, NULL))) {
		j->result = ERR_CANCELLED;
		call_done(j);
	}
	if (db->event_fd >= 0)
		close(db->event_fd);
	pthread_cond_destroy(&db->work);
	pthread_cond_destroy(&db->finished);
	pthread_mutex_destroy(&db->lock);
	mem_free(db->workers);
	mem_free(db->conninfo);
	mem_free(db);
	*ref = NULL;
}

bool db_ready(const struct db *ref)
{
	struct db *db = (struct db *)ref;

	pthread_mutex_lock(&db->lock);
	bool yes = db->n_up > 0;
	pthread_mutex_unlock(&db->lock);
	return yes;
}

static err_t job_new(struct job **ret, const struct db *db, const char *tenant,
		     err_t (*fn)(struct db_tx *tx, void *arg), void *arg)
{
	/* It goes into a SET statement as it is. */
	if (tenant && !str_is_id(tenant))
		return ERR_INVALID;
	struct job *j = mem_zalloc(sizeof(*j));
	if (!j)
		return ERR_EXHAUSTED;
	j->tenant = tenant ? mem_strdup(tenant) : NULL;
	if (tenant && !j->tenant) {
		mem_free(j);
		return ERR_EXHAUSTED;
	}
	j->fn = fn;
	j->arg = arg;
	j->asked_us = clock_mono_us();
	j->give_up_ms = j->asked_us / 1000 + db->wait_ms;
	*ret = j;
	return ERR_OK;
}

/* With the lock held. */
static err_t submit(struct db *db, struct job *j)
{
	if (db->stopping)
		return ERR_CANCELLED;
	const char *tenant = j->tenant ? j->tenant : "";
	if (db->waiting.n >= JOBS_MAX || (*tenant && fair_waiting(&db->waiting, tenant) >= TENANT_MAX))
		return ERR_EXHAUSTED;
	fair_add(&db->waiting, &j->wait, tenant);
	pthread_cond_signal(&db->work);
	return ERR_OK;
}

err_t db_run(struct db *db, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg,
	     void (*done)(err_t e, void *arg), void *done_arg)
{
	struct job *j;

	if (!db->loop)
		return ERR_PRECONDITION;
	err_t e = job_new(&j, db, tenant, fn, arg);
	if (e)
		return e;
	j->done = done;
	j->done_arg = done_arg;
	pthread_mutex_lock(&db->lock);
	e = submit(db, j);
	pthread_mutex_unlock(&db->lock);
	if (e)
		job_free(j);
	return e;
}

err_t db_run_wait(struct db *db, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg)
{
	struct job *j;
	err_t e = job_new(&j, db, tenant, fn, arg);

	if (e)
		return e;
	j->waited = true;
	pthread_mutex_lock(&db->lock);
	e = submit(db, j);
	while (!e && !j->complete)
		pthread_cond_wait(&db->finished, &db->lock);
	pthread_mutex_unlock(&db->lock);
	if (!e)
		e = j->result;
	job_free(j);
	return e;
}
