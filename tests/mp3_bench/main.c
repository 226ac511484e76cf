/* mp3-bench: CPU of the recorder's MP3 encoding per call-second (README.md), and of encrypting its files per MB. */
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../../services/recorder/encode.h"
#include "../../services/recorder/pool.h"
#include "audio/g711.h"
#include "base/mem.h"
#include "sealed/sealedfile.h"
#include "testkit/testkit.h"

#define FRAME	    160
#define FRAME_US    20000
#define STEREO_KBPS 32
#define MONO_KBPS   16
#define ROUNDS_MAX  99

struct bench {
	unsigned seconds, rounds;
	char dir[TESTKIT_PATH];
	struct loop *loop;
	/* of one round */
	char id[32];
	bool done;
	err_t result;
	int nice;
	bool own_thread;
	double cpu_s;
	pthread_t main_thread;
};
static struct bench b;

/* ---- two parties ---- */
/* Voiced sounds of 100-250 Hz with harmonics, syllables of 5 Hz, each talks 3 s while the other listens. */
static void speak(int16_t pcm[FRAME], unsigned party, unsigned frame)
{
	bool talks = frame / 150 % 2 == party;

	for (unsigned i = 0; i < FRAME; i++) {
		double t = (frame * (double)FRAME + i) / 8000, v = 0;
		double pitch = (party ? 190 : 120) * (1 + 0.1 * sin(2 * M_PI * 0.7 * t));

		for (unsigned k = 1; talks && k <= 12; k++)
			v += sin(2 * M_PI * pitch * k * t) / (1 + k);
		v *= 4000 * (0.5 + 0.5 * sin(2 * M_PI * 5 * t));
		pcm[i] = (int16_t)(v + rand() % 64 - 32);
	}
}

static void make_segment(const char *id)
{
	struct segment_info info = { .tenant = "bench", .call_id = "call", .leg_id = "leg", .start_ms = 1764288000000 };
	struct segment_writer *w;

	snprintf(info.recording_id, sizeof(info.recording_id), "%s", id);
	if (segment_writer_open(&w, b.dir, &info, 0))
		testkit_die("no segment can be written in %s", b.dir);
	for (unsigned n = 0; n < b.seconds * 50; n++)
		for (unsigned party = 0; party < 2; party++) {
			int16_t pcm[FRAME];
			uint8_t law[FRAME];
			struct segment_frame f = { .kind = party ? SEGMENT_OUT : SEGMENT_IN,
						   .seq = (uint16_t)n,
						   .ts = n * FRAME,
						   .payload = law,
						   .size = FRAME };

			speak(pcm, party, n);
			g711_a_encode_n(law, pcm, FRAME);
			if (segment_writer_frame(w, &f, (int64_t)n * FRAME_US))
				testkit_die("the segment cannot be written");
		}
	if (segment_writer_close(&w, (int64_t)b.seconds * 1000000, NULL))
		testkit_die("the segment cannot be ended");
}

/* ---- encoding ---- */
static double thread_cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(void *arg)
{
	struct encode_params p = { .dir = b.dir,
				   .tenant = "bench",
				   .recording_id = b.id,
				   .stereo_kbps = STEREO_KBPS,
				   .mono_kbps = MONO_KBPS };
	struct encode_result result;

	(void)arg;
	b.nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	b.own_thread = !pthread_equal(pthread_self(), b.main_thread);
	b.cpu_s = thread_cpu_s();
	b.result = encode_segment(&p, &result);
	if (!b.result)
		close(result.lock);
	b.cpu_s = thread_cpu_s() - b.cpu_s;
}

static void done(void *arg)
{
	(void)arg;
	b.done = true;
}

static double round_of(struct pool *pool, unsigned n)
{
	snprintf(b.id, sizeof(b.id), "rec%u", n);
	make_segment(b.id);
	b.done = false;
	if (pool_run(pool, "", work, done, NULL) || !testkit_wait_flag(b.loop, &b.done, 600000) || b.result)
		testkit_die("encoding failed: %s", err_name(b.result));
	printf("round %u: %u s of call, %.3f CPU-s at nice %d, %.3f per 1,000 call-s\n", n, b.seconds, b.cpu_s, b.nice,
	       b.cpu_s * 1000 / b.seconds);
	return b.cpu_s * 1000 / b.seconds;
}

/* ---- encryption ---- */

/* CPU that a file of `mb` costs in this thread, written with the key, or in clear, and synced. */
static double write_s(unsigned mb, const uint8_t *key)
{
	static uint8_t bytes[1 << 20];
	char path[TESTKIT_PATH + 16];
	double cpu_s = thread_cpu_s();
	FILE *f = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/file", b.dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (key ? sealedfile_create(&f, fd, key, "bench", "")
			   : !(f = fdopen(fd, "w")) || setvbuf(f, NULL, _IOFBF, SEALEDFILE_CHUNK)))
		testkit_die("no file can be written in %s", b.dir);
	for (unsigned i = 0; i < mb; i++)
		if (fwrite(bytes, 1, sizeof(bytes), f) != sizeof(bytes))
			testkit_die("the file cannot be written");
	if (fflush(f) || (!key && fdatasync(fd)) || fclose(f))
		testkit_die("the file cannot be ended");
	return thread_cpu_s() - cpu_s;
}

static double read_s(unsigned mb, const uint8_t *key)
{
	static uint8_t bytes[1 << 20];
	char path[TESTKIT_PATH + 16];
	double cpu_s = thread_cpu_s();
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/file", b.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || sealedfile_open(&f, fd, key, "bench"))
		testkit_die("the file cannot be opened");
	for (unsigned i = 0; i < mb; i++)
		if (fread(bytes, 1, sizeof(bytes), f) != sizeof(bytes))
			testkit_die("the file cannot be read");
	fclose(f);
	return thread_cpu_s() - cpu_s;
}

static void print_encryption(unsigned mb)
{
	static const uint8_t key[SEALED_KEY] = { 1 };
	double clear = write_s(mb, NULL), sealed = write_s(mb, key), opened = read_s(mb, key);

	printf("{\"name\": \"sealedfile_cpu_ms_per_mb\", \"write\": %.3f, \"write_in_clear\": %.3f, \"read\": %.3f, "
	       "\"mb\": %u}\n",
	       sealed * 1000 / mb, clear * 1000 / mb, opened * 1000 / mb, mb);
}

static int compare(const void *x, const void *y)
{
	return *(const double *)x < *(const double *)y ? -1 : *(const double *)x > *(const double *)y;
}

static void options(int argc, char **argv)
{
	static const struct option list[] = { { "seconds", 1, NULL, 's' },
					      { "rounds", 1, NULL, 'n' },
					      { NULL, 0, NULL, 0 } };
	int o;

	b.seconds = 300;
	b.rounds = 3;
	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (o != 's' && o != 'n')
			testkit_die("usage: mp3-bench [--seconds N] [--rounds N]");
		*(o == 's' ? &b.seconds : &b.rounds) = (unsigned)atoi(optarg);
	}
	if (!b.seconds || b.seconds > 36000 || !b.rounds || b.rounds > ROUNDS_MAX)
		testkit_die("1-36000 seconds and 1-%d rounds expected", ROUNDS_MAX);
}

int main(int argc, char **argv)
{
	double results[ROUNDS_MAX];
	struct pool *pool;

	options(argc, argv);
	testkit_dir(b.dir);
	b.main_thread = pthread_self();
	if (loop_new(&b.loop) || pool_new(&pool, b.loop, 1))
		testkit_die("no loop, no thread");
	for (unsigned i = 0; i < b.rounds; i++)
		results[i] = round_of(pool, i + 1);
	qsort(results, b.rounds, sizeof(results[0]), compare);
	printf(
	    "{\"name\": \"mp3_cpu_s_per_1000_call_s\", \"median\": %.4f, \"min\": %.4f, \"max\": %.4f, \"nice\": %d, "
	    "\"own_thread\": %s, \"stereo_kbps\": %d, \"mono_kbps\": %d}\n",
	    results[b.rounds / 2], results[0], results[b.rounds - 1], b.nice, b.own_thread ? "true" : "false",
	    STEREO_KBPS, MONO_KBPS);
	print_encryption(64);
	pool_free(&pool);
	loop_free(&b.loop);
	return 0;
}
