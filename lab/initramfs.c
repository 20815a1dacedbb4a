/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside: busybox, init, the modules that the machine can need, this build, fio if the host has it, and what --copy
 * names. The archive is not compressed: unpacking is then copying, and boots sooner.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/init/protocol.h"
#include "lab/internal.h"

#define BUILD_INSIDE "lab"

static const char *const modules[] = {"virtio_pci",
                                      "virtio_console",
                                      "virtio_net",
                                      "virtio_blk",
                                      "nvme",
                                      "vfio",
                                      "vfio-pci",
                                      "vfio_iommu_type1",
                                      "e1000e",
                                      "igb",
                                      "loop",
                                      "dm-mod",
                                      "raid1",
                                      "md-mod",
                                      "bonding",
                                      "8021q",
                                      "bridge",
                                      "veth",
                                      "macvlan",
                                      "team",
                                      "ext4",
                                      "vfat",
                                      "nls_ascii",
                                      "nls_cp437",
                                      "nls_iso8859-1",
                                      "nls_utf8",
                                      "btrfs",
                                      "crc32c_generic",
                                      "crc32c_intel",
                                      "null_blk",
                                      "af_packet",
                                      "msr",
                                      "tun",
                                      "sch_ingress",
                                      "cls_matchall",
                                      "act_mirred",
                                      NULL};

struct packing {
	const char *program; /* the running one */
	struct bh_lab_cpio cpio;
	const struct bh_lab_kernel *kernel;
	const char *build; /* folder of the running program */
	struct bh_lab_signals *signals;
	const char **program_list; /* dynamic ones that are in */
	size_t program_cnt;
};

static int
fail(int err, const char *path, struct bh_error *error)
{
	return bh_error_set(error, "E207", err, "cannot put %.300s into the machine: %s", path, strerror(-err));
}

/*
 * Programs wait here for one ldd over all of them: a process each would take longer than all the rest.
 */
static int
remember_program(struct packing *packing, const char *path)
{
	const char **more = realloc(packing->program_list, (packing->program_cnt + 4) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	packing->program_list = more;
	more[packing->program_cnt] = strdup(path);
	return more[packing->program_cnt++] != NULL ? 0 : -ENOMEM;
}

static int
emit_library(void *context, const char *path)
{
	struct packing *packing = context;
	return bh_lab_cpio_file(&packing->cpio, path + 1, path);
}

static int
pack_libraries(struct packing *packing, struct bh_error *error)
{
	const char *missing = NULL;
	char *text = NULL;
	if (packing->program_cnt == 0)
		return 0;
	memmove(packing->program_list + 1, packing->program_list,
	        packing->program_cnt * sizeof(*packing->program_list));
	packing->program_list[0] = "ldd";
	packing->program_list[packing->program_cnt + 1] = NULL;
	int err = bh_lab_tool(packing->signals, packing->program_list, NULL, "libc-bin", &text, error);
	memmove(packing->program_list, packing->program_list + 1,
	        packing->program_cnt * sizeof(*packing->program_list));
	if (err < 0)
		return err;
	err = text != NULL ? bh_lab_libraries(text, emit_library, packing, &missing) : -EIO;
	if (missing != NULL)
		err = bh_error_set(error, "E207", err,
		                   "a program that goes into the machine needs a library that is "
		                   "not there:%.200s",
		                   missing);
	else if (err != 0)
		err = fail(err, "shared libraries", error);
	free(text);
	return err;
}

static int
pack_program(struct packing *packing, const char *path, const char *name, struct bh_error *error)
{
	int err = bh_lab_cpio_file(&packing->cpio, name, path);
	if (err != 0)
		return fail(err, path, error);
	if (bh_lab_is_dynamic(path) && remember_program(packing, path) != 0)
		return fail(-ENOMEM, path, error);
	return 0;
}

static int
pack_folder(struct packing *packing, const char *path, const char *name, bool (*wanted)(const char *name),
            struct bh_error *error)
{
	char from[PATH_MAX], inside[PATH_MAX];
	struct stat facts;
	DIR *dir = opendir(path);
	int err = dir != NULL ? bh_lab_cpio_dir(&packing->cpio, name) : -errno;
	if (err != 0)
		err = fail(err, path, error);
	for (struct dirent *entry; err == 0 && (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if ((size_t)snprintf(from, sizeof(from), "%s/%s", path, entry->d_name) >= sizeof(from) ||
		    (size_t)snprintf(inside, sizeof(inside), "%s/%s", name, entry->d_name) >= sizeof(inside) ||
		    stat(from, &facts) != 0)
			continue; /* a dangling link */
		if (S_ISDIR(facts.st_mode) && wanted == NULL)
			err = pack_folder(packing, from, inside, NULL, error);
		else if (S_ISREG(facts.st_mode) && (wanted == NULL || wanted(entry->d_name)))
			err = pack_program(packing, from, inside, error);
	}
	if (dir != NULL)
		closedir(dir);
	return err;
}

static int
emit_module(void *context, const char *file)
{
	struct packing *packing = context;
	char from[PATH_MAX], inside[PATH_MAX];
	if ((size_t)snprintf(from, sizeof(from), "%s/%s", packing->kernel->modules, file) >= sizeof(from) ||
	    (size_t)snprintf(inside, sizeof(inside), "lib/modules/%s/%s", packing->kernel->version, file) >=
	            sizeof(inside))
		return -ENAMETOOLONG;
	return bh_lab_cpio_file(&packing->cpio, inside, from);
}

static int
read_text(const char *path, char **out)
{
	const size_t room = 8u << 20;
	char *text = malloc(room);
	FILE *file = text != NULL ? fopen(path, "re") : NULL;
	if (file == NULL) {
		free(text);
		return -errno;
	}
	size_t used = fread(text, 1, room - 1, file);
	bool cut = !feof(file);
	fclose(file);
	text[used] = '\0';
	*out = text;
	return cut ? -EFBIG : 0;
}

static int
pack_modules(struct packing *packing, struct bh_error *error)
{
	static const char *const lists[] = {"modules.dep", "modules.alias", "modules.symbols", "modules.builtin"};
	char path[PATH_MAX], *text = NULL;
	snprintf(path, sizeof(path), "%.*s/modules.dep", (int)sizeof(path) - 16, packing->kernel->modules);
	int err = read_text(path, &text);
	if (err == 0)
		err = bh_lab_modules(text, modules, emit_module, packing);
	free(text);
	for (size_t i = 0; i < BH_ARRAY_CNT(lists) && err == 0; i++)
		err = emit_module(packing, lists[i]);
	return err == 0 ? 0 : fail(err, packing->kernel->modules, error);
}

static bool
is_cell(const char *name)
{
	size_t len = strlen(name);
	return len > 5 && strcmp(name + len - 5, ".cell") == 0;
}

static bool
is_config(const char *name)
{
	size_t len = strlen(name);
	return len > 5 && strcmp(name + len - 5, ".conf") == 0;
}

static bool
is_test(const char *name)
{
	return strchr(name, '.') == NULL || strstr(name, ".sh") != NULL;
}

/* The folder of the build, as it lies: the program finds its cells relative to itself. */
static int
pack_build(struct packing *packing, struct bh_error *error)
{
	static const struct {
		const char *from, *to;
		bool (*wanted)(const char *);
	} part[] = {
	        {"apps", BUILD_INSIDE "/apps", is_cell},
	        {"examples", BUILD_INSIDE "/examples", is_cell},
	        {"../examples", BUILD_INSIDE "/examples", is_config},
	        {"tests/cells", BUILD_INSIDE "/tests/cells", is_cell},
	        {"tests/lab", BUILD_INSIDE "/tests/lab", is_test},
	};
	char path[PATH_MAX];
	int err = pack_program(packing, packing->program, BUILD_INSIDE "/bulkhead", error);
	for (size_t i = 0; i < BH_ARRAY_CNT(part) && err == 0; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)sizeof(path) - 32, packing->build, part[i].from);
		if (access(path, F_OK) == 0)
			err = pack_folder(packing, path, part[i].to, part[i].wanted, error);
	}
	return err;
}

static int
pack_copies(struct packing *packing, const struct bh_lab_options *options, struct bh_error *error)
{
	char from[PATH_MAX];
	struct stat facts;
	int err = 0;
	for (uint32_t i = 0; i < options->copy_cnt && err == 0; i++) {
		const char *text = options->copy[i], *colon = strrchr(text, ':');
		if (colon == NULL || colon[1] != '/' || colon == text || (size_t)(colon - text) >= sizeof(from))
			return fail(-EINVAL, text, error);
		snprintf(from, sizeof(from), "%.*s", (int)(colon - text), text);
		if (stat(from, &facts) != 0)
			return fail(-errno, from, error);
		if (S_ISDIR(facts.st_mode))
			err = pack_folder(packing, from, colon + 2, NULL, error);
		else
			err = pack_program(packing, from, colon + 2, error);
	}
	return err;
}

/* Strings, each with its NUL. */
static int
pack_list(struct packing *packing, const char *name, const char *const *list, size_t cnt, char end)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);
	if (stream == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		const char *colon = end != '\0' ? strrchr(list[i], end) : NULL;
		fwrite(list[i], 1, colon != NULL ? (size_t)(colon - list[i]) : strlen(list[i]), stream);
		fputc('\0', stream);
	}
	fclose(stream);
	int err = text != NULL ? bh_lab_cpio_text(&packing->cpio, name + 1, text, bytes) : -ENOMEM;
	free(text);
	return err;
}

static int
pack_orders(struct packing *packing, const struct bh_lab_options *options, struct bh_error *error)
{
	static const char *const hosts = "127.0.0.1 localhost lab\n", *const passwd = "root:x:0:0:root:/root:/bin/sh\n",
	                         *const group = "root:x:0:\n";
	const char *load[4];
	size_t load_cnt = 0, command_cnt = 0;
	load[load_cnt++] = "msr";
	if (options->nvme_cnt > 0)
		load[load_cnt++] = "nvme";
	while (!options->shell && options->command[command_cnt] != NULL)
		command_cnt++;
	struct bh_lab_cpio *cpio = &packing->cpio;
	int err = pack_list(packing, LAB_FILE_COMMAND, options->command, command_cnt, '\0');
	if (err == 0)
		err = pack_list(packing, LAB_FILE_GET, options->get, options->get_cnt, ':');
	if (err == 0)
		err = pack_list(packing, LAB_FILE_MODULES, load, load_cnt, '\0');
	if (err == 0)
		err = bh_lab_cpio_text(cpio, "etc/hosts", hosts, strlen(hosts));
	if (err == 0)
		err = bh_lab_cpio_text(cpio, "etc/passwd", passwd, strlen(passwd));
	if (err == 0)
		err = bh_lab_cpio_text(cpio, "etc/group", group, strlen(group));
	return err == 0 ? 0 : fail(err, "the command", error);
}

static int
pack_ground(struct packing *packing, struct bh_error *error)
{
	static const char *const folder[] = {"proc", "sys",     "dev", "tmp",     "run", "root",
	                                     "mnt",  "var/tmp", "etc", "usr/bin", "sbin"};
	char busybox[PATH_MAX], init[PATH_MAX];
	int err = bh_lab_tool_find("busybox", "busybox-static", busybox, sizeof(busybox), error);
	if (err != 0)
		return err;
	if (bh_lab_is_dynamic(busybox))
		return bh_error_set(
		        error, "E202", -ENOENT,
		        "%s is not static, and the machine needs a static one; apt-get install busybox-static",
		        busybox);
	snprintf(init, sizeof(init), "%.*s/lab/lab-init", (int)sizeof(init) - 16, packing->build);
	for (size_t i = 0; i < BH_ARRAY_CNT(folder) && err == 0; i++)
		err = bh_lab_cpio_dir(&packing->cpio, folder[i]);
	if (err != 0)
		return fail(err, folder[0], error);
	err = pack_program(packing, init, "init", error);
	if (err == 0)
		err = pack_program(packing, busybox, "bin/busybox", error);
	if (err == 0 && bh_lab_cpio_link(&packing->cpio, "bin/sh", "busybox") != 0)
		err = fail(-EIO, "bin/sh", error);
	if (err == 0 && bh_lab_cpio_link(&packing->cpio, BUILD_INSIDE "/lab-ctl", "/init") != 0)
		err = fail(-EIO, "lab-ctl", error);
	return err;
}

static int
pack(struct packing *packing, const struct bh_lab_options *options, struct bh_error *error)
{
	int err = pack_ground(packing, error);
	if (err == 0)
		err = pack_orders(packing, options, error);
	if (err == 0)
		err = pack_modules(packing, error);
	if (err == 0)
		err = pack_build(packing, error);
	if (err == 0 && !options->no_fio && access("/usr/bin/fio", X_OK) == 0)
		err = pack_program(packing, "/usr/bin/fio", "usr/bin/fio", error);
	if (err == 0)
		err = pack_copies(packing, options, error);
	return err == 0 ? pack_libraries(packing, error) : err;
}

int
bh_lab_initramfs(struct bh_lab_signals *signals, const struct bh_lab_options *options,
                 const struct bh_lab_kernel *kernel, const char *path, struct bh_error *error)
{
	char program[PATH_MAX], build[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[BH_MAX(len, 0)] = '\0';
	memcpy(build, program, sizeof(build));
	char *slash = strrchr(build, '/');
	if (slash == NULL)
		return bh_error_set(error, "E207", -EIO, "cannot tell where the program lies");
	*slash = '\0';
	struct packing packing = {.program = program, .kernel = kernel, .build = build, .signals = signals};
	int err = bh_lab_cpio_open(path, &packing.cpio);
	if (err != 0)
		return fail(err, path, error);
	err = pack(&packing, options, error);
	int end = bh_lab_cpio_close(&packing.cpio);
	for (size_t i = 0; i < packing.program_cnt; i++)
		free((void *)(uintptr_t)packing.program_list[i]);
	free(packing.program_list);
	return err == 0 && end != 0 ? fail(end, path, error) : err;
}
