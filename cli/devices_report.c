/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include "cli/devices_report.h"

#define COLUMNS       100
#define STATE_COLUMNS 47 /* what the columns before it leave */
#define INDENT        "              "

/* Break at words, each line indented. */
static void
print_wrapped(FILE *stream, const char *text)
{
	size_t room = COLUMNS - strlen(INDENT);
	while (*text != '\0') {
		size_t len = strlen(text);
		if (len > room) {
			for (len = room; len > 0 && text[len] != ' '; len--)
				;
			len = len == 0 ? room : len;
		}
		fprintf(stream, INDENT "%.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static void
format_size(uint64_t bytes, char out[32])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t unit = 0;
	double value = (double)bytes;
	for (; value >= 1024 && unit + 1 < BH_ARRAY_CNT(units); unit++)
		value /= 1024;
	snprintf(out, 32, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void
format_state(const struct bh_inventory_device *device, char *out, size_t out_bytes)
{
	size_t used = 0;
	switch (device->state) {
	case BH_INVENTORY_FREE:
		snprintf(out, out_bytes, "free to take");
		return;
	case BH_INVENTORY_TAKEN:
		snprintf(out, out_bytes, "taken by bulkhead from %s",
		         device->driver_before[0] != '\0' ? device->driver_before : "no driver");
		return;
	case BH_INVENTORY_FOREIGN:
		snprintf(out, out_bytes, "vfio-pci, not by bulkhead");
		return;
	case BH_INVENTORY_NO_IOMMU:
		snprintf(out, out_bytes, "no IOMMU: not for cells");
		return;
	case BH_INVENTORY_UNSUITABLE:
		snprintf(out, out_bytes, "stays with Linux");
		return;
	case BH_INVENTORY_IN_USE:
		break;
	}
	used += (size_t)snprintf(out, out_bytes, "in use:");
	for (int i = 0; i < device->finding_cnt; i++) {
		bool before = false;
		for (int j = 0; j < i && !before; j++)
			before = strcmp(device->finding[j].reason, device->finding[i].reason) == 0;
		if (!before && used + strlen(device->finding[i].reason) + 5 > STATE_COLUMNS) {
			snprintf(out + used, out_bytes - used, " ...");
			return;
		}
		if (!before)
			used += (size_t)snprintf(out + used, out_bytes - used, " %s", device->finding[i].reason);
	}
}

static void
print_identity(FILE *stream, const struct bh_inventory_device *device)
{
	char text[512];
	int used = snprintf(text, sizeof(text), "%04x:%04x", device->pci.vendor, device->pci.device);
	if (device->model[0] != '\0')
		used += snprintf(text + used, sizeof(text) - (size_t)used, " %s, serial %s, firmware %s", device->model,
		                 device->serial, device->firmware);
	else if (device->vendor_name[0] != '\0')
		used += snprintf(text + used, sizeof(text) - (size_t)used, " %s %s", device->vendor_name,
		                 device->device_name);
	print_wrapped(stream, text);
	(void)used;
}

static void
print_parts(FILE *stream, const struct bh_inventory_device *device)
{
	char text[256], size[32];
	for (uint32_t i = 0; i < device->disk_cnt; i++) {
		format_size(device->disk[i].size_bytes, size);
		snprintf(text, sizeof(text), "%s, %s", device->disk[i].name, size);
		print_wrapped(stream, text);
	}
	for (uint32_t i = 0; i < device->interface_cnt; i++) {
		const struct bh_inventory_interface *interface = &device->interface[i];
		int used = snprintf(text, sizeof(text), "%s, %s, link %s", interface->name, interface->mac,
		                    interface->link);
		if (interface->speed_mbps > 0)
			snprintf(text + used, sizeof(text) - (size_t)used, ", %llu Mb/s",
			         (unsigned long long)interface->speed_mbps);
		print_wrapped(stream, text);
	}
}

static void
print_group(FILE *stream, const struct bh_inventory_device *device)
{
	char text[256];
	if (device->member_cnt == 0)
		return;
	int used = snprintf(text, sizeof(text), "IOMMU group %d is shared with", device->pci.group);
	for (uint32_t i = 0; i < device->member_cnt && i < BH_INVENTORY_PARTS_MAX; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, " %s", device->member[i]);
	if (device->member_cnt > BH_INVENTORY_PARTS_MAX)
		snprintf(text + used, sizeof(text) - (size_t)used, " and %u more",
		         device->member_cnt - BH_INVENTORY_PARTS_MAX);
	print_wrapped(stream, text);
}

static const char *
next_step(const struct bh_inventory_device *device, char out[64])
{
	out[0] = '\0';
	if (device->state == BH_INVENTORY_FREE)
		snprintf(out, 64, "bulkhead bind %s", device->pci.address);
	else if (device->state == BH_INVENTORY_TAKEN)
		snprintf(out, 64, "bulkhead unbind %s", device->pci.address);
	else if (device->state == BH_INVENTORY_FOREIGN)
		snprintf(out, 64, "bulkhead explain E149");
	else if (device->state == BH_INVENTORY_NO_IOMMU)
		snprintf(out, 64, "bulkhead explain E144");
	return out;
}

static void
print_device(FILE *stream, const struct bh_inventory_device *device)
{
	char state[160], group[16] = "-", node[16] = "-", text[320], step[64];
	format_state(device, state, sizeof(state));
	if (device->pci.group >= 0)
		snprintf(group, sizeof(group), "%d", device->pci.group);
	if (device->pci.node >= 0)
		snprintf(node, sizeof(node), "%d", device->pci.node);
	fprintf(stream, "%-12s  %-8s  %-10s  %5s  %4s  %s\n", device->pci.address, bh_pci_class_name(device->pci.class),
	        device->pci.driver[0] != '\0' ? device->pci.driver : "-", group, node, state);
	print_identity(stream, device);
	if (device->state == BH_INVENTORY_UNSUITABLE)
		return;
	print_parts(stream, device);
	print_group(stream, device);
	for (int i = 0; i < device->finding_cnt; i++) {
		snprintf(text, sizeof(text), "%s: %s", device->finding[i].reason, device->finding[i].evidence);
		print_wrapped(stream, text);
	}
	for (int i = 0; i < device->note_cnt; i++) {
		snprintf(text, sizeof(text), "note: %s", device->note[i].evidence);
		print_wrapped(stream, text);
	}
	if (next_step(device, step)[0] != '\0')
		fprintf(stream, INDENT "next: %s\n", step);
}

void
devices_report_table(FILE *stream, const struct bh_inventory *inventory, bool all)
{
	if (inventory->cnt > 0)
		fprintf(stream, "%-12s  %-8s  %-10s  %5s  %4s  %s\n", "ADDRESS", "KIND", "DRIVER", "GROUP", "NODE",
		        "STATE");
	for (size_t i = 0; i < inventory->cnt; i++)
		print_device(stream, &inventory->device[i]);
	if (inventory->cnt == 0)
		fprintf(stream, "no NVMe drive and no network card among the %zu PCI functions of this machine%s\n",
		        inventory->function_cnt, all ? "" : "; --all lists them");
	else if (!all && inventory->cnt < inventory->function_cnt)
		fprintf(stream, "%zu other functions (bridges, displays, ...): --all lists them\n",
		        inventory->function_cnt - inventory->cnt);
	if (!inventory->iommu)
		fprintf(stream,
		        "no IOMMU is active: no device of this machine can be given to a cell; 'bulkhead explain E144' "
		        "tells how to switch it on\n");
}

static json_t *
json_findings(const struct bh_bind_finding *finding, int cnt)
{
	json_t *array = json_array();
	for (int i = 0; i < cnt; i++)
		json_array_append_new(
		        array, json_pack("{s:s, s:s}", "reason", finding[i].reason, "evidence", finding[i].evidence));
	return array;
}

static json_t *
json_text(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *
json_number(int value)
{
	return value >= 0 ? json_integer(value) : json_null();
}

static json_t *
json_parts(const struct bh_inventory_device *device, bool disks)
{
	json_t *array = json_array();
	for (uint32_t i = 0; disks && i < device->disk_cnt; i++)
		json_array_append_new(array, json_pack("{s:s, s:I}", "name", device->disk[i].name, "size_bytes",
		                                       (json_int_t)device->disk[i].size_bytes));
	for (uint32_t i = 0; !disks && i < device->interface_cnt; i++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:I}", "name", device->interface[i].name, "mac",
		                                       device->interface[i].mac, "link", device->interface[i].link,
		                                       "speed_mbps", (json_int_t)device->interface[i].speed_mbps));
	return array;
}

static json_t *
json_device(const struct bh_inventory_device *device)
{
	char vendor[8], id[8], class[8], step[64];
	json_t *members = json_array();
	snprintf(vendor, sizeof(vendor), "%04x", device->pci.vendor);
	snprintf(id, sizeof(id), "%04x", device->pci.device);
	snprintf(class, sizeof(class), "%06x", device->pci.class);
	for (uint32_t i = 0; i < device->member_cnt && i < BH_INVENTORY_PARTS_MAX; i++)
		json_array_append_new(members, json_string(device->member[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, "
	                 "s:o, s:o, s:o}",
	                 "address", device->pci.address, "kind", bh_pci_class_name(device->pci.class), "class", class,
	                 "vendor", vendor, "device", id, "vendor_name", json_text(device->vendor_name), "device_name",
	                 json_text(device->device_name), "model", json_text(device->model), "serial",
	                 json_text(device->serial), "firmware", json_text(device->firmware), "driver",
	                 json_text(device->pci.driver), "driver_override", json_text(device->pci.driver_override),
	                 "iommu_group", json_number(device->pci.group), "numa_node", json_number(device->pci.node),
	                 "group_members", members, "disks", json_parts(device, true), "state",
	                 bh_inventory_state_name(device->state), "interfaces", json_parts(device, false), "findings",
	                 json_findings(device->finding, device->finding_cnt), "notes",
	                 json_findings(device->note, device->note_cnt), "next", json_text(next_step(device, step)));
}

void
devices_report_json(FILE *stream, const struct bh_inventory *inventory)
{
	json_t *devices = json_array();
	for (size_t i = 0; i < inventory->cnt; i++)
		json_array_append_new(devices, json_device(&inventory->device[i]));
	json_t *object = json_pack("{s:b, s:I, s:o}", "iommu", inventory->iommu, "function_cnt",
	                           (json_int_t)inventory->function_cnt, "devices", devices);
	json_dumpf(object, stream, JSON_INDENT(2));
	fputc('\n', stream);
	json_decref(object);
}
