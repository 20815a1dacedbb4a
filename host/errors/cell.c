/* SPDX-License-Identifier: Apache-2.0 */
/* Running a cell, and the vfio-user back end: E001 to E099. */
#include "host/errors/catalogue.h"

const struct bh_error_entry bh_errors_cell[] = {
        {"E001", ROOT, "needs root",
         "Starting a cell takes namespaces, a uid of its own, locked memory and ptrace. Run bulkhead as root or with "
         "sudo; "
         "the cell itself then runs without any privilege."},
        {"E002", REFUSED, "this machine has no usable time stamp counter",
         "Cells read time with rdtsc. It must count at one rate on every CPU (constant_tsc and nonstop_tsc in "
         "/proc/cpuinfo). On a virtual machine, let the hypervisor pass the invariant TSC on."},
        {"E010", USAGE, "the configuration cannot be read", "Check the path and its permissions."},
        {"E011", USAGE, "not a line of an INI file",
         "A line is [section], key = value, a comment (# or ;), or empty. Lines hold at most 198 bytes."},
        {"E012", USAGE, "unknown section",
         "A configuration has [cell], [device NAME], and the sections of the application that [cell] app names."},
        {"E013", USAGE, "unknown key", "The message lists the section's keys, or the one that was probably meant."},
        {"E014", USAGE, "a key stands twice",
         "Keep one of the two lines. --set overrides a key without editing the file."},
        {"E015", USAGE, "something is missing", "Add the section or key that the message names."},
        {"E016", USAGE, "a value is not valid",
         "Sizes take K, M, G; durations take ns, us, ms, s; lists of CPUs look like 2,3 or 2-5; the message says which "
         "values the key takes."},
        {"E017", USAGE, "an override is not valid",
         "--set takes section.key=value, for example --set cell.arena=128M or --set device.nvme0.backing=null."},
        {"E018", USAGE, "the application refuses its configuration", "Change the key that the message names."},
        {"E020", USAGE, "a CPU does not exist or is not ours",
         "cpus lists CPUs that are online and that this process may use (taskset, cpuset). auto takes the last ones."},
        {"E021", FAILED, "cell and host share a CPU",
         "A warning: there is no CPU left for the software device and the supervisor, so the cell is interrupted all "
         "the "
         "time. It works, and its latencies mean nothing."},
        {"E030", FAILED, "not enough memory",
         "Make [cell] arena smaller, or free memory. The cell's memory is locked."},
        {"E031", USAGE, "not enough free hugepages",
         "With pages = huge, the arena and the heap take 2 MiB hugepages that are already free; bulkhead never changes "
         "their number. Reserve some (sysctl vm.nr_hugepages=64), or use pages = auto."},
        {"E032", FAILED, "ordinary pages instead of hugepages",
         "A warning: not enough 2 MiB hugepages are free, so the cell runs on 4 KiB pages: more TLB misses, the same "
         "result. Reserve hugepages (sysctl vm.nr_hugepages=64) or say pages = normal to silence it."},
        {"E033", FAILED, "memory is not locked",
         "A warning: the kernel may move or write out the cell's memory, which shows as rare long pauses. Give the "
         "supervisor CAP_IPC_LOCK or a larger limit (ulimit -l)."},
        {"E034", FAILED, "a software device did not start",
         "Its own message stands above. Check the keys of its section."},
        {"E035", FAILED, "memory could not be shared with the cell", "The message has the kernel's reason."},
        {"E036", USAGE, "a software device refuses its options",
         "A key of its [device NAME] section, or a line of its fault script, is wrong: its own message stands above."},
        {"E040", FAILED, "nobody listens on the device's socket",
         "The path is missing, not a socket, or no server listens. Start the server (bulkhead softdev, SPDK) first."},
        {"E041", FAILED, "the device's socket refused us",
         "Check the socket's owner and mode, and that a server listens."},
        {"E042", FAILED, "the device's socket cannot be used", "The message has the kernel's reason."},
        {"E043", FAILED, "the device's server speaks another version", "Both ends must speak vfio-user 0.x."},
        {"E044", FAILED, "not a device that we can drive", "The server's device is no PCI device, or lacks a region."},
        {"E045", FAILED, "the device's server did not answer in time",
         "See the server's log; it may be stopped or stuck."},
        {"E046", FAILED, "a register access was refused", "The access lies outside of the region or is not aligned."},
        {"E047", FAILED, "the device is gone", "Its server closed the connection. See the server's log."},
        {"E048", FAILED, "the device's server broke the protocol", "Report it with the server's name and version."},
        {"E049", FAILED, "the device's server refused a request", "See the server's log for the reason."},
        {"E050", USAGE, "this back end is not part of this version",
         "Of older versions, which had no backend = vfio. Not used any more."},
        {"E051", FAILED, "a device's register window cannot be mapped",
         "A warning: the window is not aligned to pages, so its registers go through the mailbox, which is slow."},
        {"E052", FAILED, "a request does not fit the device",
         "Memory for DMA is whole pages, and a server takes a limited number of pieces and perhaps no descriptors; an "
         "interrupt request names vectors that the device has. The message says which."},
        {"E060", USAGE, "the cell's program was not found",
         "[cell] app names an application whose NAME.cell lies beside the bulkhead program, or a path with a slash."},
        {"E061", USAGE, "not a cell",
         "A cell is an x86-64 static-pie ELF file without an interpreter, linked with boot/. This file is something "
         "else."},
        {"E062", USAGE, "the cell's file is damaged", "It is shorter than its headers say. Build it again."},
        {"E063", USAGE, "the cell was built for another version of the boot page",
         "Build the cell again with the headers and libraries of this bulkhead."},
        {"E065", FAILED, "the cell's process did not start", "The message says at which step and the kernel's reason."},
        {"E066", FAILED, "a namespace could not be made",
         "A warning: the kernel or a container denies it. The cell is still without privileges, files and system "
         "calls, "
         "but sees this namespace of the host."},
        {"E080", FAILED, "the cell failed", "cell_main returned an error; the cell's log says why."},
        {"E081", FAILED, "the cell crashed",
         "A fault of the cell's own code. The message has signal, address and symbol; gdb reads the cell's file like "
         "any "
         "program's."},
        {"E082", FAILED, "the cell stalled",
         "It used the CPU for 500 ms without a heartbeat: a loop that neither yields nor calls bh_heartbeat()."},
        {"E083", FAILED, "the cell made a system call", "Behind its filter a cell makes none; the kernel killed it."},
        {"E084", FAILED, "the cell panicked", "A check in the cell's code failed; the message names file and line."},
        {"E085", FAILED, "a device is gone", "The device or its server went away while the cell ran."},
        {"E086", FAILED, "the cell did not start up", "boot/ gave up at the step that the message names."},
        {"E087", FAILED, "the cell did not stop in time",
         "It was asked to drain and was ended when its time was over."},
        {"E088", FAILED, "the cell was killed", "Somebody else sent it SIGKILL, or the kernel ran out of memory."},
        {"E089", FAILED, "ended at once", "A second signal ended the cell without letting it drain."},
        {"E090", FAILED, "the cell gets no CPU time",
         "A warning: something else runs on the cell's CPU. It is not a stall: the cell goes on when it gets the CPU."},
        {"E091", FAILED, "the cell was stopped", "A warning: somebody sent it SIGSTOP; it goes on with SIGCONT."},
        {"E092", FAILED, "the cell's own image is not locked", "A warning: see E033; the limit is that of the cell."},
        {"E093", FAILED, "interrupted while starting", "A signal asked to stop before the cell ran."},
        {"E095", FAILED, "the supervisor could not confine itself",
         "A warning: the kernel refuses a system call filter to the supervisor. The cell has its own all the same."},
        {"E094", FAILED, "a device could not be reset", "A warning: its memory was unmapped all the same."},
        {NULL, 0, NULL, NULL},
};
