/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each mistake that a configuration can hold, with the line that it is on and what was meant; then what is right.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/errors/errors.h"
#include "host/run/config.h"

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct bh_config_key app_keys[] = {
        {"paint", "colour", BH_VALUE_ENUM, "red", .words = colours},
        {"paint", "coats", BH_VALUE_UINT, NULL, .min = 1, .max = 9, .help = "a number of coats from 1 to 9"},
        {"paint", "drying", BH_VALUE_DURATION, "10s", .max = 0},
        {"paint", "cover", BH_VALUE_PERCENT, "100", .max = 0},
        {"paint", "bucket", BH_VALUE_SIZE, "", .max = 0},
        {"paint", "note", BH_VALUE_STRING, "", .max = 0},
};

static const struct bh_app app = {.name = "paint", .key = app_keys, .key_cnt = BH_ARRAY_CNT(app_keys)};

#define GOOD "[cell]\napp = paint\n[paint]\ncoats = 2\n"

/* The text as a file; its name stands for %s in expected messages. */
static int
load(const char *text, const char *const *set, size_t set_cnt, struct bh_run_config **out, struct bh_error *error)
{
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = bh_config_load(path, set, set_cnt, &app, 1, out, error);
	close(fd);
	return err;
}

struct bad {
	const char *text;
	int line; /* 0: the message has none */
	const char *id;
	const char *part[2]; /* of the message */
};

static const struct bad bads[] = {
        /* Not such a file. */
        {"[cell]\napp = paint\nnonsense\n[paint]\ncoats = 2\n", 3, "E011", {"key = value", "nonsense"}},
        {"[cell\napp = paint\n", 1, "E011", {"[name]", NULL}},
        {"[cell] app = paint\n", 1, "E011", {"[name]", NULL}},
        {"[]\napp = paint\n", 1, "E011", {"[name]", NULL}},
        {"app = paint\n", 1, "E011", {"before the first [section]", "app"}},
        {"", 0, "E015", {"no section [cell]", "app"}},
        /* Sections. */
        {GOOD "[cel]\nname = x\n", 5, "E012", {"[cel]", "did you mean 'cell'?"}},
        {GOOD "[nvme-bench]\nqueue_depth = 1\n",
         5,
         "E012",
         {"[nvme-bench]", "cell, device NAME, port NAME, partition, paint"}},
        {GOOD "[device]\nbackend = softdev\n", 5, "E012", {"[device]", "device NAME"}},
        {GOOD "[empty]\n", 5, "E012", {"[empty]", NULL}},
        {GOOD "[paint]\ncoats = 3\n", 5, "E014", {"twice", "paint"}},
        {"[cell]\napp = paint\n", 0, "E015", {"no section [paint]", "coats"}},
        {"[paint]\ncoats = 2\n", 0, "E015", {"no section [cell]", NULL}},
        {"[cell]\nname = x\n[paint]\ncoats = 2\n", 1, "E015", {"needs a key 'app'", NULL}},
        {"[cell]\napp = pant\n[paint]\ncoats = 2\n", 3, "E012", {"[paint]", "application 'pant'"}},
        {"[cell]\nname = x\n", 1, "E015", {"[cell] needs a key 'app'", NULL}},
        /* Keys. */
        {"[cell]\napp = paint\ncpu = 1\n[paint]\ncoats = 2\n", 3, "E013", {"'cpu'", "did you mean 'cpus'?"}},
        {"[cell]\napp = paint\n[paint]\ncoats = 2\nqueue_depth = 1\n",
         5,
         "E013",
         {"its keys are: colour, coats", NULL}},
        {"[cell]\napp = paint\nARENA = 1G\n[paint]\ncoats = 2\n", 3, "E013", {"'ARENA'", NULL}},
        {"[cell]\napp = paint\n[paint]\ncoats = 2\n\n# again\ncoats = 3\n", 7, "E014", {"coats", "line 4"}},
        {"[cell]\napp = paint\n[paint]\ncolour = red\n", 3, "E015", {"[paint] needs a key 'coats'", "from 1 to 9"}},
        {GOOD "[device nvme0]\nsize = 1G\n", 5, "E015", {"[device nvme0] needs a key 'backend'", "softdev"}},
        /* Values. */
        {"[cell]\napp = paint\narena = 64Q\n[paint]\ncoats = 2\n", 3, "E016", {"64Q", "64M or 1G"}},
        {"[cell]\napp = paint\narena = 1M\n[paint]\ncoats = 2\n", 3, "E016", {"out of range", "from 2M"}},
        {"[cell]\napp = paint\narena = -1\n[paint]\ncoats = 2\n", 3, "E016", {"not valid", NULL}},
        {"[cell]\napp = paint\narena =\n[paint]\ncoats = 2\n", 3, "E016", {"empty", NULL}},
        {"[cell]\napp = paint\narena = 99999999999999999999G\n[paint]\ncoats = 2\n", 3, "E016", {"out of range", NULL}},
        {"[cell]\napp = paint\ncpus = 3-1\n[paint]\ncoats = 2\n", 3, "E016", {"2-5", NULL}},
        {"[cell]\napp = paint\ncpus = 1,1\n[paint]\ncoats = 2\n", 3, "E016", {"a CPU twice", NULL}},
        {"[cell]\napp = paint\ncpus = 1,\n[paint]\ncoats = 2\n", 3, "E016", {"not valid", NULL}},
        {"[cell]\napp = paint\ncpus = automatic\n[paint]\ncoats = 2\n", 3, "E016", {"auto", NULL}},
        {"[cell]\napp = paint\npages = hugh\n[paint]\ncoats = 2\n", 3, "E016", {"did you mean 'huge'?", NULL}},
        {"[cell]\napp = paint\nname = a-name-that-is-longer-than-31-bytes\n[paint]\ncoats = 2\n",
         3,
         "E016",
         {"at most 31", NULL}},
        {"[cell]\napp = paint\n[paint]\ncoats = 10\n", 4, "E016", {"out of range", "from 1 to 9"}},
        {"[cell]\napp = paint\n[paint]\ncoats = 0\n", 4, "E016", {"out of range", NULL}},
        {"[cell]\napp = paint\n[paint]\ncoats = two\n", 4, "E016", {"not valid", NULL}},
        {GOOD "drying = 10\n", 5, "E016", {"ns, us, ms or s", NULL}},
        {GOOD "drying = 10 sec\n", 5, "E016", {"ns, us, ms or s", NULL}},
        {GOOD "cover = 101%\n", 5, "E016", {"out of range", "0 to 100"}},
        {GOOD "colour = purple\n", 5, "E016", {"one of: red, green, blue", NULL}},
        {GOOD "[device nvme0]\nbackend = softdev\nblock_size = 520\n", 7, "E016", {"512, 4096", NULL}},
        {GOOD "[device nvme0]\nbackend = softdev\nsize = 0\n", 7, "E016", {"size zero", NULL}},
        {GOOD "[device nvme0]\nbackend = softdev\nmodel = floppy\n", 7, "E016", {"nvme", NULL}},
        {GOOD "[device nvme0]\nbackend = softdev\nfault = /nowhere/x\n", 7, "E016", {"No such file", NULL}},
        {GOOD "[device nvme0]\nbackend = vfio-user\n", 6, "E015", {"socket", NULL}},
        {GOOD "[device nvme0]\nbackend = vfio\n", 6, "E015", {"address", NULL}},
        {GOOD "[device nvme0]\nbackend = vfio\naddress = 1:0\n", 7, "E016", {"0000:01:00.0", NULL}},
        {GOOD "[port p0]\nqueues = 1\n", 5, "E015", {"[port p0] needs a key 'backend'", "null"}},
        {GOOD "[port p0]\nbackend = nul\n", 6, "E016", {"did you mean 'null'?", NULL}},
        {GOOD "[port p0]\nbackend = null\nqueues = 17\n", 7, "E016", {"1 to 16", NULL}},
        {GOOD "[port p0]\nbackend = null\nmtu = 67\n", 7, "E016", {"68 to 9216", NULL}},
        {GOOD "[port p0]\nbackend = vfio\n", 6, "E015", {"address", NULL}},
        {GOOD "[port p0]\nbackend = vfio\naddress = 1:0\n", 7, "E016", {"0000:01:00.0", NULL}},
        {GOOD "[port p0]\nbackend = vfio-user\n", 6, "E015", {"socket", NULL}},
        {GOOD "[port d]\nbackend = null\n[device d]\nbackend = softdev\n", 8, "E016", {"of that name", NULL}},
        {GOOD "[device a-name-that-is-longer-than-31-bytes]\nbackend = softdev\n", 6, "E016", {"at most 31", NULL}},
};

static void
test_each_mistake(void **state)
{
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bads); i++) {
		struct bh_run_config *config = NULL;
		struct bh_error error = {0};
		char line[16];
		int err = load(bads[i].text, NULL, 0, &config, &error);
		print_message("%s\n", error.text);
		assert_int_equal(err, -EINVAL);
		assert_null(config);
		assert_string_equal(error.id, bads[i].id);
		assert_int_equal(bh_error_exit_code(&error), 2);
		snprintf(line, sizeof(line), ":%d: ", bads[i].line);
		if (bads[i].line != 0)
			assert_non_null(strstr(error.text, line));
		for (size_t j = 0; j < 2 && bads[i].part[j] != NULL; j++)
			assert_non_null(strstr(error.text, bads[i].part[j]));
	}
}

static void
test_bad_files(void **state)
{
	struct bh_run_config *config;
	struct bh_error error = {0};
	char text[1024] = "[cell]\napp = paint\nname = ";
	(void)state;
	assert_int_equal(bh_config_load("/nowhere/x.conf", NULL, 0, &app, 1, &config, &error), -ENOENT);
	assert_string_equal(error.id, "E010");
	assert_int_equal(bh_config_load("/", NULL, 0, &app, 1, &config, &error), -EISDIR);
	assert_string_equal(error.id, "E010");
	/* What could block: it says so at once. */
	assert_int_equal(bh_config_load("/dev/zero", NULL, 0, &app, 1, &config, &error), -ENOTSUP);
	assert_non_null(strstr(error.text, "not a regular file"));
	memset(text + strlen(text), 'x', 500);
	assert_int_equal(load(text, NULL, 0, &config, &error), -EINVAL);
	assert_non_null(strstr(error.text, ":3: the line is too long"));
}

static void
test_bad_overrides(void **state)
{
	static const struct {
		const char *set, *id, *part;
	} bad[] = {
	        {"cell.arena", "E017", "section.key=value"},
	        {"arena=1M", "E017", "section.key=value"},
	        {"=1", "E017", "section.key=value"},
	        {".x=1", "E017", "section.key=value"},
	        {"cell.=1", "E017", "section.key=value"},
	        {"cell.arenas=1M", "E013", "--set: unknown key 'arenas'"},
	        {"sell.arena=1M", "E012", "did you mean"},
	        {"cell.arena=lots", "E016", "--set: [cell] arena = lots"},
	        {"device.nvme0.size=1G", "E017", "no section [device nvme0]"},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(bad); i++) {
		struct bh_run_config *config;
		struct bh_error error = {0};
		assert_int_equal(load(GOOD, &bad[i].set, 1, &config, &error), -EINVAL);
		print_message("%s\n", error.text);
		assert_string_equal(error.id, bad[i].id);
		assert_non_null(strstr(error.text, bad[i].part));
	}
}

static void
test_presets(void **state)
{
	struct bh_run_config *config;
	struct bh_error error;
	(void)state;
	assert_int_equal(load(GOOD, NULL, 0, &config, &error), 0);
	assert_string_equal(config->name, "paint");
	assert_ptr_equal(config->app, &app);
	assert_true(config->cpus_auto);
	assert_int_equal(config->cpu_cnt, 1);
	assert_int_equal(config->arena_bytes, 64 << 20);
	assert_int_equal(config->pages, BH_PAGES_AUTO);
	assert_int_equal(config->device_cnt, 0);
	assert_int_equal(bh_config_enum(config, "paint", "colour"), 0);
	assert_int_equal(bh_config_uint(config, "paint", "coats"), 2);
	assert_int_equal(bh_config_uint(config, "paint", "drying"), 10000000000);
	assert_int_equal(bh_config_uint(config, "paint", "cover"), 100);
	assert_int_equal(bh_config_uint(config, "paint", "bucket"), 0);
	assert_string_equal(bh_config_string(config, "paint", "note"), "");
	assert_false(bh_config_is_set(config, "paint", "note"));
	assert_true(bh_config_is_set(config, "paint", "coats"));
	bh_config_free(config);
}

static void
test_everything_set(void **state)
{
	static const char text[] = "; a comment\n"
	                           "[cell]   # another\n"
	                           "  name = kitchen\n"
	                           "app=paint\n"
	                           "cpus = 2-3, 5 # not 4\n"
	                           "arena = 1G\n"
	                           "pages = normal\n"
	                           "\n"
	                           "[paint]\n"
	                           "colour = blue\n"
	                           "coats = 0x3\n"
	                           "drying = 250ms\n"
	                           "cover = 70%\n"
	                           "bucket = 10K\n"
	                           "note = a #1 note = good\n"
	                           "[device nvme0]\n"
	                           "backend = softdev\n"
	                           "size = 2G\n"
	                           "backing = null\n"
	                           "block_size = 512\n"
	                           "service_ns = exp:80000\n"
	                           "seed = 7\n"
	                           "[device other]\n"
	                           "backend = vfio-user\n"
	                           "socket = /run/s\n";
	struct bh_run_config *config;
	struct bh_error error = {0};
	(void)state;
	assert_int_equal(load(text, NULL, 0, &config, &error), 0);
	assert_string_equal(config->name, "kitchen");
	assert_false(config->cpus_auto);
	assert_int_equal(config->cpu_cnt, 3);
	assert_int_equal(config->cpu[0], 2);
	assert_int_equal(config->cpu[1], 3);
	assert_int_equal(config->cpu[2], 5);
	assert_int_equal(config->arena_bytes, 1 << 30);
	assert_int_equal(config->pages, BH_PAGES_NORMAL);
	assert_int_equal(bh_config_enum(config, "paint", "colour"), 2);
	assert_int_equal(bh_config_uint(config, "paint", "coats"), 3);
	assert_int_equal(bh_config_uint(config, "paint", "drying"), 250000000);
	assert_int_equal(bh_config_uint(config, "paint", "cover"), 70);
	assert_int_equal(bh_config_uint(config, "paint", "bucket"), 10240);
	assert_string_equal(bh_config_string(config, "paint", "note"), "a");
	assert_int_equal(config->device_cnt, 2);
	const struct bh_device_config *device = bh_config_device(config, "nvme0");
	assert_int_equal(device->backend, BH_BACKEND_SOFTDEV);
	assert_int_equal(device->size_bytes, UINT64_C(2) << 30);
	assert_string_equal(device->backing, "null");
	assert_int_equal(device->block_size_bytes, 512);
	assert_string_equal(device->service_ns, "exp:80000");
	assert_int_equal(device->seed, 7);
	assert_string_equal(bh_config_device(config, "other")->socket, "/run/s");
	assert_null(bh_config_device(config, "nvme1"));
	bh_config_free(config);
}

static void
test_overrides(void **state)
{
	static const char *const set[] = {"cell.arena=8M",
	                                  "paint.coats=5",
	                                  "paint.colour=green",
	                                  "device.nvme0.backing=null",
	                                  "device.nvme0.backend=vfio-user",
	                                  "device.nvme0.socket=/run/s=1",
	                                  "cell.name=a.b"};
	struct bh_run_config *config;
	struct bh_error error = {0};
	(void)state;
	assert_int_equal(
	        load(GOOD "[device nvme0]\nbackend = softdev\nsize = 1G\n", set, BH_ARRAY_CNT(set), &config, &error),
	        0);
	assert_int_equal(config->arena_bytes, 8 << 20);
	assert_int_equal(bh_config_uint(config, "paint", "coats"), 5);
	assert_int_equal(bh_config_enum(config, "paint", "colour"), 1);
	assert_int_equal(config->device[0].backend, BH_BACKEND_VFIO_USER);
	assert_string_equal(config->device[0].socket, "/run/s=1");
	assert_string_equal(config->name, "a.b");
	/* An application's own complaint names the place. */
	assert_int_equal(bh_config_error(config, "paint", "coats", &error, "too many for %s", "tin"), -EINVAL);
	assert_string_equal(error.text, "--set: [paint] coats = 5: too many for tin");
	assert_string_equal(error.id, "E018");
	bh_config_free(config);
}

static bool
drying_may(const char *section, const char *key)
{
	return strcmp(section, "paint") == 0 && strcmp(key, "drying") == 0;
}

static void
test_changes(void **state)
{
	static const struct {
		const char *old, *fresh, *changed; /* "": nothing */
	} cases[] = {
	        {GOOD, GOOD, ""},
	        {GOOD, "[cell]\napp = paint\n[paint]\ncoats = 3\n", "[paint] coats"},
	        {GOOD, GOOD "note = dry\n", "[paint] note"},
	        {GOOD "note = dry\n", GOOD, "[paint] note"},
	        {GOOD, GOOD "bucket = 1M\n", "[paint] bucket"},
	        {GOOD, "[cell]\napp = paint\ncpus = auto:2\n[paint]\ncoats = 2\n", "[cell] cpus"},
	        {GOOD, GOOD "[device n]\nbackend = softdev\n", "[device n] backend"},
	        {GOOD "[device n]\nbackend = softdev\n", GOOD, "[device n] backend"},
	        {"[cell]\napp = paint\n[paint]\ncoats = 2\n", "[cell]\napp = other\n", "[cell] app"},
	        /* Presets, and other ways to say the same. */
	        {GOOD, GOOD "colour = red\ncover = 100%\n", ""},
	        {GOOD "bucket = 1M\n", GOOD "bucket = 1024K\n", ""},
	        {GOOD, "# other\n[paint]\ncoats = 0x2\n[cell]\napp = paint\n", ""},
	        /* What may. */
	        {GOOD, GOOD "drying = 1s\n", ""},
	        {GOOD, GOOD "drying = 1s\ncolour = blue\n", "[paint] colour"},
	};
	(void)state;
	for (size_t i = 0; i < BH_ARRAY_CNT(cases); i++) {
		struct bh_run_config *old, *fresh;
		struct bh_error error = {0};
		char what[128] = "";
		assert_int_equal(load(cases[i].old, NULL, 0, &old, &error), 0);
		assert_int_equal(load(cases[i].fresh, NULL, 0, &fresh, &error), 0);
		bool changed = bh_config_changed(old, fresh, drying_may, what, sizeof(what));
		assert_string_equal(what, cases[i].changed);
		assert_int_equal(changed, cases[i].changed[0] != '\0');
		bh_config_free(old);
		bh_config_free(fresh);
	}
}

static void
test_catalogue(void **state)
{
	(void)state;
	assert_null(bh_error_find("E000"));
	assert_ptr_equal(bh_error_find("BH-E001"), bh_error_find("E001"));
	assert_int_equal(bh_error_find("E001")->exit_code, 6);
	assert_int_equal(bh_error_exit_code(&(struct bh_error){.id = "E999"}), 1);
	size_t cnt = 0;
	for (; bh_error_at(cnt) != NULL; cnt++) {
		const struct bh_error_entry *entry = bh_error_at(cnt);
		assert_ptr_equal(bh_error_find(entry->id), entry); /* no id twice */
		assert_true(strlen(entry->title) > 0 && strlen(entry->explanation) > 0);
	}
	assert_true(cnt > 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_each_mistake),   cmocka_unit_test(test_bad_files),
	        cmocka_unit_test(test_bad_overrides),  cmocka_unit_test(test_presets),
	        cmocka_unit_test(test_everything_set), cmocka_unit_test(test_overrides),
	        cmocka_unit_test(test_changes),        cmocka_unit_test(test_catalogue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
