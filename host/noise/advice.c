/* SPDX-License-Identifier: Apache-2.0 */
/* What to do about a thief, by the start of its name. docs/settings.md has more about each setting. */
#include <string.h>

#include "host/noise/internal.h"

static const struct {
	const char *start, *advice;
} table[] = {
        {"tick", "nohz_full=CPUS on the kernel's command line: bulkhead apply FILE --level full"},
        {"interrupt",
         "move it to Linux's CPUs: bulkhead apply FILE (kernel-managed ones: isolcpus=managed_irq, level full)"},
        {"IPI reschedule", "somebody wakes tasks on this CPU: bulkhead apply FILE isolates it from the scheduler"},
        {"IPI call function",
         "the kernel runs something on all CPUs (TLB flush, module load, perf, membarrier): find who with "
         "trace-cmd -e csd; isolation lessens it"},
        {"irq_work", "deferred kernel work, often printk or RCU: rcu_nocbs=CPUS (level full)"},
        {"softirq TIMER", "timers that were started here: isolate before they start, nohz_full (level full)"},
        {"softirq RCU", "rcu_nocbs=CPUS on the kernel's command line: bulkhead apply FILE --level full"},
        {"softirq SCHED", "load balancing: bulkhead apply FILE takes the CPU out of the scheduler's domains"},
        {"softirq NET", "packets are served here: interrupt affinity and RPS masks, bulkhead apply FILE"},
        {"softirq", "work behind an interrupt: move the interrupt, bulkhead apply FILE"},
        {"task kworker", "kernel work: workqueue masks (bulkhead apply FILE), vm.stat_interval, check_interval"},
        {"task ksoftirqd", "softirqs that were put off: see softirq"},
        {"task migration",
         "the kernel stops all CPUs at times (module load, tracing switched on): avoid those while measuring"},
        {"task watchdog", "kernel.watchdog_cpumask: bulkhead apply FILE"},
        {"task khugepaged", "transparent hugepages' defragmentation: bulkhead apply FILE"},
        {"task rcu", "rcu_nocbs=CPUS (level full)"},
        {"task bulkhead", "bulkhead itself, which had no other CPU: measure fewer at once"},
        {"task swapper", "the cell did not run: it was stopped or moved; see the supervisor's warnings"},
        {"task", "another task is scheduled here: bulkhead apply FILE takes the CPU away from all others"},
        {"NMI", "kernel.nmi_watchdog = 0: bulkhead apply FILE; perf counters use it, too"},
        {"page fault", "memory that was not locked: look for the warning about locked memory"},
        {"thermal", "the processor is too hot: cooling, power limits"},
        {"machine check", "corrected errors: look at dmesg and rasdaemon"},
        {"outside of Linux: the emulator",
         "the host's other work, and emulation itself: nothing inside of the guest helps"},
        {"outside of Linux: the hypervisor",
         "the host took the virtual CPU away: pin it to a core of its own on the host"},
        {"outside of Linux: SMI", "firmware: switch off USB legacy, power capping and error polling in its settings"},
        {"outside of Linux", "firmware or hardware: SMIs, frequency changes; bulkhead doctor looks at both"},
        {"unknown", "no tracepoints could say: run as root on a kernel with tracefs, without --no-trace"},
};

const char *
bh_noise_advice(const struct bh_noise_thief *thief)
{
	for (size_t i = 0; i < BH_ARRAY_CNT(table); i++) {
		if (strncmp(thief->name, table[i].start, strlen(table[i].start)) == 0)
			return table[i].advice;
	}
	return "";
}
