/* accept-language and tags as strangers send them: always one of our languages, and what is put before wins. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first[] = "zh-Hant;q=1,";
	char *header = mem_alloc(sizeof(first) + size);
	enum text_language l = TEXT_LANGUAGES;

	memcpy(header, first, sizeof(first) - 1);
	memcpy(header + sizeof(first) - 1, data, size);
	header[sizeof(first) - 1 + size] = '\0';
	if (text_accept(header, TEXT_EN) != TEXT_ZH_HANT)
		abort();
	if (text_accept(header + sizeof(first) - 1, TEXT_ZH_HANS) >= TEXT_LANGUAGES)
		abort();
	if (text_language_of(header + sizeof(first) - 1, &l) && l >= TEXT_LANGUAGES)
		abort();
	(void)text_locale(header + sizeof(first) - 1, &l);
	mem_free(header);
	return 0;
}
