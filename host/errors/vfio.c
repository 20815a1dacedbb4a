/* SPDX-License-Identifier: Apache-2.0 */
/* The VFIO back end: E100 to E139. docs/vfio.md tells them by layer. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_vfio[] = {
        {"E100", USAGE, "there is no such PCI device",
         "The message lists those that are there. An unplugged device, or one of another machine, has another "
         "address."},
        {"E101", USAGE, "not a PCI address",
         "Write domain:bus:device.function, such as 0000:01:00.0; 01:00.0 will do."},
        {"E102", REFUSED, "this machine has no IOMMU",
         "Without one, a device reaches all memory, and a cell that drives it could, too. Switch VT-d (Intel) or "
         "AMD-Vi "
         "(AMD) on in the firmware's setup. A virtual machine needs an emulated IOMMU (QEMU: -device intel-iommu,"
         "intremap=on). There is no switch to run without."},
        {"E103", REFUSED, "Linux does not use this machine's IOMMU",
         "The firmware describes one (table DMAR or IVRS), the kernel's command line does not switch it on. Add "
         "intel_iommu=on to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub, and boot again."},
        {"E104", REFUSED, "the device is behind no IOMMU",
         "Other devices have an IOMMU group, this one has none. Another slot may be covered."},
        {"E105", REFUSED, "the device's group has no IOMMU",
         "vfio was loaded with enable_unsafe_noiommu_mode. Nothing stops the device's DMA there, so bulkhead refuses."},
        {"E106", FAILED, "vfio is not loaded", "modprobe vfio-pci loads it; bulkhead bind does that, too."},
        {"E107", FAILED, "vfio-pci is not loaded", "modprobe vfio-pci; bulkhead bind does that, too."},
        {"E108", FAILED, "VFIO's IOMMU driver is not loaded", "modprobe vfio_iommu_type1."},
        {"E109", FAILED, "the device is not bound to vfio-pci",
         "bulkhead bind ADDRESS takes it from its Linux driver, unless it is in use; bulkhead unbind ADDRESS gives it "
         "back."},
        {"E110", REFUSED, "allow_unsafe_interrupts is on",
         "Somebody set this parameter of vfio_iommu_type1. It lets devices without interrupt remapping through, and "
         "such "
         "a device can forge any interrupt. bulkhead never sets it and does not run with it."},
        {"E111", FAILED, "/dev/vfio/vfio is missing", "devtmpfs makes it; a container must be given it."},
        {"E112", FAILED, "the group's node is missing", "devtmpfs makes it; a container must be given it."},
        {"E113", FAILED, "no permission on VFIO's node", "Run as root, or change owner and mode of /dev/vfio/GROUP."},
        {"E114", FAILED, "the device is in use",
         "A group can be open in one process only. The message names it: another cell, a virtual machine, SPDK or "
         "DPDK. "
         "A process that was just killed is waited for: its device is still being reset."},
        {"E115", FAILED, "the IOMMU group is not viable",
         "The IOMMU cannot tell the group's devices apart, so all of them must be taken from Linux, or none. Bridges "
         "do "
         "not count."},
        {"E116", REFUSED, "no interrupt remapping",
         "A device could send any interrupt to any CPU. Switch interrupt remapping (x2APIC) on in the firmware; do not "
         "boot with intremap=off or nox2apic."},
        {"E117", FAILED, "VFIO's group or container cannot be used", "The message has the kernel's reason; see dmesg."},
        {"E118", FAILED, "VFIO does not hand the device out", "The message has the kernel's reason; see dmesg."},
        {"E119", FAILED, "the device's registers are not described",
         "Its configuration space or the kernel's description of its BARs makes no sense. Try a reset (unplug it, or "
         "boot again); report it with lspci -vvv if it stays."},
        {"E120", USAGE, "memory lies outside of what the IOMMU maps",
         "The arena starts at 64 GiB; an IOMMU with 39 address bits maps up to 512 GiB, but for ranges that it "
         "reserves."},
        {"E121", FAILED, "memory is not made of the IOMMU's pages", "Addresses and sizes for DMA are whole pages."},
        {"E122", FAILED, "no DMA mapping is left",
         "See dma_entry_limit of the module vfio_iommu_type1; a cell takes one."},
        {"E123", FAILED, "the memory for DMA cannot be pinned",
         "What a device reaches must stay where it is, so the kernel counts it as locked. Root with CAP_IPC_LOCK has "
         "no "
         "limit; others have RLIMIT_MEMLOCK (ulimit -l)."},
        {"E124", FAILED, "memory cannot be mapped for DMA", "The message has the kernel's reason; see dmesg."},
        {"E125", FAILED, "memory could not be unmapped",
         "The device is reset all the same, and closing it unmaps the rest."},
        {"E126", FAILED, "the device is gone", "It reads all ones: it was pulled, lost power, or hangs altogether."},
        {"E127", FAILED, "the host asked for the device back",
         "Somebody unplugs it, or unbinds it from vfio-pci. The cell is ended and the device released, so that it "
         "can."},
        {"E128", FAILED, "the device reported a fatal error",
         "PCI Express Advanced Error Reporting: a link or internal error that cannot be mended. dmesg has the "
         "details."},
        {"E130", FAILED, "the device could not be reset",
         "No rung of the reset ladder worked. Its bus mastering is off, so it does no DMA; unplug it or boot again."},
        {"E131", FAILED, "the device's command register does not obey",
         "Bus mastering or memory accesses could not be switched, so what the device does cannot be vouched for. Its "
         "memory is unmapped all the same, and the IOMMU stops it; unplug it or boot again."},
        {"E135", USAGE, "the device is of another kind",
         "model names what the device has to be, and the one at this address is something else. Correct the address."},
        {"E136", FAILED, "a PCI device cannot be read",
         "sysfs has the function, but not what it is. Is /sys mounted whole?"},
        {NULL, 0, NULL, NULL},
};
