/* SPDX-License-Identifier: Apache-2.0 */
/* [port NAME]: a packet interface, which is a device like any other behind its own words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/device/pci.h"
#include "host/run/config_file.h"

/* One back end of [port NAME], at the place of its word in bh_port_backend_words. */
struct port_backend {
	enum bh_backend_kind kind;
	const char *model;   /* for the cell's driver; "": the PCI identity tells */
	const char *needs;   /* the key that it cannot do without, or NULL */
	const char *meaning; /* of that key */
};

const char *const bh_port_backend_words[] = {"softdev", "vfio", "vfio-user", "vhost-user",
                                             "af_xdp",  "pcap", "null",      NULL};

const char *const bh_soft_port_words[] = {"virtio-net", "ixgbe", NULL};

static const struct port_backend port_backends[] = {
        {BH_BACKEND_SOFTDEV, "virtio-net", NULL, NULL},
        {BH_BACKEND_VFIO, "", "address", "the card's PCI address, such as 0000:01:00.0 (bulkhead devices lists them)"},
        {BH_BACKEND_VFIO_USER, "", "socket", "the path of the server's socket"},
        {BH_BACKEND_VHOST_USER, "virtio-net", "socket", "the path of a vhost-user back end's socket"},
        {BH_BACKEND_AF_XDP, "af_xdp", "interface", "a network interface of Linux (ip link lists them)"},
        {BH_BACKEND_PCAP, "pcap", NULL, NULL},
        {BH_BACKEND_NULL, "null", NULL, NULL},
};

int
bh_config_port_fill(const struct bh_run_config *config, const char *section, struct bh_device_config *out,
                    struct bh_error *error)
{
	const struct port_backend *backend = &port_backends[bh_config_enum(config, section, "backend")];
	char address[BH_PCI_ADDRESS_BYTES];
	out->is_port = true;
	out->backend = backend->kind;
	out->model = backend->model;
	if (out->backend == BH_BACKEND_SOFTDEV)
		out->model = bh_soft_port_words[bh_config_enum(config, section, "model")];
	else if (bh_config_is_set(config, section, "model"))
		return bh_config_error_id(config, section, "model", "E390", error,
		                          "only a software card (backend = softdev) has a choice of models");
	out->socket = bh_config_string(config, section, "socket");
	out->address = bh_config_string(config, section, "address");
	out->queue_cnt = (uint32_t)bh_config_uint(config, section, "queues");
	out->mtu_bytes = (uint32_t)bh_config_uint(config, section, "mtu");
	out->no_offload = !bh_config_enum(config, section, "offload");
	if (backend->needs != NULL && bh_config_string(config, section, backend->needs)[0] == '\0')
		return bh_config_error_id(config, section, "backend", "E015", error, "needs a key '%s': %s",
		                          backend->needs, backend->meaning);
	if (out->backend == BH_BACKEND_PCAP && bh_config_string(config, section, "file")[0] == '\0' &&
	    bh_config_string(config, section, "write")[0] == '\0')
		return bh_config_error_id(config, section, "backend", "E015", error,
		                          "needs a key 'file' (a capture to receive from) or 'write' (one to send to)");
	if (out->backend == BH_BACKEND_VFIO && bh_pci_address_parse(out->address, address) != 0)
		return bh_config_error_id(config, section, "address", "E016", error,
		                          "no PCI address; write one like 0000:01:00.0 (bulkhead devices lists them)");
	return 0;
}
