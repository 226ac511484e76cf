/* Who lives. */
#include "testkit/cmocka_all.h"

#include <string.h>

#include "owners.h"

static char heard[256];

static void on_change(const char *instance, bool alive, void *arg)
{
	const struct owners *o = arg;

	strcat(heard, alive ? "+" : o->orderly ? "-" : "!");
	strcat(heard, instance);
	strcat(heard, " ");
}

static void expect(const char *what)
{
	assert_string_equal(heard, what);
	heard[0] = '\0';
}

static void silence_a_farewell_and_another_incarnation_all_mean_that_it_is_gone(void **arg)
{
	struct owners o;

	UNUSED(arg);
	heard[0] = '\0';
	owners_init(&o, 1000, on_change, &o);
	owners_seen(&o, "cc-1", 1, 100);
	owners_seen(&o, "cc-1", 1, 600);
	owners_seen(&o, "cc-2", 1, 600);
	expect("+cc-1 +cc-2 ");
	owners_tick(&o, 1600);
	expect("");
	owners_seen(&o, "cc-2", 1, 1601);
	owners_tick(&o, 1601);
	expect("!cc-1 ");
	owners_tick(&o, 1700);
	expect("");
	owners_seen(&o, "cc-1", 0, 1800); /* a request is a sign of life, too */
	expect("+cc-1 ");
	owners_seen(&o, "cc-1", 2, 1900); /* the same name, another process */
	expect("!cc-1 +cc-1 ");
	owners_gone(&o, "cc-2", 1, 1900);
	owners_gone(&o, "nobody", 1, 1900);
	expect("-cc-2 ");
	owners_gone(&o, "cc-1", 3, 2000); /* killed, and the next one is not ready yet: the death is no orderly one */
	expect("!cc-1 +cc-1 -cc-1 ");
	owners_seen(&o, "cc-1", 3, 2100);
	owners_gone(&o, "cc-1", 0, 2200); /* its last word */
	expect("+cc-1 -cc-1 ");
	owners_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_a_farewell_and_another_incarnation_all_mean_that_it_is_gone),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
