/* Filters from administrators: any text. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "filter.h"
#include "trunkline/config/v1/config.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char skill[] = "english", name[] = "Zhang Wei";
	Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;
	Trunkline__Config__V1__SkillLevel s = TRUNKLINE__CONFIG__V1__SKILL_LEVEL__INIT, *list[] = { &s };
	struct err_detail d = { 0 };
	struct filter f;
	char text[FILTER_BYTES + 100];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	s.skill_id = skill;
	s.level = 3;
	a.display_name = name;
	a.n_skills = 1;
	a.skills = list;
	if (filter_parse(&f, text, a.base.descriptor, &d)) {
		if (strcmp(d.field, "filter") != 0 || !d.message[0])
			__builtin_trap();
	} else {
		(void)filter_match(&f, &a.base);
	}
	return 0;
}
