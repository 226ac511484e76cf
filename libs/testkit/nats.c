#include "testkit_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *binary(char *buf, size_t size)
{
	const char *given = getenv("TRUNKLINE_NATS_SERVER");

	if (given && *given)
		snprintf(buf, size, "%s", given);
	else
		testkit_cache("bin/nats-server", buf, size);
	if (access(buf, X_OK) != 0)
		testkit_die("no nats-server at %s: run `make deps` (tools/deps), or set TRUNKLINE_NATS_SERVER", buf);
	return buf;
}

/* The server greets with INFO as soon as it serves clients, JetStream included. */
static bool greets(void *arg)
{
	struct testkit_nats *n = arg;
	char info[16] = "";
	int fd = testkit_connect(n->port);
	ssize_t got;

	if (fd < 0)
		return false;
	got = recv(fd, info, sizeof(info) - 1, 0);
	close(fd);
	return got >= 4 && strncmp(info, "INFO", 4) == 0;
}

static void launch(struct testkit_nats *n)
{
	char path[512], conf[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
	const char *argv[] = { binary(path, sizeof(path)), "-c", conf, NULL };

	snprintf(conf, sizeof(conf), "%s/nats.conf", n->dir);
	snprintf(log, sizeof(log), "%s/nats.log", n->dir);
	testkit_spawn(&n->proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	testkit_proc_ready(&n->proc, "nats-server", greets, n, 120000);
}

void testkit_nats_start_conf(struct testkit_nats *n, bool jetstream, const char *conf)
{
	struct str text = STR_INIT;
	char path[TESTKIT_PATH + 64];

	*n = (struct testkit_nats){ 0 };
	testkit_dir(n->dir);
	n->port = testkit_tcp_port();
	snprintf(n->url, sizeof(n->url), "nats://127.0.0.1:%d", n->port);
	str_printf(&text, "listen: \"127.0.0.1:%d\"\n", n->port);
	if (jetstream)
		str_printf(&text, "jetstream { store_dir: \"%s/js\", max_mem: 256M, max_file: 64G }\n", n->dir);
	str_append(&text, conf);
	testkit_file(n->dir, "nats.conf", str_text(&text), path);
	str_done(&text);
	launch(n);
}

void testkit_nats_start(struct testkit_nats *n, bool jetstream)
{
	testkit_nats_start_conf(n, jetstream, "");
}

void testkit_nats_kill(struct testkit_nats *n)
{
	testkit_proc_stop(&n->proc, SIGKILL, 5000);
}

void testkit_nats_restart(struct testkit_nats *n)
{
	testkit_nats_kill(n);
	launch(n);
}

void testkit_nats_stop(struct testkit_nats *n)
{
	testkit_nats_kill(n);
	testkit_dir_remove(n->dir);
}
