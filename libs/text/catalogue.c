#include "text.h"

/* Made from catalogue/ by module.mk. The first row is the header of the .po file, whose text is "". */
static const struct text_entry en[] = {
#include "text/en.inc"
};
static const struct text_entry zh_hans[] = {
#include "text/zh-Hans.inc"
};
static const struct text_entry zh_hant[] = {
#include "text/zh-Hant.inc"
};

static const struct {
	const struct text_entry *entries;
	size_t n;
} catalogues[TEXT_LANGUAGES] = {
	[TEXT_EN] = { en, ARRAY_SIZE(en) },
	[TEXT_ZH_HANS] = { zh_hans, ARRAY_SIZE(zh_hans) },
	[TEXT_ZH_HANT] = { zh_hant, ARRAY_SIZE(zh_hant) },
};

const struct text_entry *text_catalogue(enum text_language l, size_t *n)
{
	*n = catalogues[l].n;
	return catalogues[l].entries;
}
