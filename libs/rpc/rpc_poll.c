#include "rpc_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct rpc_op *take(struct rpc_poll *p)
{
	struct rpc_op *list;

	pthread_mutex_lock(&p->lock);
	list = p->head;
	p->head = NULL;
	p->tail = &p->head;
	pthread_mutex_unlock(&p->lock);
	return list;
}

static void drain(struct rpc_poll *p)
{
	uint64_t n;
	struct rpc_op *op;

	if (read(p->event_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	for (op = take(p); op;) {
		struct rpc_op *next = op->next; /* fn may free op or start it again */

		op->fn(op->arg, op->ok);
		op = next;
	}
}

static void on_ready(uint32_t events, void *arg)
{
	(void)events;
	drain(arg);
}

void rpc_poll_push(struct rpc_poll *p, struct rpc_op *op)
{
	uint64_t one = 1;
	bool first;

	op->next = NULL;
	pthread_mutex_lock(&p->lock);
	first = !p->head;
	*p->tail = op;
	p->tail = &op->next;
	pthread_mutex_unlock(&p->lock);
	if (first && write(p->event_fd, &one, sizeof(one)) < 0) {
		/* The counter is full: then it is readable anyway. */
	}
}

void rpc_poll_wait(struct rpc_poll *p)
{
	struct pollfd fd = { .fd = p->event_fd, .events = POLLIN };

	if (poll(&fd, 1, -1) > 0)
		drain(p);
}

static void *run(void *arg)
{
	struct rpc_poll *p = arg;

	for (;;) {
		grpc_event ev = grpc_completion_queue_next(p->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		struct rpc_op *op;

		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (ev.type != GRPC_OP_COMPLETE)
			continue;
		op = ev.tag;
		rpc_taken(op);
		op->ok = ev.success != 0;
		rpc_poll_push(p, op);
	}
}

static err_t start_thread(struct rpc_poll *p)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? err_from_errno(r) : ERR_OK;
}

/* An eventfd of our own instead of loop_post(): it never fails for want of memory and nothing stays behind in the loop
 * when the server is freed before the loop turns again. */
err_t rpc_poll_start(struct rpc_poll *p, struct loop *loop)
{
	err_t e;

	p->tail = &p->head;
	pthread_mutex_init(&p->lock, NULL);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->event_fd < 0) {
		e = err_from_errno(errno);
		goto out_lock;
	}
	e = loop_io_start(&p->io, loop, p->event_fd, EPOLLIN, on_ready, p);
	if (e)
		goto out_fd;
	p->cq = grpc_completion_queue_create_for_next(NULL);
	e = start_thread(p);
	if (!e)
		return ERR_OK;
	grpc_completion_queue_shutdown(p->cq);
	grpc_completion_queue_destroy(p->cq);
	p->cq = NULL;
	loop_io_stop(&p->io);
out_fd:
	close(p->event_fd);
out_lock:
	pthread_mutex_destroy(&p->lock);
	return e;
}

void rpc_poll_stop(struct rpc_poll *p)
{
	if (!p->cq)
		return;
	grpc_completion_queue_shutdown(p->cq);
	pthread_join(p->thread, NULL);
	grpc_completion_queue_destroy(p->cq);
	p->cq = NULL;
	loop_io_stop(&p->io);
	close(p->event_fd);
	pthread_mutex_destroy(&p->lock);
}
