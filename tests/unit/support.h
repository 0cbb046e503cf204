/* What every unit test includes: cmocka with its headers in the order it wants them.
 * cmocka brings its own assert macros; `assert` of base/check.h stays the one of the code. */
#ifndef KAVKA_TESTS_UNIT_SUPPORT_H
#define KAVKA_TESTS_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
