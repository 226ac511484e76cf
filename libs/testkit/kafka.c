#include "testkit_internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER_ID "dHJ1bmtsaW5lLXRlc3QtMQ"

static void class_path(char *buf, size_t size)
{
	char dir[512];

	testkit_cache("kafka/lib", dir, sizeof(dir));
	if (access(dir, R_OK) != 0)
		testkit_die("no Kafka in %s: run `make deps` (tools/deps)", dir);
	snprintf(buf, size, "%s/*", dir);
}

static void write_properties(struct testkit_kafka *k, char path[TESTKIT_PATH + 64])
{
	struct str text = STR_INIT;

	str_printf(&text,
		   "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:%d\n"
		   "listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\n"
		   "advertised.listeners=PLAINTEXT://127.0.0.1:%d\ncontroller.listener.names=CONTROLLER\n"
		   "log.dirs=%s/data\nnum.partitions=1\nauto.create.topics.enable=true\n"
		   "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
		   "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
		   "transaction.state.log.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n",
		   k->controller_port, k->port, k->controller_port, k->port, k->dir);
	testkit_file(k->dir, "server.properties", str_text(&text), path);
	str_done(&text);
}

static void format(const char *properties)
{
	char path[600];
	const char *argv[] = { "java",
			       "-XX:TieredStopAtLevel=1",
			       "-XX:+UseSerialGC",
			       "-cp",
			       path,
			       "kafka.tools.StorageTool",
			       "format",
			       "-t",
			       CLUSTER_ID,
			       "-c",
			       properties,
			       NULL };
	struct str out = STR_INIT;

	class_path(path, sizeof(path));
	if (testkit_run(argv, &out, 180000) != 0)
		testkit_die("Kafka's StorageTool: %s", str_text(&out));
	str_done(&out);
}

/* A broker opens its port before it serves: ask for the API versions and wait for any answer. */
static bool serves(void *arg)
{
	static const unsigned char ask[] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff };
	struct testkit_kafka *k = arg;
	unsigned char size[4];
	int fd = testkit_connect(k->port);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, ask, sizeof(ask)) == (ssize_t)sizeof(ask) &&
	     read(fd, size, sizeof(size)) == (ssize_t)sizeof(size);
	close(fd);
	return ok;
}

static void launch(struct testkit_kafka *k)
{
	char path[600], properties[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
	const char *argv[] = { "java", "-Xmx256m", "-Xms64m",	  "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			       "-cp",  path,	   "kafka.Kafka", properties,	      NULL };

	class_path(path, sizeof(path));
	snprintf(properties, sizeof(properties), "%s/server.properties", k->dir);
	snprintf(log, sizeof(log), "%s/kafka.log", k->dir);
	testkit_spawn(&k->proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	testkit_proc_ready(&k->proc, "Kafka", serves, k, 300000);
}

void testkit_kafka_start(struct testkit_kafka *k)
{
	char path[TESTKIT_PATH + 64];

	*k = (struct testkit_kafka){ 0 };
	testkit_dir(k->dir);
	k->port = testkit_tcp_port();
	k->controller_port = testkit_tcp_port();
	snprintf(k->brokers, sizeof(k->brokers), "127.0.0.1:%d", k->port);
	write_properties(k, path);
	format(path);
	launch(k);
}

void testkit_kafka_kill(struct testkit_kafka *k)
{
	testkit_proc_stop(&k->proc, SIGKILL, 5000);
}

void testkit_kafka_restart(struct testkit_kafka *k)
{
	testkit_kafka_kill(k);
	launch(k);
}

void testkit_kafka_stop(struct testkit_kafka *k)
{
	testkit_kafka_kill(k);
	testkit_dir_remove(k->dir);
}
