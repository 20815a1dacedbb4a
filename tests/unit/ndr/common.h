/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_NDR_COMMON_H
#define TESTS_UNIT_NDR_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
