/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile servers against the client: replies with changed bytes, wrong sizes, too many, cut streams, requests of
 * their own, descriptors of every kind. The client must neither crash, hang, nor keep a descriptor, whatever it
 * returns.
 *
 * test_vfio_user_client_fuzz [SEED [SESSIONS]]
 */
#include "vfio_user_fake.h"

#include <sys/eventfd.h>

#define SESSIONS   400u
#define TIMEOUT_NS UINT64_C(5000000)

static uint64_t first_seed = 1, session_cnt = SESSIONS;

static uint64_t
draw(uint64_t *rng, uint64_t below)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return (*rng * UINT64_C(2685821657736338717) >> 11) % below;
}

static void
change_bytes(uint64_t *rng, struct peer_message *m)
{
	for (uint64_t n = 1 + draw(rng, 3); n > 0; n--) {
		uint64_t at = draw(rng, m->size);
		if (at >= 4 && at < 8)
			continue; /* the size has its own turn */
		m->bytes[at] = draw(rng, 2) ? (uint8_t)draw(rng, 256) : draw(rng, 2) ? 0xff : 0;
	}
}

static void
send_dma_request(struct fake *f, uint64_t *rng)
{
	struct peer_message m = peer_message((uint32_t)draw(rng, 65536), (uint32_t)draw(rng, 20),
	                                     draw(rng, 8) ? 0 : (uint32_t)draw(rng, 64));
	put64(&m, 0x10000 + draw(rng, 0x1100));
	put64(&m, draw(rng, 8) ? draw(rng, 64) : UINT64_MAX - draw(rng, 4));
	for (uint64_t n = draw(rng, 64); n > 0; n--)
		put(&m, draw(rng, 256), 1);
	peer_send(f->sock, m, NULL, 0);
}

static void
send_with_descriptors(struct fake *f, uint64_t *rng, struct peer_message m, uint32_t cut)
{
	int fds[40];
	uint32_t cnt = (uint32_t)draw(rng, 40);
	for (uint32_t i = 0; i < cnt; i++)
		fds[i] = draw(rng, 2) ? dup(f->bar_fd) : eventfd(0, EFD_CLOEXEC);
	peer_send_raw(f->sock, m.bytes, cut, fds, cnt);
	for (uint32_t i = 0; i < cnt; i++)
		close(fds[i]);
}

/* One reply in four is not what it should be. */
static void
mangle(struct fake *f, struct peer_message m, const int *fds, uint32_t fd_cnt)
{
	uint64_t *rng = f->arg;
	uint32_t size = m.size, cut = m.size;
	switch (draw(rng, 32)) {
	case 0:
	case 1:
	case 2:
		change_bytes(rng, &m);
		break;
	case 3:
		cut = size = 16 + (uint32_t)draw(rng, m.size - 15);
		break;
	case 4:
		size = (uint32_t)draw(rng, UINT32_MAX);
		break;
	case 5:
		cut = 1 + (uint32_t)draw(rng, m.size);
		break;
	case 6:
		m.size += 100;
		size = cut = m.size;
		break;
	case 7:
	case 8:
		send_dma_request(f, rng);
		break;
	case 9:
		shutdown(f->sock, SHUT_RDWR);
		break;
	}
	memcpy(m.bytes + 4, &size, 4);
	if (draw(rng, 16))
		peer_send_raw(f->sock, m.bytes, cut, fds, fd_cnt);
	else
		send_with_descriptors(f, rng, m, cut);
	free(m.bytes);
}

/* What each call returns is the server's doing; that it returns is the point. */
static void
use(struct bh_backend *backend, uint64_t *rng)
{
	int fd = memory_file(0x1000), event = eventfd(0, EFD_CLOEXEC);
	struct bh_error error;
	uint64_t value;
	unsigned failed = 0;
	failed += backend->ops->dma_map(backend, 0x10000, 0x1000, fd, 0, &error) != 0;
	for (int i = 0; i < 20; i++) {
		failed += backend->ops->reg_read(backend, 0, 8 * draw(rng, 512), 4, &value, &error) != 0;
		failed += backend->ops->reg_write(backend, 0, 8 * draw(rng, 512), 8, value, &error) != 0;
		failed += bh_vfio_user_service(backend, &error) != 0;
	}
	failed += bh_vfio_user_set_irqs(backend, 2, 4 | 32, 0, 1, &event, NULL, &error) != 0;
	failed += backend->ops->reset(backend, &error) != 0;
	failed += backend->ops->dma_unmap(backend, 0x10000, 0x1000, &error) != 0;
	assert_true(failed <= 64);
	close(fd);
	close(event);
}

static bool
run_session(uint64_t seed)
{
	struct fake fake;
	struct bh_backend *backend;
	struct bh_error error = {0};
	uint64_t server_rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, client_rng = server_rng ^ 0x5555;
	fake_start(&fake, NULL);
	fake.mangle = mangle;
	fake.arg = &server_rng;
	int err = fake_open(&fake, TIMEOUT_NS, &backend, &error);
	if (err == 0) {
		use(backend, &client_rng);
		backend->ops->close(backend);
	} else {
		assert_true(err < 0);
		assert_string_not_equal(error.id, "");
		assert_string_not_equal(error.text, "");
	}
	fake_stop(&fake);
	return err == 0;
}

static void
test_hostile_servers(void **state)
{
	for (uint64_t seed = first_seed; seed < first_seed + session_cnt; seed++)
		(void)run_session(seed);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		session_cnt = strtoull(argv[2], NULL, 0);
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_servers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
