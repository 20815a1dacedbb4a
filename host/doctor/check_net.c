/* SPDX-License-Identifier: Apache-2.0 */
/* Packet steering: Documentation/networking/scaling.rst. */
#include <string.h>

#include "host/doctor/private.h"

/* One kind of queue of all cards: "rx-0" and rps_cpus, or "tx-0" and xps_cpus. */
struct rule {
	char queue;
	const char *file;
};

struct count {
	unsigned all, here;
};

static void
check_card(const struct bh_doctor *doctor, struct bh_finding *out, const char *card, struct count *count)
{
	const struct rule *rule = out->check->rule;
	struct bh_sys_names queues;
	if (bh_sys_list(&queues, doctor->root, "/sys/class/net/%s/queues", card) != 0)
		return;
	for (size_t i = 0; i < queues.cnt; i++) {
		char text[BH_CPUS_TEXT_BYTES], path[BH_SYS_PATH_BYTES], list[BH_CPUS_TEXT_BYTES];
		struct bh_cpus cpus;
		snprintf(path, sizeof(path), "/sys/class/net/%s/queues/%s/%s", card, queues.name[i], rule->file);
		if (queues.name[i][0] != rule->queue ||
		    bh_sys_read(text, sizeof(text), doctor->root, "%s", path) != 0 ||
		    bh_cpus_parse_mask(text, &cpus) != 0)
			continue;
		count->all++;
		if (!doctor_on_cpus(doctor, &cpus, list))
			continue;
		if (count->here++ == 0)
			doctor_evidence(out, "%s: %.64s", path, text);
		doctor_detail(out, "%s %s: CPU %.64s", card, queues.name[i], list);
	}
	bh_sys_names_free(&queues);
}

static void
check_steering(const struct bh_doctor *doctor, struct bh_finding *out)
{
	const struct rule *rule = out->check->rule;
	struct count count = {0};
	struct bh_sys_names cards;
	if (doctor_no_cpus(doctor, out))
		return;
	int err = bh_sys_list(&cards, doctor->root, "/sys/class/net");
	if (err != 0) {
		doctor_unreadable(out, "/sys/class/net", err);
		return;
	}
	for (size_t i = 0; i < cards.cnt; i++)
		check_card(doctor, out, cards.name[i], &count);
	bh_sys_names_free(&cards);
	if (count.here > 0) {
		doctor_say(out, BH_FINDING_WARN, "%u of %u queues hand packets to these CPUs", count.here, count.all);
		doctor_fix_apply(doctor, out);
		return;
	}
	doctor_evidence(out, "/sys/class/net/*/queues/*/%s", rule->file);
	if (count.all == 0)
		doctor_say(out, BH_FINDING_NOT_NEEDED, "no card has such queues");
	else
		doctor_say(out, BH_FINDING_OK, "none of %u queues names these CPUs", count.all);
}

static const struct rule rps = {'r', "rps_cpus"}, xps = {'t', "xps_cpus"};

const struct bh_check bh_checks_net[] = {
        {"net.rps", "received packets are not handed to the CPUs",
         "Each packet that is handed over costs an interrupt from another CPU and a softirq.",
         "Receive packet steering spreads packets over the CPUs of rps_cpus; 0 means off and is left alone. 'bulkhead "
         "apply' "
         "takes the cells' CPUs out. Cost: fewer CPUs share the work of a card that has fewer queues than CPUs.",
         check_steering, &rps},
        {"net.xps", "sent packets do not use the CPUs' queues",
         "Completions of what is sent there come back as interrupts and softirqs.",
         "Transmit packet steering maps CPUs to queues; a task uses its CPU's queue. 'bulkhead apply' takes the cells' "
         "CPUs "
         "out of xps_cpus. Cost: none where nothing of Linux runs on them.",
         check_steering, &xps},
        {NULL, NULL, NULL, NULL, NULL, NULL},
};
