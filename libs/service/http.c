/* GET /healthz, /readyz, /metrics by libmicrohttpd, driven by our loop through its epoll descriptor. */
#include "service_internal.h"
#include "base/mem.h"
#include "metrics/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

struct service_http {
	struct service *svc;
	struct MHD_Daemon *daemon;
	struct loop_io io;
	struct loop_timer timer; /* libmicrohttpd's own timeouts */
};

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type, const struct str *body)
{
	struct MHD_Response *r =
	    MHD_create_response_from_buffer(body->len, (void *)str_text(body), MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static unsigned readiness(const struct service *svc, struct str *body)
{
	struct str missing = STR_INIT;
	bool ready = service_is_ready(svc, &missing);

	if (!ready)
		str_printf(body, "not ready:%s\n", str_text(&missing));
	else if (service_is_degraded(svc, &missing))
		str_printf(body, "ready, degraded:%s\n", str_text(&missing));
	else
		str_append(body, "ready\n");
	str_done(&missing);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned answer(const struct service *svc, const char *url, struct str *body, const char **type)
{
	*type = "text/plain; charset=utf-8";
	if (str_eq(url, "/healthz")) {
		str_append(body, "ok\n");
		return MHD_HTTP_OK;
	}
	if (str_eq(url, "/metrics")) {
		*type = "text/plain; version=0.0.4; charset=utf-8";
		metrics_print(body);
		return body->failed ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_OK;
	}
	if (str_eq(url, "/readyz"))
		return readiness(svc, body);
	str_append(body, "not found: there are /healthz, /readyz and /metrics\n");
	return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *upload_data, size_t *upload_data_size,
				  void **con_cls)
{
	struct service_http *http = cls;
	struct str body = STR_INIT;
	const char *type = "text/plain; charset=utf-8";
	unsigned status = MHD_HTTP_METHOD_NOT_ALLOWED;
	enum MHD_Result result;

	(void)version;
	(void)upload_data;
	(void)upload_data_size;
	(void)con_cls;
	if (str_eq(method, "GET") || str_eq(method, "HEAD"))
		status = answer(http->svc, url, &body, &type);
	else
		str_append(&body, "only GET\n");
	result = reply(c, status, type, &body);
	str_done(&body);
	return result;
}

static void run(struct service_http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(http->daemon);
	MHD_run(
	    http->daemon); /* a listener that was set aside for want of files comes back at the turn after the one that closed some */
	if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES)
		loop_timer_start(&http->timer, timeout_ms < 3600000 ? (int64_t)timeout_ms : 3600000);
	else
		loop_timer_stop(&http->timer);
}

static void on_ready(uint32_t events, void *arg)
{
	(void)events;
	run(arg);
}

static void on_timer(void *arg)
{
	run(arg);
}

static socklen_t parse_address(const struct service_common *c, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, c->http_address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)c->http_port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, c->http_address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)c->http_port);
		return sizeof(*v6);
	}
	return 0;
}

static err_t listen_on(struct service_http *http, struct err_detail *detail)
{
	const struct service_common *c = &http->svc->common;
	struct sockaddr_storage ss;
	unsigned flags = MHD_USE_EPOLL;

	if (!parse_address(c, &ss))
		return err_set(detail, ERR_INVALID, "http.address", "\"%.64s\" is not an IP address", c->http_address);
	if (ss.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	http->daemon =
	    MHD_start_daemon(flags, (uint16_t)c->http_port, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
			     (struct sockaddr *)&ss, MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT,
			     10u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_END);
	if (!http->daemon)
		return err_set(detail, errno ? err_from_errno(errno) : ERR_UNAVAILABLE, "http.port",
			       "cannot listen on %s:%d%s%s", c->http_address, (int)c->http_port, errno ? ": " : "",
			       errno ? strerror(errno) : "");
	return ERR_OK;
}

err_t service_http_new(struct service_http **ret, struct service *svc, struct err_detail *detail)
{
	struct service_http *http = mem_zalloc(sizeof(*http));
	const union MHD_DaemonInfo *info;
	err_t e;

	if (!http)
		return err_set(detail, ERR_EXHAUSTED, "http", "out of memory");
	http->svc = svc;
	loop_timer_init(&http->timer, svc->loop, on_timer, http);
	e = listen_on(http, detail);
	if (e)
		goto out;
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	e = info ? loop_io_start(&http->io, svc->loop, info->epoll_fd, EPOLLIN, on_ready, http) : ERR_INTERNAL;
	if (e)
		err_set(detail, e, "http", "cannot watch the HTTP server");
out:
	if (e)
		service_http_free(&http);
	else
		*ret = http;
	return e;
}

void service_http_free(struct service_http **ref)
{
	struct service_http *http = *ref;

	if (!http)
		return;
	loop_io_stop(&http->io);
	loop_timer_done(&http->timer);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	mem_free(http);
	*ref = NULL;
}
