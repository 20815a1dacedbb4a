/* SPDX-License-Identifier: Apache-2.0 */
/* What runs beside the cell: tables, channel, TAPs and their thread, the mirror of Linux's routes, settings. */
#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apps/fwd/host/app.h"
#include "host/device/null_device.h"
#include "host/errors/errors.h"

#define SYNC_MS 60000u

struct memory {
	int fd; /* -1: none */
	void *addr;
	uint64_t bytes;
};

struct fwd_app {
	const struct bh_run_config *config;
	bool is_router;
	struct memory channel, settings;
	struct fwd_fib *fib;
	struct fwd_pump *pump;
	struct fwd_mirror *mirror;
	uint64_t reload_cnt;
};

/* One forwarder in a process; its report asks for what happened beside the cell. */
static struct fwd_app *running;
static struct fwd_host_stats last;

static void
memory_free(struct memory *memory)
{
	if (memory->addr != NULL)
		munmap(memory->addr, memory->bytes);
	if (memory->fd >= 0)
		close(memory->fd);
	*memory = (struct memory){.fd = -1};
}

static int
memory_make(struct memory *out, const char *name, uint64_t bytes, struct bh_error *error)
{
	*out = (struct memory){.fd = memfd_create(name, MFD_CLOEXEC)};
	out->bytes = BH_ALIGN_UP(bytes, (uint64_t)BH_PAGE_BYTES);
	void *addr = MAP_FAILED;
	if (out->fd >= 0 && ftruncate(out->fd, (off_t)out->bytes) == 0)
		addr = mmap(NULL, out->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, out->fd, 0);
	if (addr != MAP_FAILED) {
		out->addr = addr;
		(void)mlock(addr, out->bytes);
		return 0;
	}
	int err = -errno;
	memory_free(out);
	return bh_error_set(error, "E343", err, "the forwarder's memory %s (%lu bytes): %s", name, bytes,
	                    strerror(-err));
}

static void
stats_now(struct fwd_app *app)
{
	last = (struct fwd_host_stats){.is_router = app->is_router, .reload_cnt = app->reload_cnt};
	if (app->mirror != NULL)
		fwd_mirror_stats(app->mirror, &last.mirror);
	if (app->pump != NULL)
		fwd_pump_stats(app->pump, &last.pump);
	if (app->fib != NULL)
		fwd_fib_stats(app->fib, &last.fib);
}

void
fwd_host_stats(struct fwd_host_stats *out)
{
	if (running != NULL)
		stats_now(running);
	*out = last;
}

static void
app_close(void *state)
{
	struct fwd_app *app = state;
	stats_now(app);
	running = NULL;
	if (app->mirror != NULL)
		fwd_mirror_close(app->mirror);
	if (app->pump != NULL)
		fwd_pump_close(app->pump);
	if (app->fib != NULL)
		fwd_fib_free(app->fib);
	memory_free(&app->channel);
	memory_free(&app->settings);
	free(app);
}

/* Slots that hold the longest frame of any port, tagged. */
static uint32_t
slot_bytes(const struct bh_run_config *config)
{
	uint32_t bytes = FWD_SLOT_BYTES, mtu_bytes = 1500;
	for (uint32_t i = 0; i < config->device_cnt; i++)
		mtu_bytes = BH_MAX(mtu_bytes, config->device[i].mtu_bytes);
	while (bytes < mtu_bytes + 64 && bytes < FWD_SLOT_BYTES_MAX)
		bytes *= 2;
	return bytes;
}

static int
open_tables(struct fwd_app *app, uint32_t core_cnt, uint32_t port_cnt, struct bh_error *error)
{
	uint32_t slot = slot_bytes(app->config);
	int err = memory_make(&app->channel, "bulkhead-fwd-channel",
	                      fwd_channel_bytes(core_cnt, FWD_RING_SLOT_CNT, slot), error);
	if (err != 0)
		return err;
	struct fwd_channel *channel = app->channel.addr;
	fwd_channel_init(channel, core_cnt, port_cnt, FWD_RING_SLOT_CNT, slot);
	const struct fwd_fib_options options = {
	        .size_bytes = bh_config_uint(app->config, FWD_SECTION, "tables"),
	        .core = channel->core,
	        .core_cnt = core_cnt,
	};
	return fwd_fib_create(&options, &app->fib, error);
}

/* The TAPs, then Linux's tables as they are now: the cell starts with all routes. */
static int
open_router(struct fwd_app *app, uint32_t core_cnt, uint32_t port_cnt, struct bh_error *error)
{
	char tap[FWD_PORTS_MAX][IF_NAMESIZE] = {0};
	uint64_t resync_ms = bh_config_uint(app->config, FWD_SECTION, "resync") / 1000000;
	int err = fwd_tap_names(app->config, tap, error);
	if (err == 0)
		err = open_tables(app, core_cnt, port_cnt, error);
	if (err != 0)
		return err;
	const struct fwd_pump_options pump = {
	        .channel = app->channel.addr, .port = tap, .port_cnt = port_cnt, .mtu_bytes = 1500};
	const struct fwd_mirror_options mirror = {
	        .fib = app->fib,
	        .port = tap,
	        .port_cnt = port_cnt,
	        .resync_ms = resync_ms == 0 ? UINT32_MAX : (uint32_t)resync_ms,
	};
	err = fwd_pump_open(&pump, &app->pump, error);
	if (err == 0)
		err = fwd_mirror_open(&mirror, &app->mirror, error);
	return err == 0 ? fwd_mirror_sync(app->mirror, SYNC_MS, error) : err;
}

static void
add_bar(struct bh_backend *backend, uint32_t bar, int fd, uint64_t bytes, bool read_only)
{
	backend->bar[bar] = (struct bh_backend_bar){.size_bytes = bytes, .window_cnt = 1};
	backend->bar[bar].window[0] = (struct bh_backend_window){.size_bytes = bytes, .fd = fd, .read_only = read_only};
}

static int
open_channel(struct fwd_app *app, struct bh_backend **out, struct bh_error *error)
{
	int err = bh_null_device_open(FWD_DEVICE_NAME, out, error);
	if (err != 0)
		return err;
	add_bar(*out, FWD_BAR_SETTINGS, app->settings.fd, app->settings.bytes, true);
	if (!app->is_router)
		return 0;
	add_bar(*out, FWD_BAR_TABLES, fwd_fib_fd(app->fib), fwd_fib_bytes(app->fib), true);
	add_bar(*out, FWD_BAR_CHANNEL, app->channel.fd, app->channel.bytes, false);
	return 0;
}

static void
publish(struct fwd_settings *block, const struct fwd_settings *wanted)
{
	__atomic_store_n(&block->punt_rate, wanted->punt_rate, __ATOMIC_RELAXED);
	__atomic_store_n(&block->error_rate, wanted->error_rate, __ATOMIC_RELAXED);
	fwd_switch_settings_publish(&block->switching, &wanted->switching);
}

static int
app_open(const struct bh_run_config *config, uint32_t core_cnt, void **out_state, struct bh_backend **out_channel,
         struct bh_error *error)
{
	struct fwd_config compiled = {0};
	struct fwd_settings wanted;
	uint32_t bytes;
	int err = fwd_compile(config, &compiled, &bytes, error);
	if (err == 0)
		err = fwd_settings_of(config, &wanted, error);
	struct fwd_app *app = err == 0 ? calloc(1, sizeof(*app)) : NULL;
	if (err == 0 && app == NULL)
		err = bh_error_set(error, "E343", -ENOMEM, "out of memory");
	if (err != 0)
		return err;
	*app = (struct fwd_app){.config = config, .channel.fd = -1, .settings.fd = -1};
	app->is_router = compiled.mode == FWD_MODE_ROUTER;
	err = memory_make(&app->settings, "bulkhead-fwd-settings", sizeof(struct fwd_settings), error);
	if (err == 0) {
		publish(app->settings.addr, &wanted);
		if (app->is_router)
			err = open_router(app, core_cnt, compiled.port_cnt, error);
	}
	if (err == 0)
		err = open_channel(app, out_channel, error);
	if (err != 0) {
		app_close(app);
		return err;
	}
	*out_state = running = app;
	return 0;
}

static int
app_start(void *state, struct bh_error *error)
{
	struct fwd_app *app = state;
	int err = app->is_router ? fwd_pump_start(app->pump, error) : 0;
	return err == 0 && app->is_router ? fwd_mirror_start(app->mirror, error) : err;
}

static int
app_reload(void *state, const struct bh_run_config *fresh, struct bh_error *error)
{
	struct fwd_app *app = state;
	struct fwd_settings wanted;
	char fixed[128];
	if (fwd_fixed_change(app->config, fresh, fixed, sizeof(fixed)))
		return bh_error_set(error, "E346", -EINVAL, "%s cannot change while the forwarder runs", fixed);
	int err = fwd_settings_of(fresh, &wanted, error);
	if (err != 0)
		return err;
	publish(app->settings.addr, &wanted);
	app->reload_cnt++;
	return 0;
}

const struct bh_app_host fwd_app_host = {
        .open = app_open,
        .start = app_start,
        .reload = app_reload,
        .close = app_close,
};
