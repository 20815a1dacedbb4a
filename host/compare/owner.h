/* SPDX-License-Identifier: Apache-2.0 */
/* Who has the device: handing it from Linux to the cell and back, with Linux set up to win each time. */
#ifndef HOST_COMPARE_OWNER_H
#define HOST_COMPARE_OWNER_H

#include "host/compare/session.h"

/**
 * bh_owner_begin - open the journal, give Linux's driver queues without interrupts, and tune
 *
 * The driver makes such queues when it takes a device, so the device is taken and given back once (guards of bind.h first).
 * Return: 0; -EPERM a guard speaks against it (nothing was changed); -EIO, -ENODEV.
 */
BH_MUST_CHECK int bh_owner_begin(struct bh_session *session, struct bh_error *error);

/* bh_owner_to_linux, bh_owner_to_cell - hand over; nothing to do if it is there. Return: 0; as bind.h and target.h. */
BH_MUST_CHECK int bh_owner_to_linux(struct bh_session *session, struct bh_error *error);
BH_MUST_CHECK int bh_owner_to_cell(struct bh_session *session, struct bh_error *error);

/**
 * bh_owner_give_back - the driver that was there with the settings that were there; also after a failure
 * Return: 0; the first error. It goes on after one.
 */
BH_MUST_CHECK int bh_owner_give_back(struct bh_session *session, struct bh_error *error);

/* bh_owner_look_at_iommu - what shows that the device of session->target.group is behind an IOMMU, while VFIO has it */
void bh_owner_look_at_iommu(struct bh_session *session);
/* bh_owner_load_type1 - VFIO's module for IOMMUs; a note if it does not come */
void bh_owner_load_type1(struct bh_session *session);

/**
 * bh_owner_restore - after a comparison that was killed: the driver's parameter, the device, the disk's settings, in that order
 * Return: 0, also if nothing is left to do; as above.
 */
BH_MUST_CHECK int bh_owner_restore(const char *address, struct bh_error *error);

#endif
