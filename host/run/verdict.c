/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "host/errors/errors.h"
#include "host/run/internal.h"

const char *
bh_outcome_name(enum bh_outcome outcome)
{
	static const char *const name[] = {"done",        "failed",      "crashed",  "stalled", "syscall", "panicked",
	                                   "device-gone", "boot-failed", "no-drain", "killed",  "aborted"};
	return outcome < BH_ARRAY_CNT(name) ? name[outcome] : "unknown";
}

const char *
bh_boot_step_name(uint32_t step)
{
	static const char *const name[] = {
	        [BH_STEP_START] = "starting",
	        [BH_STEP_MAP_SHARED] = "mapping the shared region",
	        [BH_STEP_CHECK_PAGE] = "checking the boot page",
	        [BH_STEP_MAP_REGIONS] = "mapping its memory",
	        [BH_STEP_MAP_STACKS] = "making stacks and contexts",
	        [BH_STEP_THREADS] = "starting a thread per core",
	        [BH_STEP_AFFINITY] = "taking its CPU",
	        [BH_STEP_LOCK] = "locking its memory",
	        [BH_STEP_CLOSE] = "closing its descriptors",
	        [BH_STEP_FILTER] = "installing the system call filter",
	        [BH_STEP_MAIN] = "running",
	};
	return step < BH_ARRAY_CNT(name) ? name[step] : "an unknown step";
}

void
bh_warn(struct bh_cell *cell, const char *id, const char *format, ...)
{
	struct bh_error warning = {0};
	va_list args;
	if (cell->options.warn == NULL)
		return;
	snprintf(warning.id, sizeof(warning.id), "%s", id);
	va_start(args, format);
	vsnprintf(warning.text, sizeof(warning.text), format, args);
	va_end(args);
	cell->options.warn(cell->options.context, &warning);
}

/* The first one counts: what follows is its consequence. */
void
bh_verdict(struct bh_cell *cell, enum bh_outcome outcome)
{
	if (cell->decided)
		return;
	cell->decided = true;
	cell->result.outcome = outcome;
}

static void
make_printable(char *text, size_t text_bytes)
{
	text[text_bytes - 1] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
}

static bool
in_range(uint64_t addr, uint64_t low, uint64_t size_bytes)
{
	return addr - low < size_bytes;
}

static const char *
place_in_stacks(const struct bh_boot_page *page, uint64_t addr)
{
	uint64_t stride = (uint64_t)page->fiber_stack_bytes + BH_PAGE_BYTES;
	uint64_t stacks_bytes = stride * page->core_cnt * page->fiber_cnt;
	if (in_range(addr, BH_ADDR_STACKS, stacks_bytes) && (addr - BH_ADDR_STACKS) % stride < BH_PAGE_BYTES)
		return ", the guard page below a fiber's stack: a stack overflow";
	if (in_range(addr, BH_ADDR_STACKS - BH_GUARD_BYTES, BH_GUARD_BYTES))
		return ", the guard below the first fiber's stack: a stack overflow";
	return NULL;
}

static bool
in_read_only(const struct bh_boot_page *page, uint64_t addr)
{
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		if ((page->region[i].flags & BH_REGION_WRITE) == 0 &&
		    in_range(addr, page->region[i].addr, page->region[i].size_bytes))
			return true;
	}
	return false;
}

/* What lies at a fault's address, in words; "" for nothing special. */
static const char *
place_of(const struct bh_boot_page *page, uint64_t addr)
{
	static const struct {
		uint32_t kind;
		const char *below, *above;
	} guard[] = {
	        {BH_REGION_ARENA, ", the guard below the arena", ", the guard above the arena"},
	        {BH_REGION_HEAP, ", the guard below the heap", ", the guard above the heap"},
	        {BH_REGION_SHARED, ", the guard below the shared region", ", the guard above the shared region"},
	        {BH_REGION_BAR, ", the guard below a device's registers", ", the guard above a device's registers"},
	};
	if (addr < BH_PAGE_BYTES)
		return ", a null pointer";
	if (in_range(addr, BH_ADDR_BOOT, sizeof(*page)))
		return ", the read-only boot page";
	for (uint32_t i = 0; i < page->region_cnt; i++) {
		const struct bh_boot_region *region = &page->region[i];
		for (size_t j = 0; j < BH_ARRAY_CNT(guard); j++) {
			if (guard[j].kind != region->kind)
				continue;
			if (in_range(addr, region->addr - BH_GUARD_BYTES, BH_GUARD_BYTES))
				return guard[j].below;
			if (in_range(addr, region->addr + region->size_bytes, BH_GUARD_BYTES))
				return guard[j].above;
		}
	}
	const char *place = place_in_stacks(page, addr);
	if (place == NULL && in_read_only(page, addr))
		place = ", memory that the cell may only read";
	return place != NULL ? place : "";
}

/* "core 1 (CPU 3) in worker_turn+0x12", or the address where no symbol is known. */
static const char *
where(const struct bh_cell *cell, char *out, size_t out_bytes)
{
	const struct bh_cell_result *result = &cell->result;
	uint32_t core_idx = result->core_idx < BH_CORES_MAX ? result->core_idx : 0;
	int used = snprintf(out, out_bytes, "core %u (CPU %u)", core_idx, cell->page.cpu[core_idx]);
	if (result->symbol[0] != '\0')
		snprintf(out + used, out_bytes - (size_t)used, " in %s", result->symbol);
	else if (result->registers_valid)
		snprintf(out + used, out_bytes - (size_t)used, " at 0x%lx", result->registers.rip);
	return out;
}

static void
text_crashed(struct bh_cell *cell, const char *name)
{
	struct bh_cell_result *result = &cell->result;
	char place[192], addr[128] = "";
	bool memory = result->signal_number == SIGSEGV || result->signal_number == SIGBUS;
	/* A general protection fault (a non-canonical address) has no address: the kernel gives 0 with SI_KERNEL. */
	if (memory && result->signal_code == SI_KERNEL)
		snprintf(addr, sizeof(addr), ", not an address that a pointer can have");
	else if (memory)
		snprintf(addr, sizeof(addr), " at address 0x%lx%s", result->fault_addr,
		         place_of(&cell->page, result->fault_addr));
	bh_error_set(&result->error, "E081", 0, "the cell %s crashed: SIG%s (%s)%s, on %s", name,
	             sigabbrev_np(result->signal_number), strsignal(result->signal_number), addr,
	             where(cell, place, sizeof(place)));
}

static void
text_panicked(struct bh_cell *cell, const char *name)
{
	struct bh_cell_result *result = &cell->result;
	struct bh_panic_record *panic = &result->panic;
	char place[192];
	make_printable(panic->file, sizeof(panic->file));
	make_printable(panic->message, sizeof(panic->message));
	result->symbol[0] = '\0';
	/* A return address; behind a call that does not return, the next function may begin. */
	bh_elf_symbol(&cell->elf, panic->rip - 1 - cell->bias, result->symbol, sizeof(result->symbol));
	bh_error_set(&result->error, "E084", 0, "the cell %s panicked: %s:%u: %s (%lu, %lu), on %s", name, panic->file,
	             panic->line, panic->message, panic->value[0], panic->value[1], where(cell, place, sizeof(place)));
}

static void
text_failed(struct bh_cell *cell, const char *name)
{
	struct bh_cell_result *result = &cell->result;
	int err = result->cell_error;
	const char *hint = err == -ENOMEM ? "; make [cell] arena larger" : "; its log says why";
	bh_error_set(&result->error, "E080", 0, "the cell %s failed: core %u returned %d (%s)%s", name,
	             result->core_idx, err, err < 0 && err > -4096 ? strerror(-err) : "not an error number", hint);
}

static void
text_boot_failed(struct bh_cell *cell, const char *name)
{
	struct bh_cell_result *result = &cell->result;
	static const char *const why[] = {
	        "descriptor 3 holds no boot page, or it is not sealed", "what it was given is no boot page",
	        "it was built for another version of the boot page; build it again", "the boot page is damaged",
	        "the boot page has a count, address or size out of range"};
	int code = WIFEXITED(cell->exit_status) ? WEXITSTATUS(cell->exit_status) : 0;
	if (code >= BH_CELL_EXIT_NO_BOOT_PAGE && code <= BH_CELL_EXIT_BOOT_CONTENT) {
		bh_error_set(&result->error, "E086", 0, "the cell %s did not start up: %s", name,
		             why[code - BH_CELL_EXIT_NO_BOOT_PAGE]);
		return;
	}
	if (cell->cause.text[0] != '\0') {
		bh_error_set(&result->error, "E086", 0, "the cell %s was ended: its wall does not stand: %.200s", name,
		             cell->cause.text);
		return;
	}
	bh_error_set(&result->error, "E086", 0, "the cell %s did not start up: %s failed on core %u (CPU %u): %s", name,
	             bh_boot_step_name(result->boot_step), result->core_idx, cell->page.cpu[result->core_idx],
	             result->boot_error < 0 && result->boot_error > -4096 ? strerror(-result->boot_error)
	                                                                  : "no reason given");
}

void
bh_verdict_text(struct bh_cell *cell)
{
	struct bh_cell_result *result = &cell->result;
	const char *name = cell->config->name;
	char place[192];
	switch (result->outcome) {
	case BH_OUTCOME_DONE:
		break;
	case BH_OUTCOME_FAILED:
		text_failed(cell, name);
		break;
	case BH_OUTCOME_CRASHED:
		text_crashed(cell, name);
		break;
	case BH_OUTCOME_STALLED:
		bh_error_set(&result->error, "E082", 0,
		             "the cell %s stalled: it ran for %lu ms without a heartbeat, on %s", name,
		             BH_STALL_NS / BH_NS_PER_MS, where(cell, place, sizeof(place)));
		break;
	case BH_OUTCOME_SYSCALL:
		bh_error_set(&result->error, "E083", 0,
		             "the cell %s made the system call %s (%d) and was killed for it, on %s", name,
		             result->syscall_name, result->syscall_number, where(cell, place, sizeof(place)));
		break;
	case BH_OUTCOME_PANICKED:
		text_panicked(cell, name);
		break;
	case BH_OUTCOME_DEVICE_GONE:
		bh_error_set(&result->error, "E085", 0, "the cell %s lost a device: %.300s", name, cell->cause.text);
		break;
	case BH_OUTCOME_BOOT_FAILED:
		text_boot_failed(cell, name);
		break;
	case BH_OUTCOME_NO_DRAIN:
		bh_error_set(&result->error, "E087", 0, "the cell %s did not stop within %lu ms and was ended, on %s",
		             name, cell->options.drain_ns / BH_NS_PER_MS, where(cell, place, sizeof(place)));
		break;
	case BH_OUTCOME_KILLED:
		bh_error_set(&result->error, "E088", 0, "the cell %s was ended by somebody else (wait status 0x%x)",
		             name, (unsigned)cell->exit_status);
		break;
	case BH_OUTCOME_ABORTED:
		bh_error_set(&result->error, "E089", 0, "the cell %s was ended at once, without draining", name);
		break;
	}
	result->exit_code = result->outcome == BH_OUTCOME_DONE ? 0 : bh_error_exit_code(&result->error);
}
