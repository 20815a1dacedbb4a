/* SPDX-License-Identifier: Apache-2.0 */
/* What a comparison on an NVMe device is: the subject's parts. */
#ifndef HOST_COMPARE_NVME_H
#define HOST_COMPARE_NVME_H

#include "host/compare/session.h"

/* bh_nvme_judge - verdict[] from summary[] */
void bh_nvme_judge(struct bh_session *session);

#endif
