/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of the server: info with its capability, descriptors, reads and writes by message, configuration space. */
#include "vfio_user_fixture.h"

#include <fcntl.h>

static struct peer_message
region_info(uint32_t argsz, uint32_t index)
{
	struct peer_message m = peer_message(3, 5, 0);
	put32(&m, argsz);
	put32(&m, 0);
	put32(&m, index);
	put32(&m, 0);
	put64(&m, 0);
	put64(&m, 0);
	return m;
}

static struct peer_message
region_read(uint64_t offset, uint32_t region, uint32_t cnt)
{
	struct peer_message m = peer_message(4, 9, 0);
	put64(&m, offset);
	put32(&m, region);
	put32(&m, cnt);
	return m;
}

static struct peer_message
region_write(uint64_t offset, uint32_t region, uint32_t cnt, const void *data)
{
	struct peer_message m = peer_message(5, 10, 0);
	put64(&m, offset);
	put32(&m, region);
	put32(&m, cnt);
	put_bytes(&m, data, cnt);
	return m;
}

static uint64_t
read_value(struct fixture *f, uint64_t offset, uint32_t region, uint32_t width)
{
	struct peer_message reply = ask(f, region_read(offset, region, width));
	assert_int_equal(reply.size, 32 + width);
	assert_int_equal(get64(&reply, 16), offset);
	assert_int_equal(get32(&reply, 24), region);
	assert_int_equal(get32(&reply, 28), width);
	uint64_t value = get(&reply, 32, width);
	peer_free(&reply);
	return value;
}

static void
write_value(struct fixture *f, uint64_t offset, uint32_t region, uint32_t width, uint64_t value)
{
	struct peer_message reply = ask(f, region_write(offset, region, width, &value));
	assert_int_equal(get32(&reply, 8), REPLY);
	assert_int_equal(reply.size, 32);
	assert_int_equal(get64(&reply, 16), offset);
	assert_int_equal(get32(&reply, 28), width);
	peer_free(&reply);
}

static void
test_info_refuses(void **state)
{
	refuse(*state, region_info(31, 0), EINVAL);
	refuse(*state, region_info(32, 9), EINVAL);
	refuse(*state, region_info(32, UINT32_MAX), EINVAL);
}

/* "The full payload is not included in the reply, but the argsz field in the reply indicates the needed size". */
static void
test_info_argsz_grows(void **state)
{
	struct peer_message reply = ask(*state, region_info(32, 0));
	assert_int_equal(reply.size, 16 + 32);
	assert_int_equal(get32(&reply, 16), 32 + 16 + 16);
	assert_int_equal(get32(&reply, 20), 1 | 2 | 8); /* read, write, capabilities */
	assert_int_equal(get32(&reply, 28), 0);
	assert_int_equal(get64(&reply, 32), 0x4000);
	assert_int_equal(reply.fd_cnt, 0);
	peer_free(&reply);
}

static void
test_info_sparse(void **state)
{
	struct fixture *f = *state;
	struct peer_message reply = ask(f, region_info(64, 0));
	assert_int_equal(reply.size, 16 + 64);
	assert_int_equal(get32(&reply, 20), 1 | 2 | 4 | 8);
	assert_int_equal(get32(&reply, 24), 0);  /* index */
	assert_int_equal(get32(&reply, 28), 32); /* cap_offset */
	assert_int_equal(get16(&reply, 48), 1);  /* VFIO_REGION_INFO_CAP_SPARSE_MMAP */
	assert_int_equal(get16(&reply, 50), 1);  /* version */
	assert_int_equal(get32(&reply, 52), 0);  /* next */
	assert_int_equal(get32(&reply, 56), 1);  /* nr_areas */
	assert_int_equal(get64(&reply, 64), 0x1000);
	assert_int_equal(get64(&reply, 72), 0x3000);
	assert_int_equal(reply.fd_cnt, 1);
	uint64_t base = get64(&reply, 40);
	uint32_t *map = mmap(NULL, 0x3000, PROT_READ | PROT_WRITE, MAP_SHARED, reply.fd[0], (off_t)(base + 0x1000));
	assert_true(map != MAP_FAILED);
	volatile uint32_t *doorbells = vfu_server_region_memory(f->server, 0, 0x1000, 0x3000);
	map[3] = 0x77;
	assert_int_equal(doorbells[3], 0x77);
	munmap(map, 0x3000);
	/* A client must not be able to cut the file: the model would die of SIGBUS. */
	assert_int_equal(ftruncate(reply.fd[0], 0), -1);
	assert_int_equal(errno, EPERM);
	peer_free(&reply);
}

/* SPDK's client sends the request with room for the reply behind it. */
static void
test_info_long_request(void **state)
{
	struct peer_message m = region_info(4064, 0);
	memset(m.bytes + m.size, 0, 4032);
	m.size += 4032;
	struct peer_message reply = ask(*state, m);
	assert_int_equal(reply.size, 16 + 64);
	assert_int_equal(reply.fd_cnt, 1);
	peer_free(&reply);
}

static void
test_info_two_areas(void **state)
{
	struct peer_message reply = ask(*state, region_info(80, 4));
	assert_int_equal(reply.size, 16 + 80);
	assert_int_equal(get32(&reply, 56), 2);
	assert_int_equal(get64(&reply, 80), 0x3000);
	assert_int_equal(get64(&reply, 88), 0x2000);
	peer_free(&reply);
}

static void
test_info_mappable_as_a_whole(void **state)
{
	struct peer_message reply = ask(*state, region_info(32, 2));
	assert_int_equal(reply.size, 16 + 32);
	assert_int_equal(get32(&reply, 20), 1 | 2 | 4);
	assert_int_equal(reply.fd_cnt, 1);
	peer_free(&reply);
}

static void
test_info_others(void **state)
{
	const struct {
		uint32_t index, flags, size;
	} expected[] = {{1, 0, 0}, {5, 1, 0x10}, {6, 0, 0}, {7, 3, 256}, {8, 0, 0}};
	for (size_t i = 0; i < 5; i++) {
		struct peer_message reply = ask(*state, region_info(32, expected[i].index));
		assert_int_equal(get32(&reply, 16), 32);
		assert_int_equal(get32(&reply, 20), expected[i].flags);
		assert_int_equal(get64(&reply, 32), expected[i].size);
		peer_free(&reply);
	}
}

/* A client that takes no descriptors gets none, and is not told to map. */
static void
test_info_without_descriptors(void **state)
{
	struct fixture *f = *state;
	struct peer_message reply = ask(f, version(0, 1, "{\"capabilities\":{\"max_msg_fds\":0}}"));
	peer_free(&reply);
	reply = ask(f, region_info(64, 0));
	assert_int_equal(get32(&reply, 20), 1 | 2 | 8);
	assert_int_equal(reply.fd_cnt, 0);
	peer_free(&reply);
}

static void
test_io_fds(void **state)
{
	for (uint32_t index = 0; index < 2; index++) { /* region 1 does not exist */
		struct peer_message m = peer_message(1, 6, 0);
		put32(&m, 16);
		put32(&m, 0);
		put32(&m, index);
		put32(&m, 0);
		struct peer_message reply = ask(*state, m);
		assert_int_equal(get32(&reply, 8), index == 0 ? REPLY : REPLY | ERROR);
		if (index == 0)
			assert_int_equal(get32(&reply, 28), 0); /* count */
		peer_free(&reply);
	}
}

static void
test_access_refused(void **state)
{
	uint64_t value = 1;
	refuse(*state, region_read(0x4000, 0, 1), EINVAL);
	refuse(*state, region_read(0x3ffd, 0, 4), EINVAL);
	refuse(*state, region_read(UINT64_MAX, 0, 4), EINVAL);
	refuse(*state, region_read(UINT64_MAX - 3, 0, 4), EINVAL);
	refuse(*state, region_read(0, 9, 4), EINVAL);
	refuse(*state, region_read(0, 0xdeadbeef, 4), EINVAL);
	refuse(*state, region_read(0, 1, 4), EINVAL);
	refuse(*state, region_read(0, 4, 1048577), EINVAL);
	refuse(*state, region_read(0, 4, UINT32_MAX), EINVAL);
	refuse(*state, region_write(0, 5, 4, &value), EPERM);
	refuse(*state, region_write(0x4000, 0, 4, &value), EINVAL);
}

static void
test_write_size_mismatch(void **state)
{
	uint64_t value = 1;
	for (int delta = -1; delta <= 1; delta += 2) {
		struct peer_message m = region_write(0, 0, 8, &value);
		m.size += (uint32_t)delta;
		refuse(*state, m, EINVAL);
	}
	assert_int_equal(((struct fixture *)*state)->toy.write_cnt, 0);
}

static void
test_access_of_the_model(void **state)
{
	struct fixture *f = *state;
	write_value(f, 0x14, 0, 4, 0x12345678);
	assert_int_equal(f->toy.last_offset, 0x14);
	assert_int_equal(f->toy.last_width, 4);
	assert_int_equal(read_value(f, 0x14, 0, 2), 0x5678);
	assert_int_equal(f->toy.last_width, 2);
	write_value(f, 0x28, 0, 8, UINT64_C(0x1122334455667788));
	assert_int_equal(f->toy.last_width, 8);
	assert_true(read_value(f, 0x28, 0, 8) == UINT64_C(0x1122334455667788));
	f->toy.result = -EIO;
	refuse(f, region_read(0, 0, 4), EIO);
}

static void
test_access_of_no_bytes(void **state)
{
	struct fixture *f = *state;
	struct peer_message reply = ask(f, region_read(0, 0, 0));
	assert_int_equal(reply.size, 32);
	assert_int_equal(f->toy.read_cnt, 0);
	peer_free(&reply);
}

/* Other widths than 1, 2, 4, 8 reach the model in naturally aligned pieces. */
static void
test_access_in_pieces(void **state)
{
	struct fixture *f = *state;
	uint8_t data[7] = {1, 2, 3, 4, 5, 6, 7};
	struct peer_message reply = ask(f, region_write(0x21, 0, 7, data)); /* 1 + 2 + 4 */
	peer_free(&reply);
	assert_int_equal(f->toy.write_cnt, 3);
	assert_memory_equal(f->toy.registers + 0x21, data, 7);
}

/*
 * Accesses by message to a mappable area go to its memory and not to the model ("must be supported even if
 * mappable").
 */
static void
test_access_of_mapped_area(void **state)
{
	struct fixture *f = *state;
	volatile uint32_t *doorbells = vfu_server_region_memory(f->server, 0, 0x1000, 0x3000);
	write_value(f, 0x1008, 0, 4, 17);
	assert_int_equal(doorbells[2], 17);
	doorbells[3] = 18;
	assert_int_equal(read_value(f, 0x100c, 0, 4), 18);
	assert_int_equal(f->toy.read_cnt + f->toy.write_cnt, 0);
}

/* Over the border: the first part is the model's, the second memory. */
static void
test_access_over_the_border(void **state)
{
	struct fixture *f = *state;
	f->toy.registers[0xfff] = 0xaa;
	*(volatile uint32_t *)vfu_server_region_memory(f->server, 0, 0x1000, 4) = 0xddccbb;
	assert_int_equal(read_value(f, 0xfff, 0, 4), 0xddccbbaa);
	assert_int_equal(f->toy.last_width, 1);
	assert_null(vfu_server_region_memory(f->server, 0, 0xfff, 4));
	assert_null(vfu_server_region_memory(f->server, 0, 0x3ffd, 4));
	assert_null(vfu_server_region_memory(f->server, 0, 0x1000, UINT64_MAX));
	assert_null(vfu_server_region_memory(f->server, 9, 0, 1));
}

static void
test_read_of_a_megabyte(void **state)
{
	struct fixture *f = *state;
	/* The socket holds less: the server goes on when there is room, and takes no further command before. */
	peer_send(f->sock, region_read(0, 4, 1048576), NULL, 0);
	peer_send(f->sock, peer_message(8, 13, 0), NULL, 0);
	run(f);
	assert_int_equal(f->toy.reset_cnt[VFU_RESET_CLIENT], 0);
	struct peer_message reply = {.bytes = malloc(PEER_BYTES_MAX)};
	while (reply.size < 32 + 1048576) {
		assert_true(peer_read(f->sock, &reply, 4096 - (reply.size == 0 ? 4096 - 32 : 0)));
		run(f);
	}
	assert_int_equal(get32(&reply, 4), 32 + 1048576);
	peer_free(&reply);
	assert_true(peer_receive(f->sock, &reply));
	assert_int_equal(get16(&reply, 0), 8);
	peer_free(&reply);
}

static struct peer_message
multi_write(uint64_t cnt, uint32_t real_cnt, uint32_t width)
{
	struct peer_message m = peer_message(6, 15, 0);
	put64(&m, cnt);
	for (uint32_t i = 0; i < real_cnt; i++) {
		put64(&m, 0x100 + 8 * i);
		put32(&m, 0);
		put32(&m, width);
		put64(&m, 0x40 + i);
	}
	return m;
}

static void
test_multi_write(void **state)
{
	struct fixture *f = *state;
	refuse(f, multi_write(2, 1, 4), EINVAL);
	refuse(f, multi_write(UINT64_MAX, 1, 4), EINVAL);
	refuse(f, multi_write(UINT64_C(0xaaaaaaaaaaaaaab), 1, 4), EINVAL); /* times 24 wraps */
	refuse(f, multi_write(1, 1, 9), EINVAL);
	assert_int_equal(f->toy.write_cnt, 0);
	struct peer_message reply = ask(f, multi_write(3, 3, 4));
	assert_int_equal(reply.size, 24);
	assert_int_equal(get64(&reply, 16), 3);
	assert_int_equal(f->toy.registers[0x110], 0x42);
	peer_free(&reply);
}

static void
test_multi_write_not_agreed(void **state)
{
	struct peer_message reply = ask(*state, version(0, 1, NULL));
	peer_free(&reply);
	refuse(*state, multi_write(1, 1, 4), ENOTSUP);
}

/*
 * PCI Local Bus 3.0, 6.1: vendor at 0, device at 2, command at 4, class at 9, capabilities at 0x34; BAR sizing,
 * 6.2.5.1.
 */
static void
test_config_space(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_value(f, 0, 7, 4), 0x00101b36);
	assert_int_equal(read_value(f, 8, 7, 4), 0x01080202);
	write_value(f, 0, 7, 4, 0); /* read-only */
	assert_int_equal(read_value(f, 0, 7, 2), 0x1b36);
	write_value(f, 4, 7, 2, 0xffff);
	assert_int_equal(read_value(f, 4, 7, 2), 0x0547);
	write_value(f, 0x10, 7, 4, 0xffffffff);
	write_value(f, 0x14, 7, 4, 0xffffffff);
	assert_int_equal(read_value(f, 0x10, 7, 4), 0xffffc004);
	assert_int_equal(read_value(f, 0x14, 7, 4), 0xffffffff);
	assert_int_equal(read_value(f, 6, 7, 2) & 0x10, 0x10);
	assert_int_equal(read_value(f, 0x34, 7, 1), 0x40);
	assert_int_equal(read_value(f, 0x40, 7, 4), 0x00030011); /* MSI-X, last capability, 4 vectors */
	assert_int_equal(read_value(f, 0x44, 7, 4), 0x800);
	assert_int_equal(read_value(f, 0x48, 7, 4), 0xc00);
	assert_int_equal(f->toy.config_cnt, 4);
	assert_int_equal(vfu_server_config(f->server)[0x10], 0x04);
	struct peer_message reply = ask(f, region_read(0, 7, 256));
	assert_int_equal(reply.size, 32 + 256);
	peer_free(&reply);
	refuse(f, region_read(255, 7, 2), EINVAL);
}

static void
test_config_description(void **state)
{
	struct vfu_config config;
	uint8_t body[200] = {0};
	vfu_config_type0(&config, 1, 2, 3, 4);
	assert_int_equal(vfu_config_msix(&config, 0, 0, 0, 0), -EINVAL);
	assert_int_equal(vfu_config_msix(&config, 1, 6, 0, 0), -EINVAL);
	assert_int_equal(vfu_config_msix(&config, 1, 0, 4, 0), -EINVAL);
	assert_int_equal(vfu_config_capability(&config, 1, body, NULL, 6), 0x40);
	assert_int_equal(vfu_config_capability(&config, 9, body, NULL, 200), -ENOSPC);
	assert_int_equal(vfu_config_capability(&config, 9, body, NULL, 3), 0x48);
	assert_int_equal(config.initial[0x41], 0x48);
	assert_int_equal(vfu_config_capability(&config, 9, body, NULL, 174), 0x50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_info_refuses),
	        TEST(test_info_argsz_grows),
	        TEST(test_info_sparse),
	        TEST(test_info_long_request),
	        TEST(test_info_two_areas),
	        TEST(test_info_mappable_as_a_whole),
	        TEST(test_info_others),
	        TEST_RAW(test_info_without_descriptors),
	        TEST(test_io_fds),
	        TEST(test_access_refused),
	        TEST(test_write_size_mismatch),
	        TEST(test_access_of_the_model),
	        TEST(test_access_of_no_bytes),
	        TEST(test_access_in_pieces),
	        TEST(test_access_of_mapped_area),
	        TEST(test_access_over_the_border),
	        TEST(test_read_of_a_megabyte),
	        TEST(test_multi_write),
	        TEST_RAW(test_multi_write_not_agreed),
	        TEST(test_config_space),
	        cmocka_unit_test(test_config_description),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
