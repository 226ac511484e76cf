/* What JetStream says beside messages, the first byte chooses: reply subjects of deliveries, stored messages as JSON; and the URLs of a setting. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus_internal.h"
#include "nats_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stored(const uint8_t *data, size_t size)
{
	struct bus_raw answer = { .msg = { .data = data, .size = size } }, got;
	char *block;
	size_t len;

	stored_decode(&answer, &got, &block);
	if (got.status == 0) {
		if (!block || !nats_headers_find(got.headers, got.headers_size, "Nats-Sequence", &len))
			abort();
		(void)nats_headers_status(got.headers, got.headers_size);
	}
	mem_free(block);
}

static void urls(const char *text)
{
	struct err_detail d = { 0 };
	struct nats_url *list = NULL;
	size_t n = 0;

	if (nats_urls_parse(text, &list, &n, &d)) {
		if (!d.message[0])
			abort();
	} else if (n == 0) {
		abort();
	}
	mem_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct js_meta meta;
	char *text;

	if (size == 0)
		return 0;
	if (data[0] % 3 == 0) {
		stored(data + 1, size - 1);
		return 0;
	}
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 3 == 1)
		urls(text);
	else if (js_meta_parse(text, &meta) && meta.time_ms < 0)
		abort();
	free(text);
	return 0;
}
