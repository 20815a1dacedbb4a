/* SPDX-License-Identifier: Apache-2.0 */
/* Identify (Base 2.0, 5.17). */
#include <string.h>

#include "devices/nvme/internal.h"

/* ASCII, padded with blanks. */
static void
text_field(char *field, size_t field_bytes, const char *text)
{
	size_t i = 0;
	for (; i < field_bytes && text[i]; i++)
		field[i] = text[i];
	for (; i < field_bytes; i++)
		field[i] = ' ';
}

static void
number_field(uint8_t *field, uint64_t value)
{
	memcpy(field, &value, sizeof(value));
}

static void
controller_limits(const struct nvme_model *m, struct nvme_identify_controller *id)
{
	id->mdts = (uint8_t)(m->config.mdts ? m->config.mdts : NVME_MODEL_MDTS_MAX);
	id->oaes = NVME_OAES_NS_ATTR;
	id->oacs = m->config.shadow_doorbells ? NVME_OACS_DOORBELL_BUFFER : 0;
	id->acl = 3;
	id->aerl = NVME_AER_CNT - 1;
	id->frmw = 1 | 1 << 1; /* slot 1 is read-only, one slot */
	id->lpa = NVME_LPA_EFFECTS | NVME_LPA_EXTENDED;
	id->elpe = NVME_ERROR_LOG_CNT - 1;
	id->wctemp_kelvin = NVME_WARNING_K;
	id->cctemp_kelvin = NVME_WARNING_K + 10;
	number_field(id->tnvmcap, m->ns_bytes * m->config.namespace_cnt);
	id->sqes = NVME_SQES_LOG2 | NVME_SQES_LOG2 << 4;
	id->cqes = NVME_CQES_LOG2 | NVME_CQES_LOG2 << 4;
	id->nn = m->config.namespace_cnt;
	id->oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES | NVME_ONCS_SAVE_SELECT;
	id->vwc = 3 << NVME_VWC_FLUSH_ALL_SHIFT | (m->config.volatile_write_cache ? NVME_VWC_PRESENT : 0);
}

static void
controller(const struct nvme_model *m, struct nvme_identify_controller *id)
{
	static const char subsystem[] = "nqn.2014-08.org.nvmexpress:bulkhead:softdev";

	memset(id, 0, sizeof(*id));
	id->vid = 0x1b36;
	id->ssvid = 0x1af4;
	text_field(id->sn, sizeof(id->sn), m->config.serial);
	text_field(id->mn, sizeof(id->mn), "bulkhead software NVMe");
	text_field(id->fr, sizeof(id->fr), "1.0");
	id->rab = 5;
	id->cntlid = 1;
	id->ver = NVME_VS(2, 0, 0);
	id->cntrltype = NVME_CNTRLTYPE_IO;
	memcpy(id->subnqn, subsystem, sizeof(subsystem));
	id->psd[0].max_power = 2500; /* 25 W */
	controller_limits(m, id);
}

/* A namespace's globally unique identifiers, from seed and identifier: the same again at the next start. */
static void
ns_guid(const struct nvme_model *m, uint32_t nsid, uint8_t out[16])
{
	struct nvme_random random;
	uint64_t half[2];

	nvme_random_seed(&random, m->config.seed ^ (uint64_t)nsid << 32);
	half[0] = nvme_random_next(&random);
	half[1] = nvme_random_next(&random);
	memcpy(out, half, sizeof(half));
}

static void namespace(const struct nvme_model *m, uint32_t nsid, struct nvme_identify_namespace *id)
{
	memset(id, 0, sizeof(*id));
	id->nsze = id->ncap = id->nuse = m->ns_blocks;
	id->dlfeat = NVME_DLFEAT_READ_ZEROES | NVME_DLFEAT_WRITE_ZEROES_DEAC;
	number_field(id->nvmcap, m->ns_bytes);
	ns_guid(m, nsid, id->nguid);
	id->lbaf[0].lbads = (uint8_t)m->lba_shift;
}

static void
ns_list(const struct nvme_model *m, uint32_t above, struct nvme_ns_list *list)
{
	memset(list, 0, sizeof(*list));
	for (uint32_t i = 0; i < NVME_NS_LIST_CNT && above + i < m->config.namespace_cnt; i++)
		list->nsid[i] = above + i + 1;
}

static uint8_t *
descriptor(uint8_t *at, uint8_t type, const void *data, uint8_t cnt_bytes)
{
	struct nvme_ns_id_descriptor head = {.nidt = type, .nidl = cnt_bytes};
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), data, cnt_bytes);
	return at + sizeof(head) + cnt_bytes;
}

static void
ns_descriptors(const struct nvme_model *m, uint32_t nsid, uint8_t *page)
{
	uint8_t guid[16], csi = NVME_CSI_NVM;

	memset(page, 0, NVME_IDENTIFY_BYTES);
	ns_guid(m, nsid, guid);
	page = descriptor(page, NVME_NIDT_NGUID, guid, sizeof(guid));
	guid[6] = (guid[6] & 0x0f) | 0x40; /* as a version 4 UUID */
	guid[8] = (guid[8] & 0x3f) | 0x80;
	page = descriptor(page, NVME_NIDT_UUID, guid, sizeof(guid));
	descriptor(page, NVME_NIDT_CSI, &csi, sizeof(csi));
}

uint16_t
nvme_identify(struct nvme_model *m, const struct nvme_sqe *sqe)
{
	bool known = sqe->nsid - 1 < m->config.namespace_cnt;

	switch (NVME_GET(sqe->cdw10, NVME_IDENTIFY_CNS)) {
	case NVME_CNS_NAMESPACE:
		if (!known)
			return NVME_SC_INVALID_NAMESPACE | NVME_DNR;
		namespace(m, sqe->nsid, (struct nvme_identify_namespace *)(void *)m->page);
		break;
	case NVME_CNS_CONTROLLER:
		controller(m, (struct nvme_identify_controller *)(void *)m->page);
		break;
	case NVME_CNS_ACTIVE_NS_LIST:
		if (sqe->nsid >= NVME_NSID_ALL - 1)
			return NVME_SC_INVALID_NAMESPACE | NVME_DNR;
		ns_list(m, sqe->nsid, (struct nvme_ns_list *)(void *)m->page);
		break;
	case NVME_CNS_NS_ID_DESCRIPTORS:
		if (!known)
			return NVME_SC_INVALID_NAMESPACE | NVME_DNR;
		ns_descriptors(m, sqe->nsid, m->page);
		break;
	default:
		return NVME_SC_INVALID_FIELD | NVME_DNR;
	}
	return nvme_data_out(m, sqe, m->page, NVME_IDENTIFY_BYTES);
}
