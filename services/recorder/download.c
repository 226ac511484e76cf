#include "download.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audio/wav.h"
#include "base/mem.h"
#include "log/log.h"
#include "mp3.h"

#define CHUNK 65536

struct download {
	FILE *file;		/* MP3 as it is */
	struct mp3_reader *mp3; /* WAV: decoded on the way */
	uint64_t total;
	uint64_t left; /* WAV: bytes of samples still to be sent */
	bool begun;
	char name[RECORDING_ID + 16];
	_Alignas(8) uint8_t bytes[WAV_HEADER + MP3_READ_SAMPLES * 4];
};

static void download_free(struct download *d)
{
	if (d->file)
		fclose(d->file);
	mp3_reader_close(&d->mp3);
	mem_free(d);
}

static err_t find_file(FILE **ret, const struct audiofile *a, struct vault *vault, const struct recording *r,
		       struct err_detail *detail)
{
	const struct vault_view *view = vault_look(vault);
	err_t e = ERR_UNAVAILABLE;

	if (view)
		e = audiofile_open(ret, a, vault_find(view, r->tenant, strlen(r->tenant)), r->data_key, detail);
	vault_view_unref(&view);
	return e;
}

static err_t begin_bytes(struct download *d, FILE *file)
{
	off_t size = fseeko(file, 0, SEEK_END) ? -1 : ftello(file);

	d->file = file;
	if (size < 0 || fseeko(file, 0, SEEK_SET))
		return err_from_errno(errno);
	d->total = (uint64_t)size;
	return ERR_OK;
}

static err_t begin_wav(struct download *d, FILE *file, const struct recording *r)
{
	d->left = r->samples * 4;
	d->total = d->left + WAV_HEADER;
	return mp3_reader_open(&d->mp3, file);
}

/* The next chunk: *n 0 at the end. */
static err_t next_bytes(struct download *d, size_t *n)
{
	*n = fread(d->bytes, 1, CHUNK, d->file);
	return ferror(d->file) ? ERR_DATA_LOSS : ERR_OK;
}

static err_t next_wav(struct download *d, size_t *n)
{
	size_t head = 0, frames, size;
	err_t e;

	if (!d->begun) {
		wav_write_header(d->bytes, 8000, 2,
				 (uint32_t)(d->left > UINT32_MAX - WAV_HEADER ? UINT32_MAX - WAV_HEADER : d->left));
		head = WAV_HEADER;
	}
	e = mp3_reader_next(d->mp3, (int16_t *)(d->bytes + head), &frames);
	if (e)
		return e;
	size = frames * 4;
	if (frames == 0 && d->left) { /* the last samples are in the encoder's padding: silence */
		size = d->left < CHUNK ? (size_t)d->left : CHUNK;
		memset(d->bytes + head, 0, size);
	}
	if (size > d->left)
		size = (size_t)d->left;
	d->left -= size;
	*n = head + size;
	return ERR_OK;
}

/* Its token may be withdrawn while it runs (GT-3). */
static err_t may_go_on(struct rpc_call *call, struct err_detail *detail)
{
	return rpc_cancelled(call) ? ERR_CANCELLED : rpc_recheck(call, detail);
}

static void send_next(struct rpc_call *call, void *arg)
{
	struct err_detail detail = { 0 };
	struct download *d = arg;
	size_t n = 0;
	err_t e = may_go_on(call, &detail);

	if (!e)
		e = d->mp3 ? next_wav(d, &n) : next_bytes(d, &n);
	if (!e && n) {
		e = download_send(call, d->bytes, n, d->total, d->begun ? NULL : d->name);
		d->begun = true;
		if (!e)
			return; /* on when it has been taken */
	}
	rpc_on_drained(call, NULL, NULL);
	if (e == ERR_DATA_LOSS) {
		LOG_ERROR(NULL, "recording.unreadable", "file=%s error=%s", d->name, err_name(e));
		e = err_set(&detail, e, "recording_id", "the file of this recording was damaged");
	}
	download_free(d);
	if (e)
		rpc_fail(call, e, &detail);
	else
		rpc_finish(call);
}

/* The call must be finished also when its peer has left: the next chunk does it. */
static void on_cancel(struct rpc_call *call, void *arg)
{
	send_next(call, arg);
}

err_t download_start(struct rpc_call *call, const char *dir, struct vault *vault, const struct recording *r,
		     enum recording_format format, struct err_detail *detail)
{
	static const char *const suffix[] = { ".mp3", ".mono.mp3", ".wav" };
	struct audiofile a = {
		.dir = dir, .path = r->path, .tenant = r->tenant, .recording_id = r->id, .mono = format == FORMAT_MONO
	};
	struct download *d = mem_zalloc(sizeof(*d));
	FILE *file;
	err_t e;

	if (!d)
		return ERR_EXHAUSTED;
	snprintf(d->name, sizeof(d->name), "%s%s", r->id, suffix[format]);
	e = find_file(&file, &a, vault, r, detail);
	if (!e)
		e = format == FORMAT_WAV ? begin_wav(d, file, r) : begin_bytes(d, file);
	if (e) {
		download_free(d);
		return e;
	}
	rpc_on_drained(call, send_next, d);
	rpc_on_cancel(call, on_cancel, d);
	send_next(call, d);
	return ERR_OK;
}
