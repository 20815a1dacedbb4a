/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, bind and unbind: E140 to E169. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_bind[] = {
        {"E140", REFUSED, "this machine uses the device",
         "Taking the device from its driver would pull a disk out from under what uses it, or cut the way to the "
         "machine. The "
         "message has the evidence; bulkhead devices lists it all, and docs/devices.md tells each reason. End the use "
         "(umount, "
         "swapoff, vgchange -an, mdadm --stop, move the route) and try again. Who knows better names each reason: "
         "bulkhead bind "
         "ADDRESS --override mounted. Nothing was changed."},
        {"E141", USAGE, "bind was asked for something that it does not do",
         "--override takes a reason that bulkhead devices shows (mounted, swap, holder, ...), for one address at a "
         "time, and each "
         "address is named once."},
        {"E142", FAILED, "a step of binding failed; the device is as it was before",
         "The kernel refused a write to sysfs, or another value read back than was written. Everything before that "
         "step was undone "
         "and read back. dmesg | tail often has the driver's reason."},
        {"E143", FAILED, "a step failed, and the device could not be put back",
         "The device is between two drivers. What stood there is still in /run/bulkhead/bind/ADDRESS, so that bulkhead "
         "unbind "
         "ADDRESS can be repeated once the cause is gone: see dmesg; a device that hangs may need echo 1 > "
         "/sys/bus/pci/devices/ADDRESS/remove and echo 1 > /sys/bus/pci/rescan, or a reboot."},
        {"E144", REFUSED, "no IOMMU stands before the device",
         "Without an IOMMU group the device could reach all of the machine's memory. Switch the IOMMU on: VT-d or "
         "AMD-Vi in the "
         "firmware, intel_iommu=on or amd_iommu=on on the kernel's command line. There is no override. Nothing was "
         "changed."},
        {"E145", FAILED, "the kernel has no vfio-pci driver",
         "modprobe vfio-pci says why. The module belongs to the kernel's package; after an upgrade without a reboot "
         "the modules of "
         "the running kernel may be gone."},
        {"E146", FAILED, "the device's old driver is not there",
         "The driver that had the device is not loaded and cannot be. Load it (modprobe NAME), then bulkhead unbind "
         "again."},
        {"E147", FAILED, "another bulkhead binds or unbinds",
         "One at a time: the lock is /run/bulkhead/bind/.lock. The kernel gives it up when that process ends."},
        {"E148", FAILED, "a journal is damaged",
         "/run/bulkhead/bind/ADDRESS says what stood there before bulkhead took the device, and its sum does not fit. "
         "Nothing is "
         "guessed from it. By hand: echo > /sys/bus/pci/devices/ADDRESS/driver_override; echo ADDRESS > "
         "/sys/bus/pci/drivers/vfio-pci/unbind; echo ADDRESS > /sys/bus/pci/drivers_probe; then remove the file."},
        {"E149", FAILED, "nobody knows what stood there",
         "The device has vfio-pci, and bulkhead did not bind it. To let the kernel choose its driver: echo > "
         "/sys/bus/pci/devices/ADDRESS/driver_override; echo ADDRESS > /sys/bus/pci/drivers/vfio-pci/unbind; echo "
         "ADDRESS > "
         "/sys/bus/pci/drivers_probe."},
        {"E150", FAILED, "somebody has the device open",
         "A cell, a virtual machine or another user-space driver has the device's IOMMU group open; the kernel would "
         "wait for it. "
         "End the processes that the message names."},
        {"E151", FAILED, "it cannot be found out what Linux uses the device for",
         "The check reads /sys/class/block, /sys/class/net and /proc. Without them nothing is taken."},
        {"E152", FAILED, "the journal cannot be written or read",
         "/run/bulkhead/bind holds what stood there, written before the first change: /run must be writable and have "
         "room."},
        {"E153", ROOT, "binding devices needs root", "Run bulkhead bind and bulkhead unbind as root or with sudo."},
        {"E154", FAILED, "the kernel did not come back from a step",
         "A driver hangs while it lets go of the device or takes it; a child of ours stays in the kernel with it. "
         "dmesg says where, "
         "and often only a reboot helps. /run/bulkhead/bind/ADDRESS keeps what stood there."},
        {"E155", FAILED, "another device sits at that address",
         "The journal is about a device that was pulled or moved since. Remove the file that the message names; the "
         "new device is "
         "the kernel's."},
        {"E156", FAILED, "the machine has no PCI bus",
         "There is no /sys/bus/pci/devices: a virtual machine with virtio-mmio or vmbus only, or a container without "
         "/sys. Software "
         "devices (bulkhead softdev) and the lab (bulkhead lab) work all the same."},
        {NULL, 0, NULL, NULL},
};
