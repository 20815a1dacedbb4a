/* SPDX-License-Identifier: Apache-2.0 */
/* Two questions to rtnetlink(7): which interfaces carry a default route of any table, and which one leads to an address. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "host/device/bind_private.h"

/* The macros of linux/netlink.h cast what is aligned, and clang cannot know. */
#pragma GCC diagnostic ignored "-Wcast-align"

#define ANSWER_BYTES 32768
#define ANSWERS_MAX  100000 /* a full Internet table in parts; more is no machine to bind devices on */
#define WAIT_SECONDS 5

struct question {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attribute;
	uint8_t ip[16];
};

struct answers {
	char (*interface)[BH_SYS_NAME_BYTES];
	size_t cnt, max;
	bool any_prefix; /* not only default routes */
};

static void
add_index(struct answers *answers, unsigned idx)
{
	char name[IF_NAMESIZE];
	if (idx == 0 || if_indextoname(idx, name) == NULL)
		return;
	for (size_t i = 0; i < answers->cnt; i++) {
		if (strcmp(answers->interface[i], name) == 0)
			return;
	}
	if (answers->cnt < answers->max)
		snprintf(answers->interface[answers->cnt++], BH_SYS_NAME_BYTES, "%s", name);
}

static void
add_hops(struct answers *answers, const struct rtattr *attribute)
{
	struct rtnexthop hop;
	const uint8_t *at = (const uint8_t *)attribute + RTA_LENGTH(0);
	size_t left = attribute->rta_len - RTA_LENGTH(0);
	while (left >= sizeof(hop)) {
		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		add_index(answers, (unsigned)hop.rtnh_ifindex);
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		if (step >= left)
			return;
		at += step;
		left -= step;
	}
}

/* RTA_NEXT and NLMSG_NEXT cast a char pointer up; the buffer is aligned, and so is every step. */
static const struct rtattr *
next_attribute(const struct rtattr *at, int *left)
{
	*left -= (int)RTA_ALIGN(at->rta_len);
	return (const void *)((const uint8_t *)at + RTA_ALIGN(at->rta_len));
}

static bool
message_fits(const struct nlmsghdr *at, int left)
{
	return left >= (int)sizeof(*at) && at->nlmsg_len >= sizeof(*at) && at->nlmsg_len <= (uint32_t)left;
}

static const struct nlmsghdr *
next_message(const struct nlmsghdr *at, int *left)
{
	*left -= (int)NLMSG_ALIGN(at->nlmsg_len);
	return (const void *)((const uint8_t *)at + NLMSG_ALIGN(at->nlmsg_len));
}

static void
add_route(struct answers *answers, const struct nlmsghdr *header)
{
	const struct rtmsg *route = NLMSG_DATA(header);
	unsigned idx;
	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*route)))
		return;
	if (!answers->any_prefix &&
	    (route->rtm_dst_len > 1 || route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED) != 0))
		return;
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*route)));
	const struct rtattr *at = (const void *)((const uint8_t *)route + NLMSG_ALIGN(sizeof(*route)));
	for (; RTA_OK(at, left); at = next_attribute(at, &left)) {
		if (at->rta_type == RTA_OIF && RTA_PAYLOAD(at) >= sizeof(idx)) {
			memcpy(&idx, RTA_DATA(at), sizeof(idx));
			add_index(answers, idx);
		} else if (at->rta_type == RTA_MULTIPATH) {
			add_hops(answers, at);
		}
	}
}

/* Return: 1 the answer is whole; 0 more comes; or a negative errno. */
static int
read_answer(struct answers *answers, const uint8_t *buffer, ssize_t got, bool dump)
{
	int left = (int)got, err;
	for (const struct nlmsghdr *at = (const void *)buffer; message_fits(at, left); at = next_message(at, &left)) {
		if (at->nlmsg_type == NLMSG_DONE)
			return 1;
		if (at->nlmsg_type == NLMSG_ERROR) {
			if (at->nlmsg_len < NLMSG_LENGTH(sizeof(err)))
				return -EPROTO;
			memcpy(&err, NLMSG_DATA(at), sizeof(err));
			return err < 0 ? err : 1;
		}
		if (at->nlmsg_type == RTM_NEWROUTE)
			add_route(answers, at);
		if (!dump)
			return 1;
	}
	return 0;
}

static int
ask(struct question *question, size_t bytes, struct answers *answers)
{
	static uint8_t buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	const struct timeval wait = {WAIT_SECONDS, 0};
	bool dump = (question->header.nlmsg_flags & NLM_F_DUMP) != 0;
	int result = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	question->header.nlmsg_len = (uint32_t)bytes;
	question->header.nlmsg_type = RTM_GETROUTE;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 || send(fd, question, bytes, 0) < 0)
		result = -errno;
	for (unsigned i = 0; result == 0 && i < ANSWERS_MAX; i++) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		if (got < 0 && errno == EINTR)
			continue;
		result = got < 0 ? -errno : read_answer(answers, buffer, got, dump);
	}
	close(fd);
	return result == 1 ? 0 : result == 0 ? -EPROTO : result;
}

static int
ask_defaults(uint8_t family, struct answers *answers)
{
	struct question question = {
	        .header = {.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	        .route = {.rtm_family = family},
	};
	int err = ask(&question, NLMSG_LENGTH(sizeof(question.route)), answers);
	return err == -EAFNOSUPPORT || err == -EOPNOTSUPP ? 0 : err; /* a kernel without that protocol */
}

int
bh_bind_netlink_defaults(char (*out_interface)[BH_SYS_NAME_BYTES], size_t max)
{
	struct answers answers = {.interface = out_interface, .max = max};
	int err = ask_defaults(AF_INET, &answers);
	if (err == 0)
		err = ask_defaults(AF_INET6, &answers);
	return err != 0 ? err : (int)answers.cnt;
}

int
bh_bind_netlink_route(const struct bh_bind_ip *ip, char out_interface[BH_SYS_NAME_BYTES])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	bool v4 = memcmp(ip->byte, mapped, sizeof(mapped)) == 0;
	size_t ip_bytes = v4 ? 4 : 16;
	struct answers answers = {.interface = (void *)out_interface, .max = 1, .any_prefix = true};
	struct question question = {
	        .header = {.nlmsg_flags = NLM_F_REQUEST},
	        .route = {.rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128},
	        .attribute = {.rta_type = RTA_DST, .rta_len = (uint16_t)RTA_LENGTH(ip_bytes)},
	};
	memcpy(question.ip, v4 ? ip->byte + 12 : ip->byte, ip_bytes);
	int err = ask(&question, offsetof(struct question, ip) + ip_bytes, &answers);
	return err != 0 ? err : answers.cnt > 0 ? 0 : -ENETUNREACH;
}
