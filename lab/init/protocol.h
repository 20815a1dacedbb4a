/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the lab on the host and init in the machine. Ports of virtio-serial, found by name below /sys/class/virtio-ports:
 * the command's standard output and error, raw; one per --get with a tar archive; and the control port with lines of text, each at
 * most LAB_LINE_BYTES with its newline. Both ends take the other for hostile: an unknown or overlong line ends the session.
 *
 *   machine -> host   hello 2            init is up, the command starts next
 *                     beat               init lives; every LAB_BEAT_MS after hello
 *                     unplug ID          asks for device_del of a device that the lab made (nvme0, nic1)
 *                     plug ID            asks for it back
 *                     link-down ID       asks for set_link: the card (nic0) loses its link
 *                     link-up ID         and has it again
 *                     get N BYTES        the archive of the N-th --get is written, so many bytes in all
 *                     exit N OUT ERR     the command ended (128 + signal), so many bytes went to each stream; the last line
 *   host -> machine   ok | error TEXT    the answer to each of these
 *                     window ROWS COLS   the terminal's size (shell)
 *                     kill N             a signal for the command: SIGPIPE when nobody reads its output any more
 *
 * The host ends the machine when all those bytes have come: a machine that powers itself off would lose what is on the way.
 */
#ifndef LAB_INIT_PROTOCOL_H
#define LAB_INIT_PROTOCOL_H

#define LAB_LINE_BYTES 128
#define LAB_HELLO      "hello 2"
#define LAB_BEAT_MS    1000

/* The answer to plug while the device that was unplugged has not left yet: ask again. */
#define LAB_LEAVING "it has not left yet"

#define LAB_PORT_OUT "bulkhead.out"
#define LAB_PORT_ERR "bulkhead.err"
#define LAB_PORT_CTL "bulkhead.ctl"
#define LAB_PORT_GET "bulkhead.get" /* and the number */

/* In the initramfs: the command and its arguments, each NUL-terminated; empty for a shell. */
#define LAB_FILE_COMMAND "/etc/bulkhead-lab/command"
/* Paths of --get, each NUL-terminated. */
#define LAB_FILE_GET "/etc/bulkhead-lab/get"
/* Modules to load, each NUL-terminated. */
#define LAB_FILE_MODULES "/etc/bulkhead-lab/modules"
/* Where lab-ctl reaches init: a socket. */
#define LAB_CTL_SOCKET "/run/bulkhead-lab.socket"

#endif
