/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/fwd/host/mirror_private.h"

int
fwd_nl_open(uint32_t receive_bytes)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int bytes = (int)receive_bytes, one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	/* FORCE goes beyond net.core.rmem_max, and needs CAP_NET_ADMIN; without it, overruns come sooner and are healed. */
	if (bytes != 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0)
		goto failed;
	/* Replies to requests that fail need not repeat the request. Kernels without it repeat it. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)(const void *)&self, sizeof(self)) == 0)
		return fd;
failed:;
	int err = -errno;
	close(fd);
	return err;
}

int
fwd_nl_join(int fd, unsigned group)
{
	int value = (int)group;
	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int
send_message(int fd, const struct nlmsghdr *message)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent = sendto(fd, message, message->nlmsg_len, 0, (const struct sockaddr *)(const void *)&kernel,
	                      sizeof(kernel));
	return sent == (ssize_t)message->nlmsg_len ? 0 : sent < 0 ? -errno : -EIO;
}

/* What a dump of a class asks for: the type of the request, its family, and the length of its header. */
static const struct {
	uint16_t type;
	uint8_t family;
	uint8_t header_bytes;
} dump_of[FWD_RIB_CLASS_CNT] = {
        [FWD_RIB_LINK] = {RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg)},
        [FWD_RIB_NETCONF4] = {RTM_GETNETCONF, AF_INET, sizeof(struct netconfmsg)},
        [FWD_RIB_NETCONF6] = {RTM_GETNETCONF, AF_INET6, sizeof(struct netconfmsg)},
        [FWD_RIB_NEXTHOP] = {RTM_GETNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg)},
        [FWD_RIB_ROUTE4] = {RTM_GETROUTE, AF_INET, sizeof(struct rtmsg)},
        [FWD_RIB_ROUTE6] = {RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg)},
        [FWD_RIB_NEIGHBOUR4] = {RTM_GETNEIGH, AF_INET, sizeof(struct ndmsg)},
        [FWD_RIB_NEIGHBOUR6] = {RTM_GETNEIGH, AF_INET6, sizeof(struct ndmsg)},
        [FWD_RIB_RULE4] = {RTM_GETRULE, AF_INET, sizeof(struct fib_rule_hdr)},
        [FWD_RIB_RULE6] = {RTM_GETRULE, AF_INET6, sizeof(struct fib_rule_hdr)},
};

int
fwd_nl_dump(int fd, enum fwd_rib_class class, uint32_t seq)
{
	uint8_t buffer[64] BH_ALIGNED(8) = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = dump_of[class].type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = seq;
	uint8_t *header = mnl_nlmsg_put_extra_header(message, dump_of[class].header_bytes);
	header[0] = dump_of[class].family; /* where each of these headers has it */
	return send_message(fd, message);
}

int
fwd_nl_receive(int fd, void *buffer, size_t bytes)
{
	struct sockaddr_nl from = {0};
	socklen_t from_bytes = sizeof(from);
	ssize_t got = recvfrom(fd, buffer, bytes, MSG_TRUNC, (struct sockaddr *)(void *)&from, &from_bytes);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if ((size_t)got > bytes)
		return -ENOBUFS;                /* cut: as good as lost */
	return from.nl_pid == 0 ? (int)got : 0; /* not of the kernel: not read */
}

void
fwd_nl_ask(void *context, const struct fwd_nl_neighbour *neighbour)
{
	struct fwd_mirror *mirror = context;
	uint8_t buffer[128] BH_ALIGNED(8) = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_NEWNEIGH;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ndm_family = neighbour->family;
	header->ndm_ifindex = (int)neighbour->ifindex;
	header->ndm_flags = NTF_USE;
	mnl_attr_put(message, NDA_DST, fwd_nl_addr_bytes(neighbour->family), neighbour->addr);
	/* A question that is lost is asked again; an answer comes as an event, a refusal is of no use to us. */
	(void)send_message(mirror->ask_fd, message);
	while (fwd_nl_receive(mirror->ask_fd, buffer, sizeof(buffer)) > 0)
		continue;
}
