#include "prompts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/table.h"
#include "media_metrics.h"

#define KEY  (COMMAND_ID + COMMAND_HASH)
#define PATH 512

/* Somebody who waits for a prompt. */
struct waiter {
	struct waiter *next;
	void (*fn)(struct prompt *prompt, void *arg);
	void *arg;
};

enum entry_state { ENTRY_READING, ENTRY_FETCHING, ENTRY_ENCODING, ENTRY_READY };

/* In the hash in order of use: the first is the oldest. */
struct entry {
	UT_hash_handle hh;
	char key[KEY]; /* tenant/sha256 */
	struct prompts *all;
	enum entry_state state;
	struct prompt *prompt;
	struct waiter *waiters;
	/* What the loader thread works on. */
	void *pcm;
	size_t pcm_size;
	bool to_disk;
};

struct prompts {
	struct prompts_params params;
	char *dir;
	struct entry *entries;
	size_t bytes;
	struct prompt *tones[2];
	struct loop *loader;
	pthread_t thread;
	bool running;
};

static size_t size_of(const struct prompt *p)
{
	return sizeof(*p) + 2 * p->n;
}

/* ---- the loader's thread ---- */
static void path_of(const struct entry *e, char path[PATH], const char *suffix)
{
	snprintf(path, PATH, "%s/%s.pcm%s", e->all->dir, e->key, suffix);
}

static void on_read(void *arg);
static void on_encoded(void *arg);

static err_t post_sure(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	while (loop_post(loop, fn, arg))
		usleep(10000);
	return ERR_OK;
}

static void *slurp(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= (off_t)PROMPTSTORE_MAX_BYTES)
		bytes = mem_alloc((size_t)st.st_size);
	if (bytes && read(fd, bytes, (size_t)st.st_size) != (ssize_t)st.st_size) {
		mem_free(bytes);
		bytes = NULL;
	}
	*size = bytes ? (size_t)st.st_size : 0;
	close(fd);
	return bytes;
}

/* Makes the prompt of the entry's samples. */
static void encode(struct entry *e)
{
	if (e->pcm_size >= 2 && prompt_new(&e->prompt, e->pcm, e->pcm_size / 2))
		e->prompt = NULL;
}

static void load_from_disk(void *arg)
{
	struct entry *e = arg;
	char hex[PROMPTSTORE_HEX], path[PATH];

	path_of(e, path, "");
	e->pcm = slurp(path, &e->pcm_size);
	if (e->pcm) {
		promptstore_hash(e->pcm, e->pcm_size, hex);
		if (str_eq(hex, strchr(e->key, '/') + 1))
			encode(e);
		else
			(void)unlink(path); /* torn or rotten: fetched again */
	}
	mem_free(e->pcm);
	e->pcm = NULL;
	(void)post_sure(e->all->params.loop, on_read, e);
}

/* Best effort: without a disk cache the next start fetches again. */
static void save(const struct entry *e)
{
	char tmp[PATH], path[PATH];
	char *slash;
	int fd;

	path_of(e, path, "");
	path_of(e, tmp, ".tmp");
	slash = strrchr(tmp, '/');
	*slash = '\0';
	if (mkdir(tmp, 0750) && errno != EEXIST)
		return;
	*slash = '/';
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return;
	bool ok = write(fd, e->pcm, e->pcm_size) == (ssize_t)e->pcm_size;

	close(fd);
	if (!ok || rename(tmp, path))
		(void)unlink(tmp);
}

static void encode_and_save(void *arg)
{
	struct entry *e = arg;

	encode(e);
	save(e);
	mem_free(e->pcm);
	e->pcm = NULL;
	(void)post_sure(e->all->params.loop, on_encoded, e);
}

static void *run(void *arg)
{
	loop_run(((struct prompts *)arg)->loader);
	return NULL;
}

/* ---- the control thread ---- */
static void entry_drop(struct entry *e)
{
	HASH_DEL(e->all->entries, e);
	if (e->prompt)
		e->all->bytes -= e->state == ENTRY_READY ? size_of(e->prompt) : 0;
	prompt_unref(&e->prompt);
	for (struct waiter *w = e->waiters, *next; w; w = next) {
		next = w->next;
		w->fn(NULL, w->arg); /* it owns memory: what it waited for does not come */
		mem_free(w);
	}
	mem_free(e->pcm);
	mem_free(e);
}

/* Makes room: what plays keeps its own reference. */
static void evict(struct prompts *p, const struct entry *keep)
{
	struct entry *e, *tmp;

	HASH_ITER (hh, p->entries, e, tmp) {
		if (p->bytes <= p->params.memory_bytes)
			break;
		if (e->state == ENTRY_READY && e != keep)
			entry_drop(e);
	}
	metric_set(&media_metrics.prompt_bytes, (int64_t)p->bytes);
}

/* Tells all who wait; the entry stays only if there is a prompt. Their calls may load others and so drop this entry. */
static void finish(struct entry *e)
{
	struct prompt *prompt = e->prompt ? prompt_ref(e->prompt) : NULL;
	struct waiter *w = e->waiters, *next;

	e->waiters = NULL;
	if (prompt) {
		e->state = ENTRY_READY;
		e->all->bytes += size_of(prompt);
		evict(e->all, e);
		metric_add(&media_metrics.prompts_loaded, 1);
	} else {
		metric_add(&media_metrics.prompts_missing, 1);
		entry_drop(e);
	}
	for (; w; w = next) {
		next = w->next;
		w->fn(prompt ? prompt_ref(prompt) : NULL, w->arg);
		mem_free(w);
	}
	prompt_unref(&prompt);
}

static void on_encoded(void *arg)
{
	finish(arg);
}

static void on_fetched(err_t err, const void *pcm, size_t size, void *arg)
{
	struct entry *e = arg;

	if (!err)
		e->pcm = mem_dup(pcm, size);
	if (!e->pcm) {
		finish(e);
		return;
	}
	e->pcm_size = size;
	e->state = ENTRY_ENCODING;
	(void)post_sure(e->all->loader, encode_and_save, e);
}

static void on_read(void *arg)
{
	struct entry *e = arg;
	char tenant[COMMAND_ID];
	const char *sha = strchr(e->key, '/') + 1;

	if (e->prompt) {
		finish(e);
		return;
	}
	snprintf(tenant, sizeof(tenant), "%.*s", (int)(sha - 1 - e->key), e->key);
	e->state = ENTRY_FETCHING;
	if (!e->all->params.store || promptstore_fetch(e->all->params.store, tenant, sha, on_fetched, e))
		finish(e);
}

static struct entry *entry_get(struct prompts *p, const char *tenant, const char *sha256)
{
	char key[KEY];
	struct entry *e;

	snprintf(key, sizeof(key), "%s/%s", tenant, sha256);
	HASH_FIND_STR(p->entries, key, e);
	if (e && e->hh.next) { /* to the young end; there are others, so the table stays, and this needs no memory */
		HASH_DEL(p->entries, e);
		HASH_ADD_STR(p->entries, key, e);
	}
	if (e)
		return e;
	e = mem_zalloc(sizeof(*e));
	if (!e)
		return NULL;
	memcpy(e->key, key, sizeof(key));
	e->all = p;
	HASH_ADD_STR(p->entries, key, e);
	if (!TABLE_HAS(e)) {
		mem_free(e);
		return NULL;
	}
	(void)post_sure(p->loader, load_from_disk, e);
	return e;
}

void prompts_load(struct prompts *p, const char *tenant, const char *sha256,
		  void (*fn)(struct prompt *prompt, void *arg), void *arg)
{
	struct entry *e = entry_get(p, tenant, sha256);
	struct waiter *w;

	if (e && e->state == ENTRY_READY) {
		fn(prompt_ref(e->prompt), arg);
		return;
	}
	w = e ? mem_zalloc(sizeof(*w)) : NULL;
	if (!w) {
		fn(NULL, arg);
		return;
	}
	*w = (struct waiter){ .next = e->waiters, .fn = fn, .arg = arg };
	e->waiters = w;
}

struct prompt *prompts_tone(struct prompts *p, enum media_tone tone)
{
	return prompt_ref(p->tones[tone == MEDIA_TONE_BUSY]);
}

err_t prompts_new(struct prompts **ret, const struct prompts_params *params)
{
	struct prompts *p = mem_zalloc(sizeof(*p));
	err_t e = ERR_EXHAUSTED;

	if (!p)
		return e;
	p->params = *params;
	p->dir = mem_strdup(params->cache_dir);
	if (p->dir)
		e = mkdir(p->dir, 0750) && errno != EEXIST ? err_from_errno(errno) : ERR_OK;
	if (!e)
		e = prompt_tone(&p->tones[0], MEDIA_TONE_RING_BACK);
	if (!e)
		e = prompt_tone(&p->tones[1], MEDIA_TONE_BUSY);
	if (!e)
		e = loop_new(&p->loader);
	if (!e && pthread_create(&p->thread, NULL, run, p))
		e = ERR_EXHAUSTED;
	if (e) {
		prompts_free(&p);
		return e;
	}
	p->running = true;
	*ret = p;
	return ERR_OK;
}

void prompts_free(struct prompts **ref)
{
	struct prompts *p = *ref;
	struct entry *e, *tmp;

	if (!p)
		return;
	if (p->running) {
		loop_stop(p->loader);
		pthread_join(p->thread, NULL);
	}
	HASH_ITER (hh, p->entries, e, tmp)
		entry_drop(e);
	prompt_unref(&p->tones[0]);
	prompt_unref(&p->tones[1]);
	loop_free(&p->loader);
	mem_free(p->dir);
	mem_free(p);
	*ref = NULL;
}
