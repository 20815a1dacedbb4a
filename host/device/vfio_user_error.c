/* SPDX-License-Identifier: Apache-2.0 */
/* The client's error texts. */
#include <host/device/vfio_user_private.h>

#include <stdarg.h>
#include <stdio.h>

int
bh_vfu_fail(struct bh_error *error, int err, const char *id, const char *format, ...)
{
	va_list args;
	if (error == NULL)
		return err;
	snprintf(error->id, sizeof(error->id), "%s", id);
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}
