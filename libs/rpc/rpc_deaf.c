/* A server that ran out of file descriptors is deaf for good: gRPC 1.51 gives its listener up at the first EMFILE (tcp_server_posix.cc,
 * on_read). It says so in its log and nowhere else. As soon as there are files again the process ends in good order (SIGTERM), and
 * whoever supervises it starts another one: better than one that is alive, ready, and takes no connection. GT-15. */
#include "rpc_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 500

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rpc_server *server; /* the one of this process that listens; guarded by the mutex */

static bool files_left(void)
{
	int fd = dup(STDERR_FILENO);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void on_look(void *arg)
{
	struct rpc_server *s = arg;

	if (files_left())
		raise(SIGTERM);
	else
		loop_timer_start(&s->deaf, LOOK_MS);
}

static void on_deaf(void *arg)
{
	bool alive;

	pthread_mutex_lock(&mutex);
	alive = server == arg;
	pthread_mutex_unlock(&mutex);
	if (alive && !loop_timer_running(&((struct rpc_server *)arg)->deaf))
		loop_timer_start(&((struct rpc_server *)arg)->deaf, 0);
}

/* gRPC's own words are no part of our log, unless somebody who looks for a fault asks for them. On any thread. */
void rpc_deaf_log(gpr_log_func_args *a)
{
	if (getenv("GRPC_VERBOSITY") || getenv("GRPC_TRACE"))
		fprintf(stderr, "grpc: %s:%d: %s\n", a->file, a->line, a->message);
	if (!strstr(a->message, "Failed accept4"))
		return;
	pthread_mutex_lock(&mutex);
	if (server && loop_post(server->params.loop, on_deaf, server))
		fprintf(stderr, "grpc: no memory to tell that the server is deaf\n");
	pthread_mutex_unlock(&mutex);
}

void rpc_deaf_start(struct rpc_server *s)
{
	loop_timer_init(&s->deaf, s->params.loop, on_look, s);
	pthread_mutex_lock(&mutex);
	server = s;
	pthread_mutex_unlock(&mutex);
}

void rpc_deaf_stop(struct rpc_server *s)
{
	pthread_mutex_lock(&mutex);
	if (server == s)
		server = NULL;
	pthread_mutex_unlock(&mutex);
	loop_timer_done(&s->deaf);
}
