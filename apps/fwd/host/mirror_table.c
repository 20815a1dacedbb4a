/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/fwd/host/mirror_rib.h"

#define BUCKETS_FIRST 256u

uint32_t
fwd_rib_hash(uint32_t seed, const void *bytes, size_t cnt)
{
	const uint8_t *at = bytes;
	uint64_t hash = seed ^ UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < cnt; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(hash ^ hash >> 32);
}

static const struct fwd_rib_class_ops *ops_of(enum fwd_rib_class class)
{
	switch (class) {
	case FWD_RIB_LINK:
		return &fwd_rib_link_ops;
	case FWD_RIB_NETCONF4:
	case FWD_RIB_NETCONF6:
		return &fwd_rib_netconf_ops;
	case FWD_RIB_NEXTHOP:
		return &fwd_rib_nexthop_ops;
	case FWD_RIB_ROUTE4:
	case FWD_RIB_ROUTE6:
		return &fwd_rib_route_ops;
	case FWD_RIB_NEIGHBOUR4:
	case FWD_RIB_NEIGHBOUR6:
		return &fwd_rib_neighbour_ops;
	default:
		return &fwd_rib_rule_ops;
	}
}

int
fwd_rib_init(struct fwd_rib *rib, const struct fwd_rib_options *options)
{
	memset(rib, 0, sizeof(*rib));
	rib->options = *options;
	if (options->port_cnt > FWD_PORTS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < options->port_cnt; i++)
		memcpy(rib->port[i], options->port[i], sizeof(rib->port[i]));
	rib->hops_bucket_cnt = 4096;
	rib->hops_bucket = calloc(rib->hops_bucket_cnt, sizeof(*rib->hops_bucket));
	bool whole = rib->hops_bucket != NULL;
	for (unsigned i = 0; i < FWD_RIB_CLASS_CNT; i++) {
		struct fwd_rib_table *table = &rib->table[i];
		table->ops = ops_of(i);
		table->bucket_cnt = BUCKETS_FIRST;
		table->bucket = calloc(table->bucket_cnt, sizeof(struct fwd_rib_item *));
		whole &= table->bucket != NULL;
	}
	if (!whole) {
		fwd_rib_free(rib);
		return -ENOMEM;
	}
	return 0;
}

static void
item_free(struct fwd_rib *rib, struct fwd_rib_table *table, struct fwd_rib_item *item)
{
	if (table->ops->release != NULL)
		table->ops->release(rib, item);
	free(item);
}

void
fwd_rib_free(struct fwd_rib *rib)
{
	for (unsigned i = 0; i < FWD_RIB_CLASS_CNT; i++) {
		struct fwd_rib_table *table = &rib->table[i];
		for (uint64_t b = 0; table->bucket != NULL && b < table->bucket_cnt; b++) {
			for (struct fwd_rib_item *item = table->bucket[b], *next; item != NULL; item = next) {
				next = item->next;
				item_free(rib, table, item);
			}
		}
		free(table->bucket);
		table->bucket = NULL;
	}
	free(rib->hops_bucket);
	rib->hops_bucket = NULL;
}

struct fwd_rib_item *
fwd_rib_bucket(const struct fwd_rib_table *table, uint32_t hash)
{
	return table->bucket[hash & (table->bucket_cnt - 1)];
}

struct fwd_rib_item *
fwd_rib_find(const struct fwd_rib_table *table, const struct fwd_nl_event *event)
{
	uint32_t hash = table->ops->hash(event);
	struct fwd_rib_item *item = fwd_rib_bucket(table, hash);
	while (item != NULL && (item->hash != hash || !table->ops->is(item, event)))
		item = item->next;
	return item;
}

/* Behind all others of its bucket: older first. */
static void
bucket_append(struct fwd_rib_item **bucket, struct fwd_rib_item *item)
{
	while (*bucket != NULL)
		bucket = &(*bucket)->next;
	item->next = NULL;
	*bucket = item;
}

/* Twice the buckets; without the memory for them, chains are longer and nothing else. */
static void
table_grow(struct fwd_rib_table *table)
{
	uint64_t cnt = 2 * table->bucket_cnt;
	struct fwd_rib_item **bucket = calloc(cnt, sizeof(struct fwd_rib_item *));
	if (bucket == NULL)
		return;
	for (uint64_t b = 0; b < table->bucket_cnt; b++) {
		for (struct fwd_rib_item *item = table->bucket[b], *next; item != NULL; item = next) {
			next = item->next;
			bucket_append(&bucket[item->hash & (cnt - 1)], item);
		}
	}
	free(table->bucket);
	table->bucket = bucket;
	table->bucket_cnt = cnt;
}

static struct fwd_rib_item *
item_add(struct fwd_rib *rib, struct fwd_rib_table *table, const struct fwd_nl_event *event)
{
	struct fwd_rib_item *item = calloc(1, table->ops->item_bytes);
	if (item == NULL)
		return NULL;
	item->hash = table->ops->hash(event);
	if (table->ops->set(rib, item, event) != 0) {
		item_free(rib, table, item);
		return NULL;
	}
	if (table->item_cnt >= table->bucket_cnt)
		table_grow(table);
	bucket_append(&table->bucket[item->hash & (table->bucket_cnt - 1)], item);
	table->item_cnt++;
	return item;
}

static void
item_remove(struct fwd_rib *rib, struct fwd_rib_table *table, struct fwd_rib_item *item)
{
	struct fwd_rib_item **at = &table->bucket[item->hash & (table->bucket_cnt - 1)];
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	table->item_cnt--;
	item_free(rib, table, item);
}

/* Say of an item where its present state comes from. */
static void
item_source(struct fwd_rib_table *table, struct fwd_rib_item *item, enum fwd_rib_source source, bool changed)
{
	if (source == FWD_RIB_DUMP) {
		item->seen = table->dump;
		item->missed_cnt = 0;
		table->diff_cnt += changed && (item->flags & FWD_RIB_DIFF) == 0;
		item->flags |= changed ? FWD_RIB_DIFF : 0;
		return;
	}
	item->touched = table->dump;
	table->diff_cnt -= (item->flags & FWD_RIB_DIFF) != 0;
	item->flags &= (uint8_t)~FWD_RIB_DIFF;
}

static void
item_gone(struct fwd_rib *rib, struct fwd_rib_table *table, struct fwd_rib_item *item, enum fwd_rib_source source)
{
	bool was = (item->flags & FWD_RIB_GONE) == 0;
	item->flags |= FWD_RIB_GONE;
	item_source(table, item, source, was);
	if (was)
		table->ops->changed(rib, item);
	if (!table->dumping)
		item_remove(rib, table, item);
}

int
fwd_rib_put(struct fwd_rib *rib, enum fwd_rib_class class, struct fwd_rib_item *item, const struct fwd_nl_event *event,
            enum fwd_rib_source source)
{
	struct fwd_rib_table *table = &rib->table[class];
	if (source == FWD_RIB_EVENT)
		table->disturbed = true;
	if (source == FWD_RIB_DUMP && item != NULL && item->touched == table->dump) {
		item->seen = table->dump; /* an event spoke of it since the dump began */
		return 0;
	}
	if (event->deleted) {
		if (item != NULL)
			item_gone(rib, table, item, source);
		return 0;
	}
	bool changed = item == NULL || (item->flags & FWD_RIB_GONE) != 0 || !table->ops->same(item, event);
	int err = 0;
	if (item == NULL) {
		item = item_add(rib, table, event);
		err = item == NULL ? -ENOMEM : 0;
	} else if (changed) {
		err = table->ops->set(rib, item, event);
	}
	if (err != 0) {
		rib->stats.no_memory_cnt++;
		rib->want_dump = true;
		return err;
	}
	item->flags &= (uint8_t)~FWD_RIB_GONE;
	item_source(table, item, source, changed);
	if (changed)
		table->ops->changed(rib, item);
	else if (table->ops->refresh != NULL)
		table->ops->refresh(item, event);
	return 0;
}

static int
class_of(const struct fwd_nl_event *event)
{
	switch (event->kind) {
	case FWD_NL_LINK:
		return FWD_RIB_LINK;
	case FWD_NL_NETCONF:
		return event->netconf.family == AF_INET ? FWD_RIB_NETCONF4 : FWD_RIB_NETCONF6;
	case FWD_NL_NEXTHOP:
		return FWD_RIB_NEXTHOP;
	case FWD_NL_ROUTE:
		return event->route.prefix.family == AF_INET ? FWD_RIB_ROUTE4 : FWD_RIB_ROUTE6;
	case FWD_NL_NEIGHBOUR:
		return event->neighbour.family == AF_INET ? FWD_RIB_NEIGHBOUR4 : FWD_RIB_NEIGHBOUR6;
	case FWD_NL_RULE:
		return event->rule.family == AF_INET ? FWD_RIB_RULE4 : FWD_RIB_RULE6;
	default:
		return -1;
	}
}

int
fwd_rib_apply(struct fwd_rib *rib, struct fwd_nl_event *event, enum fwd_rib_source source)
{
	if (event->kind ==
	    FWD_NL_ADDRESS) { /* its routes say what it means; others that come or go with it do in silence */
		rib->want_dump |= source == FWD_RIB_EVENT;
		return 0;
	}
	if (event->kind == FWD_NL_NEIGHBOUR && !fwd_rib_neighbour_usable(&event->neighbour))
		event->deleted = true; /* Linux is looking for it, or has given up */
	int class = class_of(event);
	if (class < 0 || (source == FWD_RIB_DUMP && !rib->table[class].dumping))
		return 0;
	if (source == FWD_RIB_EVENT)
		rib->stats.event_cnt[class]++;
	if (event->kind == FWD_NL_ROUTE)
		return fwd_rib_route_put(rib, event, source);
	return fwd_rib_put(rib, (enum fwd_rib_class) class, fwd_rib_find(&rib->table[class], event), event, source);
}

void
fwd_rib_each(struct fwd_rib *rib, enum fwd_rib_class class,
             void (*each)(struct fwd_rib *rib, struct fwd_rib_item *item, void *context), void *context)
{
	struct fwd_rib_table *table = &rib->table[class];
	for (uint64_t b = 0; b < table->bucket_cnt; b++) {
		for (struct fwd_rib_item *item = table->bucket[b]; item != NULL; item = item->next) {
			if ((item->flags & FWD_RIB_GONE) == 0)
				each(rib, item, context);
		}
	}
}

void
fwd_rib_dump_begin(struct fwd_rib *rib, enum fwd_rib_class class)
{
	struct fwd_rib_table *table = &rib->table[class];
	table->dump = ++rib->dump;
	table->dumping = true;
	table->disturbed = false;
	table->diff_cnt = 0;
}

uint64_t
fwd_rib_dump_end(struct fwd_rib *rib, enum fwd_rib_class class)
{
	struct fwd_rib_table *table = &rib->table[class];
	uint64_t doubt_cnt = 0;
	for (uint64_t b = 0; b < table->bucket_cnt; b++) {
		for (struct fwd_rib_item *item = table->bucket[b]; item != NULL; item = item->next) {
			if (item->seen == table->dump || item->touched == table->dump ||
			    (item->flags & FWD_RIB_GONE) != 0)
				continue;
			if (++item->missed_cnt >= 2 || !table->disturbed)
				item_gone(rib, table, item, FWD_RIB_DUMP);
			else
				doubt_cnt++;
		}
	}
	return doubt_cnt;
}

uint64_t
fwd_rib_dump_settle(struct fwd_rib *rib, enum fwd_rib_class class)
{
	struct fwd_rib_table *table = &rib->table[class];
	table->dumping = false;
	for (uint64_t b = 0; b < table->bucket_cnt; b++) {
		for (struct fwd_rib_item *item = table->bucket[b], *next; item != NULL; item = next) {
			next = item->next;
			item->flags &= (uint8_t)~FWD_RIB_DIFF;
			if ((item->flags & FWD_RIB_GONE) != 0)
				item_remove(rib, table, item);
		}
	}
	return table->diff_cnt;
}
