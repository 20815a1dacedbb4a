/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lab/inside.h"

#define FAR      "/lab/ip netns exec far "
#define CELL_OUT "/tmp/cell.out"
#define CELL_ERR "/tmp/cell.err"
#define START_MS 60000
#define STOP_MS  30000
#define POLL_US  50000

static void
interface_of(const char *address, char out[32])
{
	char path[128];
	out[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	/* virtio's interface is below its own device: .../virtioN/net/NAME */
	struct command_result result;
	inside_run(&result, "ls -d %s/net/* %s/virtio*/net/* 2>/dev/null", path, path);
	const char *slash = strrchr(result.out, '/');
	assert_non_null(slash);
	snprintf(out, 32, "%.*s", (int)strcspn(slash + 1, "\n"), slash + 1);
	command_result_free(&result);
}

void
wire_set_up(struct wire *wire)
{
	*wire = (struct wire){.router = wire->router};
	inside_ok("modprobe vfio-pci; modprobe vfio_iommu_type1; modprobe 8021q; modprobe e1000e; modprobe igb; "
	          "modprobe virtio_net; echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; "
	          "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	inside_find("0x020000", 0, wire->end[0].address);
	inside_find("0x020000", 1, wire->port[0]);
	inside_find("0x020000", 2, wire->port[1]);
	inside_find("0x020000", 3, wire->end[1].address);
	inside_bind(wire->port[0], "vfio-pci");
	inside_bind(wire->port[1], "vfio-pci");
	interface_of(wire->end[0].address, wire->end[0].name);
	interface_of(wire->end[1].address, wire->end[1].name);
	inside_ok("/lab/ip netns add far && /lab/ip link set %s netns far && " FAR
	          "sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'",
	          wire->end[1].name);
	/* So that Linux counts frames, and not what its card makes frames of. */
	inside_ok("/lab/ethtool -K %s tso off gso off && " FAR "/lab/ethtool -K %s tso off gso off", wire->end[0].name,
	          wire->end[1].name);
}

static unsigned
count_in(const char *content, const char *text)
{
	unsigned cnt = 0;
	for (const char *at = content; (at = strstr(at, text)) != NULL; at++)
		cnt++;
	return cnt;
}

/* Both ports are open, and each has its link: a card that has none yet takes nothing, and counts nothing. */
static bool
ports_are_up(void)
{
	char content[65536];
	int fd = open(CELL_ERR, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, content, sizeof(content) - 1) : 0;
	if (fd >= 0)
		close(fd);
	content[len > 0 ? len : 0] = '\0';
	return count_in(content, ": open: ") == 2 &&
	       count_in(content, "link up 1") + count_in(content, ": link up, ") == 2;
}

static void
write_config(const struct wire *wire, unsigned mtu_bytes, const char *more)
{
	FILE *file = fopen("/tmp/cell.conf", "we");
	assert_non_null(file);
	fprintf(file, "[cell]\napp = %s\ncpus = 2\narena = 96M\npages = normal\n", wire->router ? "fwd" : "xconnect");
	for (int i = 0; i < 2; i++)
		fprintf(file, "[port p%d]\nbackend = vfio\naddress = %s\nmtu = %u\n", i, wire->port[i], mtu_bytes);
	fprintf(file, "%s%s", wire->router ? "[fwd]\n" : "[xconnect]\na = p0\nb = p1\n", more);
	assert_int_equal(fclose(file), 0);
}

void
wire_cell_start(struct wire *wire, unsigned mtu_bytes, const char *more)
{
	write_config(wire, mtu_bytes, more);
	unlink(CELL_ERR);
	wire->cell = fork();
	assert_true(wire->cell >= 0);
	if (wire->cell == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open(CELL_OUT, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
		dup2(open(CELL_ERR, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
		execlp("bulkhead", "bulkhead", "run", "/tmp/cell.conf", "--json", "--verbose", NULL);
		_exit(127);
	}
	uint64_t end_ms = inside_now_ms() + START_MS;
	while (!ports_are_up() && inside_now_ms() < end_ms)
		usleep(POLL_US);
	if (!ports_are_up())
		inside_ok("cat " CELL_ERR "; false");
}

void
wire_cell_stop(struct wire *wire)
{
	kill(wire->cell, SIGINT);
	int code = command_wait_exit(wire->cell, STOP_MS);
	wire->cell = 0;
	inside_ok("cat " CELL_ERR " " CELL_OUT);
	assert_int_equal(code, 0);
	json_decref(wire->result);
	json_t *report = json_load_file(CELL_OUT, 0, NULL);
	assert_non_null(report);
	assert_string_equal(json_string_value(json_object_get(report, "outcome")), "done");
	wire->result = json_incref(json_object_get(report, "app"));
	json_decref(report);
	assert_non_null(wire->result);
}

void
wire_cell_end(struct wire *wire)
{
	if (wire->cell <= 0)
		return;
	kill(wire->cell, SIGINT);
	(void)command_wait_exit(wire->cell, STOP_MS);
	wire->cell = 0;
	inside_ok("cat " CELL_ERR);
}

void
wire_up(struct wire *wire, unsigned mtu_bytes)
{
	inside_ok("/lab/ip link set %s mtu %u && /lab/ip addr replace 10.0.0.1/24 dev %s && /lab/ip link set %s up",
	          wire->end[0].name, mtu_bytes, wire->end[0].name, wire->end[0].name);
	inside_ok(FAR "sh -c '/lab/ip link set %s mtu %u && /lab/ip addr replace 10.0.0.2/24 dev %s && /lab/ip link "
	              "set %s up'",
	          wire->end[1].name, mtu_bytes, wire->end[1].name, wire->end[1].name);
}

void
wire_down(struct wire *wire)
{
	inside_ok("/lab/ip link set %s down && " FAR "/lab/ip link set %s down", wire->end[0].name, wire->end[1].name);
}

int
wire_ping(const char *to, unsigned bytes, unsigned timeout_s)
{
	struct command_result result;
	/* Each try a second; busybox's ping ends with 0 when one answer came. */
	inside_run(&result, "for i in $(seq %u); do ping -c 1 -W 1 -s %u %s && exit 0; done; exit 1", timeout_s, bytes,
	           to);
	int came = result.exit_code == 0;
	command_result_free(&result);
	return came;
}

uint64_t
wire_linux(const struct wire *wire, unsigned end, const char *name)
{
	struct command_result result;
	inside_run(&result, "%scat /sys/class/net/%s/statistics/%s", end == 1 ? FAR : "", wire->end[end].name, name);
	assert_int_equal(result.exit_code, 0);
	uint64_t value = strtoull(result.out, NULL, 10);
	command_result_free(&result);
	return value;
}

static const json_t *
port_object(const struct wire *wire, const char *port)
{
	return json_object_get(json_object_get(wire->result, "ports"), port);
}

static uint64_t
integer(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

uint64_t
wire_count(const struct wire *wire, const char *port, const char *name)
{
	return integer(port_object(wire, port), name);
}

uint64_t
wire_drop(const struct wire *wire, const char *port, const char *reason)
{
	return integer(json_object_get(port_object(wire, port), "drops"), reason);
}

uint64_t
wire_drops(const struct wire *wire, const char *port, const char *prefix)
{
	json_t *drops = json_object_get(port_object(wire, port), "drops"), *value;
	const char *name;
	uint64_t sum = 0;
	json_object_foreach(drops, name, value)
	{
		if (strncmp(name, prefix, strlen(prefix)) == 0)
			sum += (uint64_t)json_integer_value(value);
	}
	return sum;
}
