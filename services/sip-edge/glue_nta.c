#include "nta_glue.h"
#include "base/str.h"
#include "dialog.h"
#include "filter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#define TCP_IDLE_MS    900000	 /* a connection without traffic; phones keep theirs alive more often */
#define TCP_UNKNOWN_MS 20000	 /* the same, while nobody has shown to be a phone or a trunk of ours on it */
#define TCP_CROWDED_MS 2000	 /* that, when most descriptors are taken */
#define TCP_MESSAGE_MS 10000	 /* a message that arrives slower than this (slow senders) */
#define UDP_BUFFER     (4 << 20) /* bytes that may wait in the socket: what comes while the loop is busy is not lost */
#define UDP_MTU	       65535	 /* never switch to TCP by size: many phones listen on UDP only */

static void put_host(char *dst, size_t size, const struct sockaddr *sa, unsigned *port)
{
	char text[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		inet_ntop(mapped ? AF_INET : AF_INET6, &in6->sin6_addr.s6_addr[mapped ? 12 : 0], text, sizeof(text));
		*port = ntohs(in6->sin6_port);
		snprintf(dst, size, mapped ? "%s" : "[%s]", text);
	} else {
		inet_ntop(AF_INET, &in4->sin_addr, text, sizeof(text));
		*port = ntohs(in4->sin_port);
		snprintf(dst, size, "%s", text);
	}
}

const char *glue_transport(const sip_t *sip)
{
	const char *p = sip->sip_via ? strrchr(sip->sip_via->v_protocol, '/') : NULL;

	if (p && strcasecmp(p, "/TCP") == 0)
		return "tcp";
	return p && strcasecmp(p, "/TLS") == 0 ? "tls" : "udp";
}

void glue_source(msg_t *msg, const sip_t *sip, char ret[GLUE_ROUTE])
{
	char host[64];
	unsigned port = 0;

	put_host(host, sizeof(host), &msg_addr(msg)->su_sa, &port);
	snprintf(ret, GLUE_ROUTE, "sip:%s:%u;transport=%s", host, port, glue_transport(sip));
}

void glue_address(msg_t *msg, char ret[GLUE_ROUTE])
{
	char host[64];
	unsigned port = 0;

	put_host(host, sizeof(host), &msg_addr(msg)->su_sa, &port);
	snprintf(ret, GLUE_ROUTE, "%s:%u", host, port);
}

void glue_host(msg_t *msg, char ret[GLUE_ROUTE])
{
	unsigned port;

	put_host(ret, GLUE_ROUTE, &msg_addr(msg)->su_sa, &port);
}

bool glue_behind_nat(msg_t *msg, const sip_t *sip)
{
	const sip_via_t *v = sip->sip_via;
	char host[64];
	unsigned port = 0;

	put_host(host, sizeof(host), &msg_addr(msg)->su_sa, &port);
	return strcasecmp(host, v->v_host) != 0 ||
	       port != (v->v_port && v->v_port[0] ? (unsigned)atoi(v->v_port) : 5060u);
}

bool glue_named(const url_t *url)
{
	return url && url->url_host && url->url_host[0] && !host_is_ip_address(url->url_host);
}

bool glue_stranger(const struct edge *e, msg_t *msg, const sip_t *sip)
{
	const url_t *ruri = sip->sip_request->rq_url, *from = sip->sip_from ? sip->sip_from->a_url : NULL;

	if (tenantconf_address_known(e->conf, &msg_addr(msg)->su_sa))
		return false;
	if (ruri->url_host && tenantconf_find_tenant_by_domain(e->conf, ruri->url_host))
		return false;
	return !(from && from->url_host && tenantconf_find_tenant_by_domain(e->conf, from->url_host));
}

struct edge_bytes glue_body(const sip_t *sip)
{
	const sip_payload_t *p = sip->sip_payload;

	return p && p->pl_data ? (struct edge_bytes){ p->pl_data, p->pl_len } : (struct edge_bytes){ NULL, 0 };
}

bool glue_allows(const sip_t *sip, const char *method)
{
	for (const msg_param_t *p = sip->sip_allow ? (const msg_param_t *)sip->sip_allow->k_items : NULL; p && *p; p++)
		if (strcmp(*p, method) == 0)
			return true;
	return false;
}

const char *edge_contact(const struct edge *e, const char *transport, char buf[EDGE_CONTACT])
{
	bool tls = strcmp(transport, "tls") == 0;

	snprintf(buf, EDGE_CONTACT, "<sip:%s:%d%s%s>", e->host, (int)(tls ? e->cfg.tls_port : e->cfg.port),
		 strcmp(transport, "udp") == 0 ? "" : ";transport=", strcmp(transport, "udp") == 0 ? "" : transport);
	return buf;
}

/* ---- the agent ---- */

static void bind_url(char *dst, size_t size, const struct edge *e, const char *scheme, int64_t port,
		     const char *transport)
{
	bool six = strchr(e->cfg.address, ':');

	snprintf(dst, size, "%s:%s%s%s:%d%s%s%s%s", scheme, six ? "[" : "", e->cfg.address, six ? "]" : "", (int)port,
		 transport ? ";transport=" : "", transport ? transport : "", e->cfg.public_address[0] ? ";maddr=" : "",
		 e->cfg.public_address[0] ? e->cfg.address : "");
}

static err_t add_tls(struct edge *e, struct err_detail *detail)
{
	char url[256];

	if (!e->cfg.tls_port)
		return ERR_OK;
	bind_url(url, sizeof(url), e, "sips", e->cfg.tls_port, "tls");
	if (nta_agent_add_tport(e->agent, URL_STRING_MAKE(url), TPTAG_CERTIFICATE(e->cfg.tls_dir),
				TPTAG_TLS_VERIFY_PEER(0), TAG_END()) < 0)
		return err_set(detail, ERR_UNAVAILABLE, "sip.tls_port",
			       "%d of %s cannot be bound, or the certificate in %s is bad", (int)e->cfg.tls_port,
			       e->cfg.address, e->cfg.tls_dir);
	return ERR_OK;
}

static int on_message(struct edge *e, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	return entry_message(e, agent, msg, sip);
}

err_t glue_agent_new(struct edge *e, struct err_detail *detail)
{
	const char *public = e->cfg.public_address[0] ? e->cfg.public_address : e->cfg.address;
	char url[256];

	snprintf(e->host, sizeof(e->host), strchr(public, ':') ? "[%s]" : "%s", public);
	/* No transport in the URL: UDP and TCP. (This library reads a list of them through a dangling pointer.) */
	bind_url(url, sizeof(url), e, "sip", e->cfg.port, NULL);
	e->gate = gate_new(e);
	if (!e->gate)
		return err_set(detail, ERR_EXHAUSTED, "sofia", "memory");
	e->agent =
	    nta_agent_create(sip_root_su(e->root), URL_STRING_MAKE(url), on_message, e, NTATAG_UA(1),
			     NTATAG_MCLASS(e->gate), NTATAG_MERGE_482(1), NTATAG_CLIENT_RPORT(1),
			     NTATAG_SERVER_RPORT(1), NTATAG_MAXSIZE(EDGE_MESSAGE_MAX), NTATAG_UDP_MTU(UDP_MTU),
			     NTATAG_CANCEL_487(1), NTATAG_TIMEOUT_408(1), NTATAG_REL100(0),
			     NTATAG_MAX_PROCEEDING((usize_t)-1), TPTAG_IDLE(TCP_UNKNOWN_MS),
			     TPTAG_TIMEOUT(TCP_MESSAGE_MS), TPTAG_QUEUESIZE(64), TPTAG_UDP_RMEM(UDP_BUFFER), TAG_END());
	if (!e->agent)
		return err_set(detail, ERR_UNAVAILABLE, "sip.port", "%d of %s cannot be bound (UDP and TCP)",
			       (int)e->cfg.port, e->cfg.address);
	if (filter_udp((int)e->cfg.port))
		return err_set(detail, ERR_UNAVAILABLE, "sip.port", "no filter can be set on the UDP socket of %d",
			       (int)e->cfg.port);
	return add_tls(e, detail);
}

void glue_keep_connection(struct edge *e, const msg_t *msg)
{
	tport_t *tp = tport_delivered_by(nta_agent_tports(e->agent), msg);

	if (tp && tport_is_secondary(tp))
		tport_set_params(tp, TPTAG_IDLE(TCP_IDLE_MS), TAG_END());
}

/* The lowest free descriptor is the next: as good as counting them. */
static bool crowded(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	getrlimit(RLIMIT_NOFILE, &limit);
	if (fd >= 0)
		close(fd);
	return fd < 0 || (rlim_t)fd > limit.rlim_cur / 4 * 3;
}

void glue_watch_connections(struct edge *e)
{
	bool now = crowded();

	(void)silent_sweep(&e->silent, (int)e->cfg.port, (int)e->cfg.tls_port, now ? TCP_CROWDED_MS : TCP_UNKNOWN_MS);
	if (now == e->crowded)
		return;
	e->crowded = now;
	for (tport_t *tp = tport_primaries(nta_agent_tports(e->agent)); tp; tp = tport_next(tp))
		tport_set_params(tp, TPTAG_IDLE(now ? TCP_CROWDED_MS : TCP_UNKNOWN_MS), TAG_END());
	LOG_WARN(NULL, now ? "connections.crowded" : "connections.room", "unknown_idle_ms=%d",
		 now ? TCP_CROWDED_MS : TCP_UNKNOWN_MS);
}

void glue_agent_free(struct edge *e)
{
	if (e->agent)
		nta_agent_destroy(e->agent);
	e->agent = NULL;
	free(e->gate); /* of malloc(), says msg_mclass_clone() */
	e->gate = NULL;
}

void glue_transactions(const struct edge *e, size_t *server, size_t *client, size_t *legs)
{
	usize_t irq = 0, orq = 0, leg = 0;

	nta_agent_get_stats(e->agent, NTATAG_S_IRQ_HASH_USED_REF(irq), NTATAG_S_ORQ_HASH_USED_REF(orq),
			    NTATAG_S_LEG_HASH_USED_REF(leg), TAG_END());
	*server = irq;
	*client = orq;
	*legs = leg;
}
