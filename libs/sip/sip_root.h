/*
 * sip_root: Sofia's event root (su_root) driven by our loop: one thread, one epoll wait for everything.
 *
 * Why this way round: Sofia keeps its sockets in an epoll descriptor of its own, which is readable whenever one of them
 * is. Our loop watches that descriptor and Sofia's next timer. The other way (su_root drives, loop_fd() embedded) costs a
 * timerfd_settime per timer change and needs a main loop of its own. A wake-up takes up to SIP_ROOT_BATCH rounds of
 * events before the loop's idle hooks run, so a burst of packets leaves as one NATS flush.
 *
 * Create it before any other thread starts (it finds Sofia's descriptor by the lowest-descriptor rule of POSIX). nta and
 * tport objects made on sip_root_su() belong to the loop's thread.
 *
 *	struct sip_root *root;
 *	err_t e = sip_root_new(&root, loop);
 *	nta_agent_create(sip_root_su(root), …);
 */
#ifndef SIP_SIP_ROOT_H
#define SIP_SIP_ROOT_H

#include <stdint.h>
#include "base/err.h"
#include "loop/loop.h"

struct sip_root;
struct su_root_s;

#define SIP_ROOT_BATCH 256

/* Initialises Sofia (once a process). ERR_UNAVAILABLE: Sofia does not use epoll here (SU_PORT set?). */
err_t sip_root_new(struct sip_root **ret, struct loop *loop) MUST;
/* Every nta agent on it must be destroyed before. */
void sip_root_free(struct sip_root **root);
struct su_root_s *sip_root_su(const struct sip_root *root);
/* After calls into nta from outside of Sofia's callbacks that may have started timers (any request sent). Cheap. */
void sip_root_kick(struct sip_root *root);

#endif
