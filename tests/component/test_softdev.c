/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bulkhead softdev nvme` as its user runs it: what it refuses and how it says so; then clients, one after another, that
 * bring the controller up through the vfio-user client and read and write blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bulkhead/spec/nvme.h>
#include <host/device/vfio_user.h>

#include "tests/component/command.h"

#define IOVA        UINT64_C(0x1000000000)
#define ARENA_BYTES (UINT64_C(1) << 20)
#define DEADLINE_MS 20000

static const char *program;
static char dir[] = "/tmp/bulkhead-softdev-XXXXXX", socket_path[64], disk_path[64], script_path[64];

static uint64_t
now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What bad usage gives: exit code, and a part of what is said. */
static void
expect(int exit_code, const char *part, const char *const *options)
{
	const char *argv[24] = {program, "softdev"};
	struct command_result result;
	int cnt = 2;

	while (*options)
		argv[cnt++] = *options++;
	command_run(argv, DEADLINE_MS, &result);
	if (result.exit_code != exit_code || !strstr(result.err, part))
		fail_msg("exit code %d, wanted %d; it said: %s", result.exit_code, exit_code, result.err);
	command_result_free(&result);
	assert_int_not_equal(access(socket_path, F_OK), 0);
}

#define EXPECT(code, part, ...) expect(code, part, (const char *const[]){__VA_ARGS__, NULL})

static void
bad_usage_is_named(void **state)
{
	EXPECT(2, "no model 'floppy'; there are: nvme, virtio-net, ixgbe", "floppy");
	EXPECT(2, "an 82599 is as it is", "ixgbe", "--socket", socket_path, "--queues", "4");
	EXPECT(2, "--fault: 'bad-id'", "ixgbe", "--socket", socket_path, "--fault", "bad-id");
	EXPECT(2, "',model=ixgbe'", "virtio-net", "--fd", "0,model=ne2000");
	EXPECT(2, "give one of --socket PATH and --fd N", "nvme");
	EXPECT(2, "give one of", "nvme", "--socket", socket_path, "--fd", "0");
	EXPECT(2, "size must not be zero", "nvme", "--socket", socket_path, "--size", "0");
	EXPECT(2, "multiple of the block size", "nvme", "--socket", socket_path, "--size", "1000");
	EXPECT(2, "--size 1X", "nvme", "--socket", socket_path, "--size", "1X");
	EXPECT(2, "--size 99999999T", "nvme", "--socket", socket_path, "--size", "99999999T");
	EXPECT(2, "block size must be 512 or 4096", "nvme", "--socket", socket_path, "--block-size", "520");
	EXPECT(2, "--namespaces 0", "nvme", "--socket", socket_path, "--namespaces", "0");
	EXPECT(2, "'fast' is no service time", "nvme", "--socket", socket_path, "--service-ns", "fast");
	EXPECT(2, "--seed x", "nvme", "--socket", socket_path, "--seed", "x");
	EXPECT(2, "--cpu -1", "nvme", "--socket", socket_path, "--cpu", "-1");
	EXPECT(2, "cannot run on CPU 1000", "nvme", "--socket", socket_path, "--cpu", "1000");
	EXPECT(2, "--fd 77", "nvme", "--fd", "77");
	EXPECT(2, "'extra' is not an option", "nvme", "--socket", socket_path, "extra");
	EXPECT(2, "--help", "nvme", "--bogus");
}

static void
bad_fault_scripts_are_named_with_their_line(void **state)
{
	FILE *file = fopen(script_path, "w");
	assert_non_null(file);
	fputs("every 500 delay 5ms\n\nat 2s fatol\n", file);
	fclose(file);
	char part[128];
	snprintf(part, sizeof(part), "%s:3: 'fatol' is neither", script_path);
	EXPECT(2, part, "nvme", "--socket", socket_path, "--fault", script_path);
	EXPECT(2, "cannot read the fault script /nonexistent", "nvme", "--socket", socket_path, "--fault",
	       "/nonexistent");
}

static void
bad_places_are_refused(void **state)
{
	EXPECT(1, "is not a socket; it is left alone", "nvme", "--socket", "/etc/passwd");
	EXPECT(1, "cannot serve on /nonexistent/s", "nvme", "--socket", "/nonexistent/s");
	EXPECT(1, "not a regular file", "nvme", "--socket", socket_path, "--backing", "/dev/null");
	EXPECT(1, "cannot open /nonexistent/d", "nvme", "--socket", socket_path, "--backing", "/nonexistent/d");
}

static void
help_is_help(void **state)
{
	const char *argv[] = {program, "softdev", "nvme", "--help", NULL};
	struct command_result result;
	command_run(argv, DEADLINE_MS, &result);
	assert_int_equal(result.exit_code, 0);
	assert_non_null(strstr(result.out, "--service-ns"));
	command_result_free(&result);
}

/* A device that runs; its messages go to stderr_fd. */
struct device {
	pid_t pid;
	int stderr_fd;
};

static void
device_start(struct device *device, const char *backing, const char *more, const char *value)
{
	int pipe_fd[2];
	char line[256] = "";
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	device->pid = fork();
	assert_true(device->pid >= 0);
	if (device->pid == 0) {
		dup2(pipe_fd[1], 2);
		execl(program, program, "softdev", "nvme", "--socket", socket_path, "--size", "4M", "--backing",
		      backing, more, value, (char *)NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	device->stderr_fd = pipe_fd[0];
	assert_true(read(device->stderr_fd, line, sizeof(line) - 1) > 0);
	if (!strstr(line, "ready on"))
		fail_msg("the device said: %s", line);
}

/* Ends it; `part` must be in what it says. Nothing is left. */
static void
device_end(struct device *device, const char *part)
{
	char text[2048];
	size_t used = 0;
	ssize_t got;
	int status;

	assert_int_equal(kill(device->pid, SIGTERM), 0);
	while (used < sizeof(text) - 1 && (got = read(device->stderr_fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	assert_int_equal(waitpid(device->pid, &status, 0), device->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
	close(device->stderr_fd);
	assert_int_not_equal(access(socket_path, F_OK), 0);
}

/* A client with one queue pair: admin queues on pages 0 and 1, I/O on 2 and 3, data from page 8 on. */
struct client {
	struct bh_backend *backend;
	struct bh_error error;
	int arena_fd;
	uint8_t *arena;
	volatile uint32_t *doorbells;
	uint32_t tail[2], head[2];
};

static void
client_open(struct client *client, int fd)
{
	memset(client, 0, sizeof(*client));
	int err = bh_vfio_user_open("nvme0", fd, socket_path, &client->backend, &client->error);
	if (err)
		fail_msg("%s", client->error.text);
	client->arena_fd = memfd_create("arena", MFD_CLOEXEC);
	assert_int_equal(ftruncate(client->arena_fd, (off_t)ARENA_BYTES), 0);
	client->arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, client->arena_fd, 0);
	assert_true(client->arena != MAP_FAILED);
	const struct bh_backend_window *window = &client->backend->bar[0].window[0];
	assert_int_equal(client->backend->bar[0].window_cnt, 1);
	assert_int_equal(window->offset, NVME_REG_DOORBELLS);
	client->doorbells = mmap(NULL, window->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, window->fd,
	                         (off_t)window->fd_offset);
	assert_true(client->doorbells != MAP_FAILED);
	assert_int_equal(client->backend->pci_class, 0x010802);
}

static void
client_map(struct client *client)
{
	assert_int_equal(
	        client->backend->ops->dma_map(client->backend, IOVA, ARENA_BYTES, client->arena_fd, 0, &client->error),
	        0);
}

static void
client_close(struct client *client)
{
	munmap((void *)(uintptr_t)client->doorbells, client->backend->bar[0].window[0].size_bytes);
	client->backend->ops->close(client->backend);
	munmap(client->arena, ARENA_BYTES);
	close(client->arena_fd);
}

static uint64_t
reg_read(struct client *client, uint64_t offset, uint32_t width_bytes)
{
	uint64_t value = 0;
	assert_int_equal(
	        client->backend->ops->reg_read(client->backend, 0, offset, width_bytes, &value, &client->error), 0);
	return value;
}

static void
reg_write(struct client *client, uint64_t offset, uint32_t width_bytes, uint64_t value)
{
	assert_int_equal(
	        client->backend->ops->reg_write(client->backend, 0, offset, width_bytes, value, &client->error), 0);
}

/* Runs one command on queue 0 or 1 of 8 entries each; returns its status, or -1 when CSTS said that it will not come. */
static int
run(struct client *client, uint32_t qid, struct nvme_sqe sqe)
{
	struct nvme_sqe *sq = (struct nvme_sqe *)(void *)(client->arena + qid * 8192);
	volatile struct nvme_cqe *cqe =
	        (volatile struct nvme_cqe *)(void *)(client->arena + qid * 8192 + 4096) + client->head[qid] % 8;
	uint32_t phase = client->head[qid] / 8 % 2 ? 0 : 1;
	uint64_t end_ms = now_ms() + DEADLINE_MS;

	sqe.cid = (uint16_t)client->tail[qid];
	sq[client->tail[qid]++ % 8] = sqe;
	__atomic_store_n(&client->doorbells[qid * 2 * 16], client->tail[qid] % 8, __ATOMIC_RELEASE);
	while ((__atomic_load_n(&cqe->status, __ATOMIC_ACQUIRE) & 1) != phase) {
		if (reg_read(client, NVME_REG_CSTS, 4) & NVME_CSTS_CFS)
			return -1;
		if (now_ms() > end_ms)
			fail_msg("no completion within %d ms", DEADLINE_MS);
	}
	int status = NVME_STATUS_OF_WORD(cqe->status);
	client->head[qid]++;
	client->doorbells[(qid * 2 + 1) * 16] = client->head[qid] % 8;
	return status;
}

static void
controller_start(struct client *client)
{
	memset(client->arena, 0, 4 * 8192);
	memset(client->tail, 0, sizeof(client->tail));
	memset(client->head, 0, sizeof(client->head));
	reg_write(client, NVME_REG_AQA, 4, 7 | 7 << 16);
	reg_write(client, NVME_REG_ASQ, 8, IOVA);
	reg_write(client, NVME_REG_ACQ, 8, IOVA + 4096);
	reg_write(client, NVME_REG_CC, 4, NVME_CC_EN | NVME_SET(NVME_CC_IOSQES, 6u) | NVME_SET(NVME_CC_IOCQES, 4u));
	uint64_t end_ms = now_ms() + DEADLINE_MS;
	while (!(reg_read(client, NVME_REG_CSTS, 4) & NVME_CSTS_RDY) && now_ms() < end_ms)
		continue;
	struct nvme_sqe cq = {.opcode = NVME_ADMIN_CREATE_CQ,
	                      .prp1 = IOVA + 8192 + 4096,
	                      .cdw10 = 1 | 7 << 16,
	                      .cdw11 = NVME_CREATE_PC};
	struct nvme_sqe sq = {.opcode = NVME_ADMIN_CREATE_SQ,
	                      .prp1 = IOVA + 8192,
	                      .cdw10 = 1 | 7 << 16,
	                      .cdw11 = NVME_CREATE_PC | 1 << 16};
	assert_int_equal(run(client, 0, cq), 0);
	assert_int_equal(run(client, 0, sq), 0);
}

static int
rw(struct client *client, uint8_t opcode, uint32_t lba, uint64_t iova)
{
	struct nvme_sqe sqe = {.opcode = opcode, .nsid = 1, .prp1 = iova, .cdw10 = lba, .cdw12 = 7};
	return run(client, 1, sqe);
}

static void
clients_come_one_after_another(void **state)
{
	struct device device;
	struct client client;

	device_start(&device, "memory", "--seed", "7");
	for (uint8_t round = 1; round <= 3; round++) {
		client_open(&client, -1);
		client_map(&client);
		assert_int_equal(reg_read(&client, NVME_REG_CSTS, 4), 0); /* whatever the one before left */
		assert_int_equal(reg_read(&client, NVME_REG_AQA, 4), 0);
		controller_start(&client);
		memset(client.arena + 65536, round, 4096);
		if (round > 1) { /* the medium stays */
			assert_int_equal(rw(&client, NVME_NVM_READ, 8, IOVA + 65536), 0);
			assert_int_equal(client.arena[65536 + 4095], round - 1);
			memset(client.arena + 65536, round, 4096);
		}
		assert_int_equal(rw(&client, NVME_NVM_WRITE, 8, IOVA + 65536), 0);
		assert_int_equal(rw(&client, NVME_NVM_READ, 1 << 20, IOVA + 65536), NVME_SC_LBA_OUT_OF_RANGE);
		client_close(&client); /* without disabling */
	}
	device_end(&device, "2 reads, 3 writes");
}

static void
unmapped_memory_gives_errors_and_no_access(void **state)
{
	struct device device;
	struct client client;

	device_start(&device, "memory", "--seed", "7");
	client_open(&client, -1);
	client_map(&client);
	int other = memfd_create("other", MFD_CLOEXEC);
	assert_int_equal(ftruncate(other, 65536), 0);
	uint64_t other_iova = IOVA + (1 << 30);
	assert_int_equal(client.backend->ops->dma_map(client.backend, other_iova, 65536, other, 0, &client.error), 0);
	controller_start(&client);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, other_iova), 0);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, other_iova + 65536), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, other_iova + 65536 - 2048), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(client.backend->ops->dma_unmap(client.backend, other_iova, 65536, &client.error), 0);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, other_iova), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), 0);
	/* Now the queues themselves: the controller cannot go on, and says so. */
	assert_int_equal(client.backend->ops->dma_unmap(client.backend, IOVA, ARENA_BYTES, &client.error), 0);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), -1);
	/* A function reset and the map again: all is well. */
	assert_int_equal(client.backend->ops->reset(client.backend, &client.error), 0);
	client_map(&client);
	controller_start(&client);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), 0);
	client_close(&client);
	close(other);
	device_end(&device, "addresses refused");
}

static void
a_file_keeps_what_was_written(void **state)
{
	struct device device;
	struct client client;

	for (int round = 0; round < 2; round++) {
		device_start(&device, disk_path, "--block-size", "512");
		client_open(&client, -1);
		client_map(&client);
		controller_start(&client);
		memset(client.arena + 65536, round ? 0 : 0x6b, 4096);
		assert_int_equal(rw(&client, round ? NVME_NVM_READ : NVME_NVM_WRITE, 16, IOVA + 65536), 0);
		assert_int_equal(client.arena[65536], 0x6b);
		client_close(&client);
		device_end(&device, "");
	}
	EXPECT(1, "4194304 bytes, 8388608 are needed", "nvme", "--socket", socket_path, "--backing", disk_path,
	       "--size", "8M");
}

static void
faults_are_counted_in_the_summary(void **state)
{
	struct device device;
	struct client client;
	FILE *file = fopen(script_path, "w");

	assert_non_null(file);
	fputs("op read nth 2 status unrecovered-read\n", file);
	fclose(file);
	device_start(&device, "null", "--fault", script_path);
	client_open(&client, -1);
	client_map(&client);
	controller_start(&client);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), 0);
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), NVME_SC_UNRECOVERED_READ);
	client_close(&client);
	device_end(&device, "fault 'status' fired 1 times");
}

static pid_t
start_on_fd(int fd)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char number[16];
		fcntl(fd, F_SETFD, 0);
		snprintf(number, sizeof(number), "%d", fd);
		execl(program, program, "softdev", "nvme", "--fd", number, "--size", "4M", "--backing", "null",
		      (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
an_inherited_device_ends_with_its_client(void **state)
{
	struct client client;
	int pair[2], status;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid_t pid = start_on_fd(pair[1]);
	close(pair[1]);
	client_open(&client, pair[0]);
	client_map(&client);
	controller_start(&client);
	assert_int_equal(kill(pid, SIGINT), 0); /* the terminal's Ctrl-C is the supervisor's business */
	assert_int_equal(rw(&client, NVME_NVM_READ, 0, IOVA + 65536), 0);
	client_close(&client);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
an_inherited_device_dies_with_its_parent(void **state)
{
	int pair[2], report[2];
	pid_t device = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (parent == 0) {
		device = start_on_fd(pair[1]);
		(void)!write(report[1], &device, sizeof(device));
		pause();
		_exit(0);
	}
	close(pair[1]);
	assert_int_equal(read(report[0], &device, sizeof(device)), sizeof(device));
	struct client client;
	client_open(&client, pair[0]); /* it runs; and its end is seen here, as the other end of the socket closes */
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	struct pollfd gone = {.fd = bh_vfio_user_fd(client.backend), .events = POLLIN};
	assert_int_equal(poll(&gone, 1, DEADLINE_MS), 1);
	assert_true(gone.revents & (POLLHUP | POLLIN));
	client_close(&client);
	close(report[0]);
	close(report[1]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bad_usage_is_named),
	        cmocka_unit_test(bad_fault_scripts_are_named_with_their_line),
	        cmocka_unit_test(bad_places_are_refused),
	        cmocka_unit_test(help_is_help),
	        cmocka_unit_test(clients_come_one_after_another),
	        cmocka_unit_test(unmapped_memory_gives_errors_and_no_access),
	        cmocka_unit_test(a_file_keeps_what_was_written),
	        cmocka_unit_test(faults_are_counted_in_the_summary),
	        cmocka_unit_test(an_inherited_device_ends_with_its_client),
	        cmocka_unit_test(an_inherited_device_dies_with_its_parent),
	};
	if (argc < 2 || !mkdtemp(dir))
		return 1;
	program = argv[1];
	snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
	snprintf(disk_path, sizeof(disk_path), "%s/disk", dir);
	snprintf(script_path, sizeof(script_path), "%s/script", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(disk_path);
	unlink(script_path);
	rmdir(dir);
	return failed;
}
