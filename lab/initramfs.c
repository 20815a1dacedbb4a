/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside: busybox, init, the modules that the machine can need, this build, fio if the host has it, and what --copy
 * names. The archive is not compressed: unpacking is then copying, and boots sooner.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/init/protocol.h"
#include "lab/internal.h"

#define BUILD_INSIDE "lab"

static const char *const modules[] = {"virtio_pci",    "virtio_console",
                                      "virtio_net",    "virtio_blk",
                                      "nvme",          "vfio",
                                      "vfio-pci",      "vfio_iommu_type1",
                                      "e1000e",        "igb",
                                      "loop",          "dm-mod",
                                      "raid1",         "md-mod",
                                      "bonding",       "8021q",
                                      "bridge",        "veth",
                                      "macvlan",       "team",
                                      "ext4",          "vfat",
                                      "nls_ascii",     "nls_cp437",
                                      "nls_iso8859-1", "nls_utf8",
                                      "btrfs",         "crc32c_generic",
                                      "crc32c_intel",  "null_blk",
                                      "af_packet",     "msr",
                                      "tun",           NULL};

struct packing {
	const char *program; /* the running one */
	struct bh_lab_cpio cpio;
	const struct bh_lab_kernel *kernel;
	const char *build; /* folder of the running program */
};

/* path: absolute on the host, and the same inside unless `name` says otherwise. Shared libraries come along. */
static int pack_program(struct packing *packing, const char *path, const char *name, struct bh_error *error);

static int
fail(int err, const char *path, struct bh_error *error)
{
	return bh_error_set(error, "E207", err, "cannot put %.300s into the machine: %s", path, strerror(-err));
}

/* A program with a dynamic linker, or a library: not a static-pie file, which has a dynamic section for itself. */
static bool
is_dynamic(const char *path)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	bool dynamic = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
	    memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
		for (unsigned i = 0; i < header.e_phnum; i++) {
			off_t at = (off_t)(header.e_phoff + i * sizeof(segment));
			if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
				break;
			dynamic |= segment.p_type == PT_INTERP ||
			           (segment.p_type == PT_DYNAMIC && strstr(path, ".so") != NULL);
		}
	}
	close(fd);
	return dynamic;
}

/* Lines of ldd: "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", "\t/lib64/ld-linux-x86-64.so.2 (0x...)". */
static int
pack_libraries(struct packing *packing, const char *path, struct bh_error *error)
{
	const char *const ldd[] = {"ldd", path, NULL};
	char *text = NULL;
	int err = bh_lab_tool(ldd, NULL, "libc-bin", &text, error);
	if (err != 0) { /* 1: not a dynamic program */
		free(text);
		return err > 0 ? 0 : err;
	}
	char *rest = text, *line;
	while (err == 0 && (line = strsep(&rest, "\n")) != NULL) {
		char *slash = strchr(line, '/'), *end = slash != NULL ? strstr(slash, " (0x") : NULL;
		if (strstr(line, "not found") != NULL)
			err = bh_error_set(error, "E207", -ENOENT, "%.200s needs a library that is not there:%.100s",
			                   path, line);
		if (end == NULL)
			continue;
		*end = '\0';
		int taken = bh_lab_cpio_file(&packing->cpio, slash + 1, slash);
		if (taken < 0)
			err = fail(taken, slash, error);
	}
	free(text);
	return err;
}

static int
pack_program(struct packing *packing, const char *path, const char *name, struct bh_error *error)
{
	int err = bh_lab_cpio_file(&packing->cpio, name, path);
	if (err != 0)
		return fail(err, path, error);
	return is_dynamic(path) ? pack_libraries(packing, path, error) : 0;
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
			return bh_error_set(
			        error, "E201", -EINVAL,
			        "--copy %.200s: FILE:PATH was meant, PATH being absolute inside the machine", text);
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
	if (is_dynamic(busybox))
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
	if (err == 0 && access("/usr/bin/fio", X_OK) == 0)
		err = pack_program(packing, "/usr/bin/fio", "usr/bin/fio", error);
	return err == 0 ? pack_copies(packing, options, error) : err;
}

int
bh_lab_initramfs(const struct bh_lab_options *options, const struct bh_lab_kernel *kernel, const char *path,
                 struct bh_error *error)
{
	char program[PATH_MAX], build[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[BH_MAX(len, 0)] = '\0';
	memcpy(build, program, sizeof(build));
	char *slash = strrchr(build, '/');
	if (slash == NULL)
		return bh_error_set(error, "E207", -EIO, "cannot tell where the program lies");
	*slash = '\0';
	struct packing packing = {.program = program, .kernel = kernel, .build = build};
	int err = bh_lab_cpio_open(path, &packing.cpio);
	if (err != 0)
		return fail(err, path, error);
	err = pack(&packing, options, error);
	int end = bh_lab_cpio_close(&packing.cpio);
	return err == 0 && end != 0 ? fail(end, path, error) : err;
}
