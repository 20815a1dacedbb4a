/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A plan is what a seed means: drawn completely before the run begins, so that --plan can show it.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <bulkhead/nvme.h>
#include <bulkhead/port.h>
#include <bulkhead/types.h>

#include "apps/nvme-bench/config.h"
#include "devices/nvme/nvme_model.h"
#include "devices/virtio_net/wire.h"

#define SIM_CORES_MAX       3u
#define SIM_CARD_FAULTS_MAX 32u
#define SIM_RULES_MAX       16u
/* Slots of a queue pair in runs with misnamed completions: 12 bits of generation at least. */
#define SIM_LIE_DEPTH_MAX    7u
#define SIM_LIE_COMMANDS_MAX 4096u

enum sim_kind {
	SIM_KIND_APP = 0,   /* nvme-bench, as it is */
	SIM_KIND_WORK = 1,  /* the simulator's own workload and checker */
	SIM_KIND_NET = 2,   /* two network cards, a wire, and a workload for ports; only when it is asked for */
	SIM_KIND_IXGBE = 3, /* likewise, but 82599s instead of virtio's cards */
};

BH_INLINE bool
sim_kind_is_net(enum sim_kind kind)
{
	return kind == SIM_KIND_NET || kind == SIM_KIND_IXGBE;
}

/* Deliberate mistakes, for the checker's own test: each must be found. */
enum sim_mutation {
	SIM_MUTATION_NONE = 0,
	SIM_MUTATION_CORRUPT_READ,  /* one bit of one read's data */
	SIM_MUTATION_STALE_READ,    /* one read's data are not delivered */
	SIM_MUTATION_SWALLOW_WRITE, /* one write is reported done and never submitted */
	SIM_MUTATION_MISDIRECT,     /* one write goes a block further */
	SIM_MUTATION_TWICE,         /* one completion is delivered twice */
	SIM_MUTATION_NEVER,         /* one completion is not delivered */
	SIM_MUTATION_LATE_DMA,      /* a byte of a buffer changes after its command completed */
	SIM_MUTATION_OVERRUN,       /* a byte behind a buffer changes */
	SIM_MUTATION_COMPARE,       /* one compare's verdict is turned round */
	SIM_MUTATION_DEVICE_FLIP,   /* faults of the device that no driver can see: the checker has to */
	SIM_MUTATION_DEVICE_TEAR,
	SIM_MUTATION_DEVICE_DROP,
	SIM_MUTATION_DEVICE_MISDIRECT,
	SIM_MUTATION_NET_CORRUPT, /* one bit of a frame that was received */
	SIM_MUTATION_NET_TWICE,   /* a frame is delivered twice */
	SIM_MUTATION_NET_SWALLOW, /* a frame is reported sent and was not */
	SIM_MUTATION_NET_SWAP,    /* two frames change places */
	SIM_MUTATION_NET_LATE,    /* a frame that is kept changes */
	SIM_MUTATION_NET_LEAK,    /* a packet is not given back */
	SIM_MUTATION_CNT
};

enum sim_end {
	SIM_END_ANY = 0, /* read again or reported: both are right */
	SIM_END_LIVE,    /* at the end the whole disk could be read */
	SIM_END_GONE,    /* the device was given up, or never came up */
};

/* What a fault alone must lead to; counters without the device's name. Looked at in runs where a fault fired. */
struct sim_expect {
	enum sim_end end;
	const char *some[3]; /* counters that must not be 0 */
	const char *none[2]; /* counters that must be 0 */
};

/* How time passes and who comes next. */
struct sim_pace {
	uint64_t tsc_hz;
	uint64_t step_ns_max;    /* time between two points: 1 .. this */
	uint64_t skip_ns_max;    /* longest skip while nothing happens */
	uint32_t device_one_in;  /* the device looks at its doorbells at one point in so many */
	uint32_t switch_one_in;  /* likewise, another core's turn */
	uint32_t self_calls_max; /* bh_core_self() is a point once in 1 .. this calls */
	uint32_t stall_one_in;   /* likewise, a stall of the whole machine of up to stall_ns_max */
	uint64_t stall_ns_max;
	uint32_t steal_one_in; /* likewise, one core is taken away for up to steal_ns_max; 0: never */
	uint64_t steal_ns_max;
	uint64_t mailbox_ns_max;     /* the supervisor answers within it */
	uint32_t mailbox_bad_one_in; /* it answers with an error or far too late, once in so many; 0: never */
	bool fibers_shuffled;        /* ready fibers in random order instead of first in, first out */
};

/* The workload of SIM_KIND_WORK. */
struct sim_work_plan {
	struct bh_nvme_options options;
	uint32_t round_cnt;       /* open .. close */
	uint32_t qpair_cnt;       /* of each core */
	uint32_t depth;           /* of each pair */
	uint32_t sync_fiber_cnt;  /* of each core: one command at a time */
	uint32_t async_depth;     /* of each core's asynchronous fiber; 0: none */
	uint32_t op_cnt;          /* of each core and round */
	uint32_t blocks_max;      /* of a command */
	uint32_t large_one_in;    /* a command above the controller's limit, once in so many; 0: never */
	uint32_t chain_one_in;    /* a completion submits the next command itself; 0: never */
	uint32_t reset_one_in;    /* a fiber asks for a reset before an operation; 0: never */
	uint32_t recreate_one_in; /* a core deletes its pairs and makes new ones; 0: never */
	uint32_t admin_one_in;
	uint32_t weight[8];   /* by enum check_kind */
	bool initial_pattern; /* the disk is not zeroes at first */
};

/* What goes wrong with the cards beside their script. */
struct sim_net_trouble {
	uint32_t link_one_in;   /* at a look of the device: the link goes, or comes back; 0: never */
	uint32_t freeze_one_in; /* likewise: the cards do nothing for up to freeze_ns_max; 0: never */
	uint64_t freeze_ns_max;
	uint64_t gone_ns;  /* one card reads all ones from then on; UINT64_MAX: never */
	uint32_t gone_idx; /* which */
};

/* The workload of SIM_KIND_NET and SIM_KIND_IXGBE. */
struct sim_net_plan {
	struct vnet_model_config card; /* both, but for the address; of an 82599 only its script, by enum ixgbe_fault */
	struct vnet_wire_config wire;
	struct bh_port_options options;
	struct bh_pkt_pool_options pool; /* of each core and port */
	struct sim_net_trouble trouble;
	uint32_t round_cnt;      /* open .. close */
	uint32_t frame_cnt;      /* to send, of each core, port and round */
	uint32_t frame_bytes;    /* most of them are not longer */
	uint32_t burst_max;      /* frames in a call */
	uint32_t rest_one_in;    /* a core sleeps, once in so many turns; 0: never */
	uint32_t odd_one_in;     /* a frame that cannot be sent; 0: never */
	uint32_t chain_one_in;   /* a frame of several packets; 0: never */
	uint32_t offload_one_in; /* a frame that wants a checksum or a tag; 0: never */
	uint32_t hold_max;       /* received frames that a core keeps for a while */
	uint32_t abroad_one_in;  /* a received frame is freed by another core; 0: never */
	uint32_t reset_one_in;   /* the owner resets a port in a turn; 0: never */
	uint32_t filter_one_in;  /* likewise, changes filters; 0: never */
};

struct sim_plan {
	uint64_t seed;
	char replay[256]; /* the options that make this run again */
	enum sim_kind kind;
	enum sim_mutation mutation;
	uint32_t core_cnt;
	bool registers_mapped; /* else through the mailbox */
	bool shared_host;      /* the boot page says that host and cell share a CPU */
	bool arena_tight;      /* too small, perhaps: out of memory is an answer */
	bool windows_small;    /* the device gets its DMA windows a page at a time */
	struct sim_pace pace;
	struct nvme_model_config device;
	struct nvme_fault_rule rule[SIM_RULES_MAX];
	uint32_t rule_cnt;
	const struct sim_expect *expect; /* NULL: nothing special */
	uint64_t arena_bytes;
	uint64_t stop_ns;     /* app: when it is asked to stop */
	uint64_t stop_io_cnt; /* or after so many commands */
	struct nvme_bench_config app;
	struct sim_work_plan work;
	struct sim_net_plan net;
};

/* sim_plan_draw - the plan of a seed. @kind: -1: drawn. @faults: false: none, whatever the seed says. */
void sim_plan_draw(uint64_t seed, int kind, bool faults, struct sim_plan *out);

/* sim_plan_rules_applied - fit the rest of the plan to its rules, once they are final. */
void sim_plan_rules_applied(struct sim_plan *plan);

/* sim_plan_is_healthy - nothing goes wrong in this plan: no error is an answer. */
bool sim_plan_is_healthy(const struct sim_plan *plan);

/* sim_plan_has - whether a rule with this action is in the plan. */
bool sim_plan_has(const struct sim_plan *plan, enum nvme_fault_action action);

/* plan_net.c */
void sim_plan_net_print(const struct sim_plan *plan);

void sim_plan_print(const struct sim_plan *plan);

#endif
