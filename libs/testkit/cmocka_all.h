/*
 * What cmocka.h needs before it, in the order it needs it. Unit tests include this and the header under test.
 */
#ifndef TESTKIT_CMOCKA_ALL_H
#define TESTKIT_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNUSED(x) ((void)(x))

#endif
