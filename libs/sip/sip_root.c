#include "sip/sip_root.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_wait.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct sip_root {
	su_root_t *su;
	struct loop *loop;
	struct loop_io io;
	struct loop_timer timer;
};

/* Sofia's nta ticks in steps of this; a timer a bit late harms no one, an early one costs a turn. */
#define LONGEST_SLEEP_MS 1000
/* What nta wants to do after a call from outside may wait so long: several calls share one step. */
#define KICK_MS	  2
#define AGAIN_MS  5
#define FD_WINDOW 32

static bool more(const struct sip_root *r)
{
	struct pollfd pfd = { .fd = r->io.fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* A step takes one datagram of each socket. It returns 0 when it handled something (when the next timer is due is then not
 * known) and when that timer is less than 1 ms away. */
static void step(struct sip_root *r)
{
	su_duration_t next = su_root_step(r->su, 0);

	for (int i = 1; i < SIP_ROOT_BATCH && next == 0 && more(r); i++)
		next = su_root_step(r->su, 0);
	if (next == 0)
		next = AGAIN_MS;
	if (next < 0 || next > LONGEST_SLEEP_MS) /* negative: SU_WAIT_FOREVER, nothing is due at all */
		next = LONGEST_SLEEP_MS;
	loop_timer_start(&r->timer, (int64_t)next);
}

static void on_events(uint32_t events, void *arg)
{
	(void)events;
	step(arg);
}

static void on_timer(void *arg)
{
	step(arg);
}

/* EPOLL_CTL_MOD of a descriptor that is not in it: ENOENT from an epoll instance, EINVAL from anything else. */
static bool is_epoll(int fd, int other_fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(fd, EPOLL_CTL_MOD, other_fd, &ev) < 0 && errno == ENOENT;
}

static unsigned epoll_mask(int first_fd, int other_fd)
{
	unsigned mask = 0;

	for (int i = 0; i < FD_WINDOW; i++)
		if (first_fd + i != other_fd && is_epoll(first_fd + i, other_fd))
			mask |= 1u << i;
	return mask;
}

/* New descriptors are the lowest free ones (POSIX): the epoll that appears from first_fd on is Sofia's. */
static err_t create_su(struct sip_root *r, int first_fd, int other_fd, int *ret_epoll)
{
	unsigned before = epoll_mask(first_fd, other_fd), appeared;

	r->su = su_root_create(NULL);
	if (!r->su)
		return ERR_EXHAUSTED;
	appeared = epoll_mask(first_fd, other_fd) & ~before;
	if (!appeared)
		return ERR_UNAVAILABLE;
	*ret_epoll = first_fd + __builtin_ctz(appeared);
	return ERR_OK;
}

static err_t create(struct sip_root *r)
{
	int other_fd = eventfd(0, EFD_CLOEXEC), first_fd, epoll_fd;
	err_t e;

	if (other_fd < 0)
		return err_from_errno(errno);
	first_fd = dup(other_fd);
	if (first_fd < 0) {
		e = err_from_errno(errno);
		goto out;
	}
	close(first_fd);
	e = create_su(r, first_fd, other_fd, &epoll_fd);
	if (!e)
		e = loop_io_start(&r->io, r->loop, epoll_fd, EPOLLIN, on_events, r);
out:
	close(other_fd);
	return e;
}

err_t sip_root_new(struct sip_root **ret, struct loop *loop)
{
	struct sip_root *r;
	err_t e;

	if (su_init() < 0)
		return ERR_INTERNAL;
	r = mem_zalloc(sizeof(*r));
	if (!r)
		return ERR_EXHAUSTED;
	r->loop = loop;
	loop_timer_init(&r->timer, loop, on_timer, r);
	e = create(r);
	if (e) {
		sip_root_free(&r);
		return e;
	}
	loop_timer_start(&r->timer, 0);
	*ret = r;
	return ERR_OK;
}

void sip_root_free(struct sip_root **root)
{
	struct sip_root *r = *root;

	if (!r)
		return;
	loop_timer_done(&r->timer);
	loop_io_stop(&r->io);
	if (r->su)
		su_root_destroy(r->su);
	mem_free(r);
	*root = NULL;
}

struct su_root_s *sip_root_su(const struct sip_root *root)
{
	return root->su;
}

void sip_root_kick(struct sip_root *r)
{
	if (!loop_timer_running(&r->timer) || r->timer.at_ms > loop_now_ms(r->loop) + KICK_MS)
		loop_timer_start(&r->timer, KICK_MS);
}
