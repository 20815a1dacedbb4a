/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions over ssh: SSH_CONNECTION in our environment or an ancestor's (sudo takes it from ours), and every established TCP
 * connection that an ssh server holds or that ends at port 22. A card carries one if it, or what lies on it, has the local
 * address, or if packets to the other end leave by it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/device/bind_private.h"

#define ADDRESSES_MAX   1024
#define SOCKETS_MAX     1024
#define ANCESTORS_MAX   64
#define TCP_ESTABLISHED 1u
#define SSH_PORT        22u

struct look {
	struct bh_bind_scope *scope;
	struct bh_bind_if_address address[ADDRESSES_MAX];
	int address_cnt;
	uint64_t socket[SOCKETS_MAX]; /* inodes that ssh servers hold */
	size_t socket_cnt;
};

static bool
parse_ip(const char *text, struct bh_bind_ip *out)
{
	struct in_addr v4;
	char plain[INET6_ADDRSTRLEN];
	snprintf(plain, sizeof(plain), "%s", text);
	plain[strcspn(plain, "%")] = '\0'; /* fe80::1%eth0 */
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, plain, &v4) == 1) {
		out->byte[10] = out->byte[11] = 0xff;
		memcpy(out->byte + 12, &v4, 4);
		return true;
	}
	return inet_pton(AF_INET6, plain, out->byte) == 1;
}

static void
format_ip(const struct bh_bind_ip *ip, char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	bool v4 = memcmp(ip->byte, mapped, sizeof(mapped)) == 0;
	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->byte + 12 : ip->byte, out, INET6_ADDRSTRLEN) == NULL)
		out[0] = '\0';
}

static void
look_at_session(struct look *look, const struct bh_bind_ip *local, const struct bh_bind_ip *peer, const char *where)
{
	char route[BH_SYS_NAME_BYTES], name[2 * BH_SYS_NAME_BYTES + 40], from[INET6_ADDRSTRLEN];
	const struct bh_bind_net *net = NULL;
	format_ip(peer, from);
	for (int i = 0; i < look->address_cnt && net == NULL; i++) {
		if (memcmp(&look->address[i].ip, local, sizeof(*local)) == 0)
			net = bh_bind_net_name(look->scope, look->address[i].interface);
	}
	if (net == NULL && bh_bind_ops->route(peer, route) == 0)
		net = bh_bind_net_name(look->scope, route);
	if (net != NULL)
		bh_bind_add(&look->scope->findings, "ssh-session", "%s carries an ssh session from %s (%s)",
		            bh_bind_net_text(net, name), from, where);
}

/* "client-address client-port server-address server-port". */
static void
look_at_variable(struct look *look, char *value, const char *where)
{
	struct bh_bind_ip local, peer;
	char *client = bh_bind_field(&value);
	(void)bh_bind_field(&value);
	char *server = bh_bind_field(&value);
	if (client != NULL && server != NULL && parse_ip(client, &peer) && parse_ip(server, &local))
		look_at_session(look, &local, &peer, where);
}

static void
look_at_environment(struct look *look, const char *pid)
{
	static const char variable[] = "SSH_CONNECTION=";
	char *text, where[64];
	int64_t len = bh_sys_load(&text, look->scope->root, "/proc/%s/environ", pid);
	if (len < 0)
		return;
	snprintf(where, sizeof(where), "SSH_CONNECTION in /proc/%s/environ", pid);
	for (char *at = text; at < text + len; at += strlen(at) + 1) {
		if (strncmp(at, variable, sizeof(variable) - 1) == 0) {
			look_at_variable(look, at + sizeof(variable) - 1, where);
			break;
		}
	}
	free(text);
}

/* proc(5): "pid (comm) state ppid ..."; comm may hold anything, a ')' as well. Return: 0 none. */
static unsigned
parent_of(const char *root, const char *pid)
{
	char *text;
	unsigned parent = 0;
	if (bh_sys_load(&text, root, "/proc/%s/stat", pid) < 0)
		return 0;
	const char *behind = strrchr(text, ')');
	if (behind == NULL || sscanf(behind, ") %*c %9u", &parent) != 1)
		parent = 0;
	free(text);
	return parent;
}

static void
look_at_ancestors(struct look *look)
{
	char pid[16] = "self";
	for (unsigned i = 0; i < ANCESTORS_MAX; i++) {
		look_at_environment(look, pid);
		unsigned parent = parent_of(look->scope->root, pid);
		if (parent == 0)
			break;
		snprintf(pid, sizeof(pid), "%u", parent);
	}
}

static void
add_sockets_of(struct look *look, const char *pid)
{
	struct bh_sys_names fds;
	char target[64];
	unsigned long long inode;
	if (bh_sys_list(&fds, look->scope->root, "/proc/%s/fd", pid) != 0)
		return;
	for (size_t i = 0; i < fds.cnt && look->socket_cnt < SOCKETS_MAX; i++) {
		if (bh_sys_link_name(target, sizeof(target), look->scope->root, "/proc/%s/fd/%s", pid, fds.name[i]) ==
		            0 &&
		    sscanf(target, "socket:[%20llu]", &inode) == 1)
			look->socket[look->socket_cnt++] = inode;
	}
	bh_sys_names_free(&fds);
}

static void
find_servers(struct look *look)
{
	struct bh_sys_names pids;
	char comm[32];
	if (bh_bind_pids(look->scope->root, &pids) != 0)
		return;
	for (size_t i = 0; i < pids.cnt; i++) {
		if (bh_sys_read(comm, sizeof(comm), look->scope->root, "/proc/%s/comm", pids.name[i]) == 0 &&
		    (strncmp(comm, "sshd", 4) == 0 || strncmp(comm, "dropbear", 8) == 0))
			add_sockets_of(look, pids.name[i]);
	}
	bh_sys_names_free(&pids);
}

/* "0100007F:0016" or 32 digits: words of 4 bytes as the machine reads them. */
static bool
parse_endpoint(const char *text, struct bh_bind_ip *out, unsigned *out_port)
{
	size_t digits = strspn(text, "0123456789ABCDEFabcdef");
	uint32_t word[4];
	memset(out, 0, sizeof(*out));
	if ((digits != 8 && digits != 32) || text[digits] != ':' || sscanf(text + digits, ":%4x", out_port) != 1)
		return false;
	for (size_t i = 0; i < digits / 8; i++) {
		if (sscanf(text + 8 * i, "%8x", &word[i]) != 1)
			return false;
	}
	if (digits == 8)
		out->byte[10] = out->byte[11] = 0xff;
	memcpy(out->byte + 16 - digits / 2, word, digits / 2);
	return true;
}

/* "sl local remote state tx:rx tr:when retransmits uid timeout inode ...". */
static void
look_at_connection(struct look *look, char *line, const char *file)
{
	struct bh_bind_ip local, peer;
	unsigned local_port, peer_port;
	char *field[10], where[64];
	for (size_t i = 0; i < BH_ARRAY_CNT(field); i++) {
		if ((field[i] = bh_bind_field(&line)) == NULL)
			return;
	}
	if (strtoul(field[3], NULL, 16) != TCP_ESTABLISHED || !parse_endpoint(field[1], &local, &local_port) ||
	    !parse_endpoint(field[2], &peer, &peer_port))
		return;
	uint64_t inode = strtoull(field[9], NULL, 10);
	bool ours = local_port == SSH_PORT;
	for (size_t i = 0; i < look->socket_cnt && !ours; i++)
		ours = look->socket[i] == inode;
	snprintf(where, sizeof(where), "%s, port %u", file, local_port);
	if (ours)
		look_at_session(look, &local, &peer, where);
}

static void
look_at_connections(struct look *look, const char *file)
{
	char *text, *rest;
	int64_t len = bh_sys_load(&text, look->scope->root, "%s", file);
	if (len < 0) {
		if (len != -ENOENT)
			bh_bind_add(&look->scope->findings, "unreadable", "%s: %s", file, strerror((int)-len));
		return;
	}
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		look_at_connection(look, line, file);
	free(text);
}

void
bh_bind_guard_ssh(struct bh_bind_scope *scope)
{
	if (scope->net_cnt == 0)
		return;
	struct look *look = calloc(1, sizeof(*look));
	int cnt = look == NULL ? -ENOMEM : bh_bind_ops->addresses(look->address, ADDRESSES_MAX);
	if (cnt < 0) {
		bh_bind_add(&scope->findings, "unreadable", "the interfaces' addresses cannot be read: %s",
		            strerror(-cnt));
		free(look);
		return;
	}
	look->scope = scope;
	look->address_cnt = cnt;
	find_servers(look);
	look_at_ancestors(look);
	look_at_connections(look, "/proc/net/tcp");
	look_at_connections(look, "/proc/net/tcp6");
	free(look);
}
