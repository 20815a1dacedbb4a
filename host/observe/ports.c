/* SPDX-License-Identifier: Apache-2.0 */
#include "host/observe/ports.h"

#include <stdio.h>
#include <string.h>

static uint64_t
counter(const struct bh_view *view, const char *port_name, const char *prefix, const char *name)
{
	char text[64];
	uint64_t value;
	snprintf(text, sizeof(text), "%s.%s%s", port_name, prefix, name);
	(void)bh_view_counter(view, text, &value);
	return value;
}

const char *
bh_drop_name(enum bh_drop_reason reason)
{
	static const char *const names[BH_DROP_CNT] = BH_DROP_NAMES;
	return (unsigned)reason < BH_DROP_CNT ? names[reason] : "unknown";
}

void
bh_port_sample_take(const struct bh_view *view, const char *port_name, struct bh_port_sample *out)
{
	*out = (struct bh_port_sample){
	        .rx_pkts = counter(view, port_name, "", "rx_pkts"),
	        .rx_bytes = counter(view, port_name, "", "rx_bytes"),
	        .tx_pkts = counter(view, port_name, "", "tx_pkts"),
	        .tx_bytes = counter(view, port_name, "", "tx_bytes"),
	        .link_changes = counter(view, port_name, "", "link_changes"),
	        .resets = counter(view, port_name, "", "resets"),
	        .link_up = counter(view, port_name, "", "link_up") != 0,
	};
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		out->drop[i] = counter(view, port_name, "drop_", bh_drop_name((enum bh_drop_reason)i));
}

void
bh_port_sample_since(const struct bh_port_sample *now, const struct bh_port_sample *before, struct bh_port_sample *out)
{
	*out = (struct bh_port_sample){
	        .rx_pkts = now->rx_pkts - before->rx_pkts,
	        .rx_bytes = now->rx_bytes - before->rx_bytes,
	        .tx_pkts = now->tx_pkts - before->tx_pkts,
	        .tx_bytes = now->tx_bytes - before->tx_bytes,
	        .link_changes = now->link_changes - before->link_changes,
	        .resets = now->resets - before->resets,
	        .link_up = now->link_up,
	};
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		out->drop[i] = now->drop[i] - before->drop[i];
}

uint64_t
bh_port_sample_drops(const struct bh_port_sample *sample)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < BH_DROP_CNT; i++)
		sum += sample->drop[i];
	return sum;
}
