/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/many.h"

int
sim_fault_table(void)
{
	return 0;
}
