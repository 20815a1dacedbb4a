/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The back end of a pcap port: reads a capture file (libpcap: pcap and pcapng) into memory for the cell, and writes what
 * the cell sends into another. A thread writes while the cell runs; what is in the ring at the end is written at close.
 */
#ifndef HOST_DEVICE_PCAP_FILE_H
#define HOST_DEVICE_PCAP_FILE_H

#include "host/device/device.h"

struct bh_pcap_options {
	const char *in;    /* file to receive from; "": nothing comes */
	const char *out;   /* file to send to; "": what is sent is counted and gone */
	bool paced;        /* with the capture's own timing */
	uint32_t loop_cnt; /* 0: without end */
};

/**
 * bh_pcap_file_open
 * Return: 0; -ENOENT, -EACCES, ... about a file; -EINVAL not a capture, or not one of Ethernet frames; -EFBIG more than
 * 4 GiB; -ENOMEM.
 */
BH_MUST_CHECK int bh_pcap_file_open(const char *name, const struct bh_pcap_options *options, struct bh_backend **out,
                                    struct bh_error *error);

#endif
