/*
 * call_fixture: a small tenant for the tests of the call core.
 *
 * Numbers: 100 → flow main (answer, collect 1 digit, branch 1 → queue sales, else hang up); 200 → flow account (collect 2…6
 * digits, 2 tries); 300 → forced: reject 486; 500 → queue sales directly.
 */
#ifndef CALL_CONTROL_CALL_FIXTURE_H
#define CALL_CONTROL_CALL_FIXTURE_H

#include "tenantconf/tenant.h"

/* A new reference; aborts the test if the configuration does not validate. */
const struct tenant *fixture_tenant(void);
/* The same tenant suspended: nothing chosen, with an announcement, or so that calls end. */
enum fixture { FIXTURE_USUAL, FIXTURE_SUSPENDED, FIXTURE_ANNOUNCES, FIXTURE_ENDS, FIXTURES };
const struct tenant *fixture_suspended(enum fixture which);

#endif
