/* SPDX-License-Identifier: Apache-2.0 */
/* The lab: E200 to E229. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_lab[] = {
        {"E201", USAGE, "an option of the lab is not valid", "The message says which values it takes."},
        {"E202", FAILED, "a program that the lab needs is missing",
         "Install the Debian package that the message names."},
        {"E203", FAILED, "a program did not run", "The message has the kernel's reason."},
        {"E204", FAILED, "no room for the machine",
         "The machine's drives and its initramfs lie in a temporary folder ($TMPDIR or /tmp), which is removed at the "
         "end."},
        {"E205", FAILED, "the lab's cache cannot be used",
         "The unpacked kernel is kept in $BULKHEAD_LAB_CACHE, $XDG_CACHE_HOME/bulkhead/lab or ~/.cache/bulkhead/lab; "
         "--cache "
         "names another folder."},
        {"E206", FAILED, "the kernel's package cannot be had",
         "The lab boots Debian's own kernel (linux-image-amd64), downloaded with apt-get once. Run apt-get update, and "
         "look at "
         "the network and the sources of apt."},
        {"E207", FAILED, "a file cannot be put into the machine", "The message names it and the kernel's reason."},
        {"E208", FAILED, "no KVM",
         "KVM is used only where kvm_intel or kvm_amd is loaded: a para-virtual nested KVM opens, and then hangs stock "
         "kernels. "
         "--accel tcg emulates."},
        {"E209", FAILED, "QEMU does not start the machine",
         "Its own message stands above. Another version of QEMU may lack a device; --keep keeps the arguments."},
        {"E210", FAILED, "the machine did not come up",
         "The end of its console stands above; --verbose shows all of it."},
        {"E211", FAILED, "the machine went down", "The end of its console stands above; --verbose shows all of it."},
        {"E212", FAILED, "ended by a signal", "Ctrl-C or a kill ended the machine; nothing is left of it."},
        {"E213", FAILED, "the machine broke the protocol", "Something inside wrote to the lab's control port."},
        {"E214", FAILED, "the command took too long", "--timeout 1200s gives it more; --timeout 0 no limit."},
        {"E215", FAILED, "--get brought nothing", "The path must exist inside the machine when the command ends."},
        {"E216", FAILED, "QEMU has no such network card",
         "igb needs QEMU 8.0; `qemu-system-x86_64 -device help` lists the models of the installed one."},
        {"E217", FAILED, "the machine hangs",
         "Its first process sends a beat each second and did not. The end of the console stands above. A machine that "
         "is only "
         "slow has CPUs taken away from all of Linux: look at --isolate."},
        {NULL, 0, NULL, NULL},
};
