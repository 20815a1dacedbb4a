/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/owner.h"
#include "host/compare/program.h"
#include "host/compare/text.h"
#include "host/device/bind.h"
#include "host/errors/errors.h"

static const char *const no_override[] = {NULL};

#define MODPROBE_NS UINT64_C(20000000000)
#define JOURNALS    "/run/bulkhead/compare"
#define POLL_QUEUES "/sys/module/nvme/parameters/poll_queues"

/* What shows that the device is behind an IOMMU now: its group, the group's type, and that nobody loosened VFIO. */
void
bh_owner_look_at_iommu(struct bh_session *session)
{
	char path[160], type[32], unsafe[8], no_iommu[8];
	int group = session->target.group;
	if (session->iommu[0] != '\0')
		return;
	if (group < 0) {
		snprintf(session->iommu, sizeof(session->iommu), "the device has no IOMMU group");
		return;
	}
	bh_text_path(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type", group);
	bh_text_file(type, sizeof(type), path);
	bh_text_file(unsafe, sizeof(unsafe), "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	bh_text_file(no_iommu, sizeof(no_iommu), "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	session->iommu_enforced = type[0] != '\0' && unsafe[0] != 'Y' && no_iommu[0] != 'Y';
	snprintf(session->iommu, sizeof(session->iommu), "VFIO type1, group %d (%s), unsafe interrupts %s", group,
	         type[0] != '\0' ? type : "no type", unsafe[0] == 'Y' ? "ALLOWED" : "not allowed");
}

static int
set_poll_queues(struct bh_session *session, bool *out_changed, struct bh_error *error)
{
	char now[16];
	*out_changed = false;
	if (bh_text_file(now, sizeof(now), POLL_QUEUES) != 0) {
		bh_session_note(session,
		                "the nvme driver has no parameter poll_queues here: side A runs without polling");
		return 0;
	}
	if (strcmp(now, "0") != 0)
		return 0;
	*out_changed = true;
	return bh_restore_set(&session->restore, POLL_QUEUES, "1", error);
}

int
bh_owner_begin(struct bh_session *session, struct bh_error *error)
{
	bool changed;
	if (session->target.file)
		return 0;
	struct bh_bind_finding finding[BH_BIND_FINDINGS_MAX];
	int against = bh_bind_check("", session->target.address, finding, error);
	if (against != 0) /* bh_bind says it all, and changes nothing */
		return against < 0 ? against : bh_bind("", session->target.address, no_override, error);
	int err = bh_restore_open(&session->restore, JOURNALS, session->target.address, error);
	if (err == 0) /* the queue's settings as the user had them, before a new probe makes them anew */
		err = bh_target_tune(&session->target, &session->restore, session->cpu, error);
	if (err == 0)
		err = set_poll_queues(session, &changed, error);
	if (err == 0)
		err = bh_owner_to_cell(session, error);
	if (err == 0)
		err = bh_owner_to_linux(session, error);
	if (err != 0)
		return err;
	session->poll_queues = bh_target_poll_queues(&session->target);
	if (!session->poll_queues)
		bh_session_note(session, "the driver made no polled queue: side A runs without polling");
	return 0;
}

/* kmod loads it with vfio-pci, busybox does not. What comes of it the cell's back end says (E108). */
void
bh_owner_load_type1(struct bh_session *session)
{
	static const char *const argv[] = {"modprobe", "vfio_iommu_type1", NULL};
	int exit_code;
	if (access("/sys/module/vfio_iommu_type1", F_OK) == 0)
		return;
	int err = bh_program_run(argv, "/dev/null", "/dev/null", MODPROBE_NS, &exit_code);
	if (err != 0 || exit_code != 0)
		bh_session_note(session, "modprobe vfio_iommu_type1 failed");
}

int
bh_owner_to_linux(struct bh_session *session, struct bh_error *error)
{
	if (session->linux_holds)
		return 0;
	if (session->target.file) {
		session->linux_holds = true;
		return 0;
	}
	char address[BH_PCI_ADDRESS_BYTES];
	memcpy(address, session->target.address, sizeof(address));
	int err = bh_unbind("", address, error);
	if (err != 0)
		return err;
	session->linux_holds = true;
	err = bh_target_open(&session->target, address, session->target.nsid, error);
	return err != 0 ? err : bh_target_tune(&session->target, &session->restore, session->cpu, error);
}

int
bh_owner_to_cell(struct bh_session *session, struct bh_error *error)
{
	if (!session->linux_holds)
		return 0;
	if (!session->target.file) {
		int err = bh_bind("", session->target.address, no_override, error);
		if (err != 0)
			return err;
		session->handed_over = true;
		bh_owner_load_type1(session);
		bh_owner_look_at_iommu(session);
	}
	session->linux_holds = false;
	return 0;
}

/* The disk comes a while after its driver; then it gets the settings that it had. */
static int
settings_back(struct bh_session *session, struct bh_error *error)
{
	if (bh_target_wait(&session->target, false) != 0)
		return bh_error_set(error, "E187", -EIO,
		                    "%s is bound to the nvme driver again, but its disk does not come; "
		                    "see 'dmesg'",
		                    session->target.address);
	int err = bh_restore_back(&session->restore, NULL, error);
	if (err == 0 && session->handed_over)
		bh_restore_settle(&session->restore);
	bh_restore_close(&session->restore);
	return err;
}

int
bh_owner_give_back(struct bh_session *session, struct bh_error *error)
{
	struct bh_error other = {0};
	if (session->target.file) {
		session->given_back = true;
		return 0;
	}
	/* The parameter first: the driver makes its queues by it when it takes the device. */
	int err = bh_restore_back(&session->restore, POLL_QUEUES, error);
	int later = session->linux_holds && session->handed_over ? bh_owner_to_cell(session, &other) : 0;
	if (later == 0 && !session->linux_holds) {
		later = bh_unbind("", session->target.address, &other);
		session->linux_holds = later == 0;
	}
	if (later == 0)
		later = settings_back(session, &other);
	session->given_back = later == 0;
	if (err == 0 && later != 0) {
		err = later;
		*error = other;
	}
	return err;
}

int
bh_owner_restore(const char *address, struct bh_error *error)
{
	struct bh_restore restore;
	struct bh_target target;
	struct bh_pci_device device;
	int err = bh_restore_load(&restore, JOURNALS, address, error);
	if (err == 0)
		err = bh_restore_back(&restore, POLL_QUEUES, error);
	if (err == 0)
		err = bh_pci_read("", address, &device, error);
	if (err == 0 && strcmp(device.driver, "nvme") != 0)
		err = bh_unbind("", address, error);
	if (err == 0 && restore.entry_cnt > 0) /* its disk comes a while after the driver */
		err = bh_target_open(&target, address, 1, error);
	if (err == 0)
		err = bh_restore_back(&restore, NULL, error);
	if (err == 0) {
		bh_restore_settle(&restore);
		bh_restore_close(&restore);
	}
	return err;
}
