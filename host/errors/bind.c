/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, bind and unbind: E140 to E169. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_bind[] = {
        {NULL, 0, NULL, NULL},
};
