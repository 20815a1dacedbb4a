/* SPDX-License-Identifier: Apache-2.0 */
/* Side A's programs that no package has: XDP's redirect between two ports, and a loop over AF_XDP as xdpsock's l2fwd. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/compare/net.h"

static int
failed(const char *what, const char *on)
{
	fprintf(stderr, "bulkhead compare net-peer: %s, %s: %s\n", what, on, strerror(errno));
	return 1;
}

/* return bpf_redirect(ifindex, 0); */
static int
attach_redirect(const char *from, const char *to, bool native)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	const struct bpf_insn program[] = {
	        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (int)if_nametoindex(to)},
	        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
	        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
	        {.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bulkhead", "GPL", program, BH_ARRAY_CNT(program), NULL);
	if (fd < 0)
		return failed("loading the program", from);
	if (bpf_link_create(fd, (int)if_nametoindex(from), BPF_XDP, &options) < 0)
		return failed(native ? "attaching the program in the driver" : "attaching the program in the stack",
		              from);
	return 0;
}

/* The links' descriptors stay open: they go with this process. */
static int
redirect(const char *a, const char *b, bool native)
{
	sigset_t set;
	int number;
	int code = attach_redirect(a, b, native);
	if (code == 0)
		code = attach_redirect(b, a, native);
	if (code != 0)
		return code;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	return sigwait(&set, &number) == 0 ? 0 : 1;
}

int
bh_net_peer(int argc, char **argv)
{
	if (argc != 5 || if_nametoindex(argv[2]) == 0 || if_nametoindex(argv[3]) == 0) {
		fprintf(stderr, "usage: bulkhead compare net-peer xdp|af_xdp|xdp-generic|af_xdp-generic A B CPU\n");
		return 2;
	}
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)atoi(argv[4]), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return failed("running on that CPU", argv[4]);
	bool native = strstr(argv[1], "-generic") == NULL;
	if (strncmp(argv[1], "xdp", 3) == 0)
		return redirect(argv[2], argv[3], native);
	return bh_net_peer_af_xdp(argv[2], argv[3], native);
}
