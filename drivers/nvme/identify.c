/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identify (Base 2.0, 5.17; NVM Command Set 1.0, 4.1.5). What the device wrote to the arena is copied to the heap once;
 * the copy is checked and used.
 */
#include "internal.h"

static int
identify(struct bh_nvme *ctrl, enum nvme_cns cns, uint32_t nsid, void *out_copy)
{
	struct nvme_sqe cmd = {
	        .opcode = NVME_ADMIN_IDENTIFY,
	        .nsid = nsid,
	        .prp1 = (uintptr_t)ctrl->data_page,
	        .cdw10 = NVME_SET(NVME_IDENTIFY_CNS, (uint32_t)cns),
	};
	if (ctrl->data_lost)
		return -BH_EAGAIN;
	memset(ctrl->data_page, 0, NVME_IDENTIFY_BYTES);
	int err = bh_nvme_admin_exec(ctrl, &cmd, NULL, NULL);
	if (!err)
		memcpy(out_copy, ctrl->data_page, NVME_IDENTIFY_BYTES);
	return err;
}

/* ASCII, padded with blanks, into a NUL-terminated string without them; what is not printable becomes '?'. */
static void
string_copy(char *dst, const char *src, size_t src_bytes)
{
	size_t used = 0;
	for (size_t i = 0; i < src_bytes && src[i]; i++) {
		bool printable = src[i] >= ' ' && src[i] <= '~';
		dst[i] = '?';
		if (printable)
			dst[i] = src[i];
		if (dst[i] != ' ')
			used = i + 1;
	}
	dst[used] = '\0';
}

static int
controller_check(const struct nvme_identify_controller *id)
{
	if ((id->sqes & 0xfu) > NVME_SQES_LOG2 || id->sqes >> 4 < NVME_SQES_LOG2 ||
	    (id->cqes & 0xfu) > NVME_CQES_LOG2 || id->cqes >> 4 < NVME_CQES_LOG2) {
		bh_log_error("nvme: entry sizes SQES %x CQES %x exclude 64 and 16 bytes", id->sqes, id->cqes);
		return -BH_EPROTO;
	}
	if (id->cntrltype != NVME_CNTRLTYPE_NOT_REPORTED && id->cntrltype != NVME_CNTRLTYPE_IO) {
		bh_log_error("nvme: controller type %u is not an I/O controller", id->cntrltype);
		return -BH_EOPNOTSUPP;
	}
	return 0;
}

static void
controller_store(struct bh_nvme *ctrl, const struct nvme_identify_controller *id)
{
	struct bh_nvme_info *info = &ctrl->info;

	string_copy(info->serial, id->sn, sizeof(id->sn));
	string_copy(info->model, id->mn, sizeof(id->mn));
	string_copy(info->firmware, id->fr, sizeof(id->fr));
	info->vid = id->vid;
	info->ssvid = id->ssvid;
	info->cntlid = id->cntlid;
	info->oacs = id->oacs;
	info->oncs = id->oncs;
	info->volatile_write_cache = id->vwc & NVME_VWC_PRESENT;
	info->aer_cnt = (uint8_t)BH_MIN((uint32_t)id->aerl + 1, NVME_AER_MAX);
	ctrl->notices = id->oaes & (NVME_OAES_NS_ATTR | NVME_OAES_FIRMWARE);
	info->transfer_bytes_max = ctrl->options.transfer_bytes_max;
	/* MDTS counts in pages of CAP.MPSMIN, which is 4096 here. */
	if (id->mdts && id->mdts < 20)
		info->transfer_bytes_max = BH_MIN(info->transfer_bytes_max, BH_PAGE_BYTES << id->mdts);
	uint64_t shutdown_ns = id->rtd3e_us * UINT64_C(1000);
	ctrl->shutdown_timeout_ns = BH_MIN(BH_MAX(shutdown_ns, 10000 * NVME_MS_NS), 60000 * NVME_MS_NS);
}

/* Limits of the NVM command set: a structure that only controllers with I/O command sets have (Base 2.0, 5.17.2.7). */
static int
limits_read(struct bh_nvme *ctrl, void *page)
{
	const struct nvme_identify_nvm_controller *id = page;

	if (!(NVME_GET(ctrl->cap, NVME_CAP_CSS) & NVME_CAP_CSS_IO_SETS))
		return 0;
	int err = identify(ctrl, NVME_CNS_CSI_CONTROLLER, 0, page);
	if (err == -BH_EIO) {
		bh_log_warn("nvme: no limits of the NVM command set are reported; taking none");
		return 0;
	}
	if (!err && id->wzsl && id->wzsl < 20)
		ctrl->info.zeroes_bytes_max = BH_PAGE_BYTES << id->wzsl;
	return err;
}

int
bh_nvme_identify_controller(struct bh_nvme *ctrl)
{
	struct nvme_identify_controller *id = bh_heap_alloc(sizeof(*id));
	if (!id)
		return -BH_ENOMEM;

	int err = identify(ctrl, NVME_CNS_CONTROLLER, 0, id);
	if (!err)
		err = controller_check(id);
	if (err)
		goto out;
	controller_store(ctrl, id);
	ctrl->ns_cnt = id->nn; /* highest identifier; used where there is no list of active ones */
	err = limits_read(ctrl, id);
out:
	bh_heap_free(id);
	return err;
}

/* Why a namespace of this format cannot be used, or 0. */
static int
format_check(const struct bh_nvme *ctrl, const struct nvme_identify_namespace *id, uint32_t *out_lba_shift)
{
	uint32_t idx = id->flbas & NVME_FLBAS_LOW_MASK;
	if (id->nlbaf > 15)
		idx |= (id->flbas >> NVME_FLBAS_HIGH_SHIFT & NVME_FLBAS_HIGH_MASK) << 4;
	if (id->nsze == 0)
		return -BH_ENOSPC;
	if (idx > id->nlbaf || idx >= NVME_LBA_FORMATS_MAX)
		return -BH_EPROTO;

	struct nvme_lba_format format = id->lbaf[idx];
	if (format.lbads < 9 || format.lbads > 31 || id->nsze > UINT64_MAX >> format.lbads)
		return -BH_EPROTO;
	if (format.ms || id->dps & NVME_DPS_TYPE_MASK || 1u << format.lbads > ctrl->info.transfer_bytes_max)
		return -BH_EOPNOTSUPP;
	*out_lba_shift = format.lbads;
	return 0;
}

static void
namespace_store(struct bh_nvme *ctrl, struct bh_nvme_ns *ns, const struct nvme_identify_namespace *id)
{
	uint32_t lba_shift = 0;
	int refused = format_check(ctrl, id, &lba_shift);

	/* A changed format under running commands would change what their block counts mean: refuse it from now on. */
	if (!refused && ns->lba_shift && ns->lba_shift != lba_shift)
		refused = -BH_EOPNOTSUPP;
	ns->refused = refused;
	if (refused) {
		bh_log_warn("nvme: namespace %u refused (%d): size %lu blocks, format %u, protection %x", ns->nsid,
		            refused, id->nsze, id->flbas, id->dps);
		return;
	}
	ns->lba_shift = lba_shift;
	ns->lba_bytes = 1u << lba_shift;
	__atomic_store_n(&ns->lba_cnt, id->nsze, __ATOMIC_RELAXED);
	ns->oncs = ctrl->info.oncs;
	ns->write_protected = id->nsattr & 1;
	ns->deallocated_reads_zero = (id->dlfeat & NVME_DLFEAT_READ_MASK) == NVME_DLFEAT_READ_ZEROES;
	memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	bh_log_info("nvme: namespace %u: %lu blocks of %u bytes", ns->nsid, id->nsze, ns->lba_bytes);
}

/* Namespace Identification Descriptors: only the UUID is not in the other structure. Hostile lengths end the walk. */
static void
descriptors_store(struct bh_nvme_ns *ns, const uint8_t *list)
{
	size_t at = 0;
	while (at + sizeof(struct nvme_ns_id_descriptor) <= NVME_IDENTIFY_BYTES) {
		const struct nvme_ns_id_descriptor *head = (const struct nvme_ns_id_descriptor *)(list + at);
		size_t body = at + sizeof(*head);
		if (head->nidl == 0 || body + head->nidl > NVME_IDENTIFY_BYTES)
			return;
		if (head->nidt == NVME_NIDT_UUID && head->nidl == sizeof(ns->uuid))
			memcpy(ns->uuid, list + body, sizeof(ns->uuid));
		at = body + head->nidl;
	}
}

/*
 * The namespace's errors are its own: they end in ns->refused, unless the namespace was known before: then what is known
 * stays, and commands that do not fit any more fail by themselves. No answer at all is the controller's error.
 */
void
bh_nvme_identify_namespace(struct bh_nvme *ctrl, struct bh_nvme_ns *ns)
{
	void *id = bh_heap_alloc(NVME_IDENTIFY_BYTES);
	int err = id ? identify(ctrl, NVME_CNS_NAMESPACE, ns->nsid, id) : -BH_ENOMEM;
	if (err) {
		if (!ns->lba_shift)
			ns->refused = err;
		if (err == -BH_ETIMEDOUT)
			bh_nvme_reset_want(ctrl, NVME_RESET_ADMIN);
		bh_log_warn("nvme: namespace %u cannot be identified (%d)", ns->nsid, err);
	} else {
		namespace_store(ctrl, ns, id);
		if (ctrl->info.version >= NVME_VS(1, 3, 0) && !identify(ctrl, NVME_CNS_NS_ID_DESCRIPTORS, ns->nsid, id))
			descriptors_store(ns, id);
	}
	bh_heap_free(id);
}

/* Identifiers of active namespaces, ascending (Base 2.0, 5.17.2.2); a list that is not ends where it stops being so. */
static int
namespace_list(struct bh_nvme *ctrl)
{
	struct nvme_ns_list *list = bh_heap_alloc(sizeof(*list));
	if (!list)
		return -BH_ENOMEM;

	int err = identify(ctrl, NVME_CNS_ACTIVE_NS_LIST, 0, list);
	uint32_t cnt = 0, before = 0;
	for (; !err && cnt < NVME_NS_LIST_CNT && list->nsid[cnt]; cnt++) {
		if (list->nsid[cnt] <= before) {
			bh_log_error("nvme: active namespaces are not in order: %u after %u", list->nsid[cnt], before);
			err = -BH_EPROTO;
			break;
		}
		before = list->nsid[cnt];
		if (cnt < BH_NVME_NS_MAX)
			ctrl->ns[cnt].nsid = before;
	}
	ctrl->ns_cnt = cnt;
	bh_heap_free(list);
	return err;
}

int
bh_nvme_identify_namespaces(struct bh_nvme *ctrl)
{
	if (ctrl->info.version >= NVME_VS(1, 1, 0)) {
		int err = namespace_list(ctrl);
		if (err)
			return err;
	} else {
		for (uint32_t i = 0; i < BH_NVME_NS_MAX; i++)
			ctrl->ns[i].nsid = i + 1;
	}
	if (ctrl->ns_cnt > BH_NVME_NS_MAX) {
		bh_log_warn("nvme: %u namespaces, the first %u are used", ctrl->ns_cnt, BH_NVME_NS_MAX);
		ctrl->ns_cnt = BH_NVME_NS_MAX;
	}
	ctrl->info.ns_cnt = ctrl->ns_cnt;
	for (uint32_t i = 0; i < ctrl->ns_cnt && !ctrl->data_lost; i++)
		bh_nvme_identify_namespace(ctrl, &ctrl->ns[i]);
	return ctrl->data_lost ? -BH_ETIMEDOUT : 0;
}
