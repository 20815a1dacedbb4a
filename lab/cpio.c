/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab/internal.h"

int
bh_lab_cpio_open(const char *path, struct bh_lab_cpio *out)
{
	*out = (struct bh_lab_cpio){.file = fopen(path, "wbe")};
	return out->file != NULL ? 0 : -errno;
}

static int
pad(struct bh_lab_cpio *cpio, size_t bytes)
{
	static const char zero[4];
	size_t rest = -bytes & 3;
	return fwrite(zero, 1, rest, cpio->file) == rest ? 0 : -EIO;
}

static int
header(struct bh_lab_cpio *cpio, const char *name, uint32_t mode, uint64_t bytes)
{
	size_t name_bytes = strlen(name) + 1;
	if (bytes > UINT32_MAX)
		return -EFBIG;
	int used = fprintf(cpio->file, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++cpio->inode,
	                   mode, 0, 0, 1, 0, (uint32_t)bytes, 0, 0, 0, 0, (uint32_t)name_bytes, 0);
	if (used != 110 || fwrite(name, 1, name_bytes, cpio->file) != name_bytes)
		return -EIO;
	return pad(cpio, 110 + name_bytes);
}

/* Return: 1 it is new and remembered now; 0 it is in; negative errno. */
static int
remember(struct bh_lab_cpio *cpio, const char *name)
{
	for (size_t i = 0; i < cpio->seen_cnt; i++) {
		if (strcmp(cpio->seen[i], name) == 0)
			return 0;
	}
	char **more = realloc(cpio->seen, (cpio->seen_cnt + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	cpio->seen = more;
	cpio->seen[cpio->seen_cnt] = strdup(name);
	return cpio->seen[cpio->seen_cnt++] != NULL ? 1 : -ENOMEM;
}

static int
parents(struct bh_lab_cpio *cpio, const char *name)
{
	char part[PATH_MAX];
	if ((size_t)snprintf(part, sizeof(part), "%s", name) >= sizeof(part))
		return -ENAMETOOLONG;
	char *slash = strrchr(part, '/');
	if (slash == NULL)
		return 0;
	*slash = '\0';
	return bh_lab_cpio_dir(cpio, part);
}

int
bh_lab_cpio_dir(struct bh_lab_cpio *cpio, const char *name)
{
	if (name[0] == '\0')
		return 0;
	int err = parents(cpio, name);
	int new = err == 0 ? remember(cpio, name) : err;
	return new <= 0 ? new : header(cpio, name, S_IFDIR | 0755, 0);
}

/* Return: as remember(); the parents are in. */
static int
begin(struct bh_lab_cpio *cpio, const char *name)
{
	int err = parents(cpio, name);
	return err == 0 ? remember(cpio, name) : err;
}

int
bh_lab_cpio_text(struct bh_lab_cpio *cpio, const char *name, const void *text, size_t bytes)
{
	int new = begin(cpio, name);
	if (new <= 0)
		return new;
	int err = header(cpio, name, S_IFREG | 0644, bytes);
	if (err == 0 && fwrite(text, 1, bytes, cpio->file) != bytes)
		err = -EIO;
	return err == 0 ? pad(cpio, bytes) : err;
}

int
bh_lab_cpio_link(struct bh_lab_cpio *cpio, const char *name, const char *target)
{
	int new = begin(cpio, name);
	if (new <= 0)
		return new;
	int err = header(cpio, name, S_IFLNK | 0777, strlen(target));
	if (err == 0 && fwrite(target, 1, strlen(target), cpio->file) != strlen(target))
		err = -EIO;
	return err == 0 ? pad(cpio, strlen(target)) : err;
}

/* A file that shrinks or grows meanwhile would break the archive: exactly `bytes` are written, or it is an error. */
static int
copy(struct bh_lab_cpio *cpio, FILE *from, size_t bytes)
{
	char part[65536];
	for (size_t done = 0; done < bytes;) {
		size_t got = fread(part, 1, BH_MIN(sizeof(part), bytes - done), from);
		if (got == 0 || fwrite(part, 1, got, cpio->file) != got)
			return -EIO;
		done += got;
	}
	return pad(cpio, bytes);
}

int
bh_lab_cpio_file(struct bh_lab_cpio *cpio, const char *name, const char *path)
{
	struct stat facts;
	FILE *from = fopen(path, "rbe");
	if (from == NULL)
		return -errno;
	int err = fstat(fileno(from), &facts) != 0 ? -errno : S_ISREG(facts.st_mode) ? 0 : -EINVAL;
	int new = err == 0 ? begin(cpio, name) : err;
	if (new > 0) {
		err = header(cpio, name, S_IFREG | (facts.st_mode & 0777), (uint64_t)facts.st_size);
		new = err == 0 ? copy(cpio, from, (size_t)facts.st_size) : err;
	}
	fclose(from);
	return new;
}

int
bh_lab_cpio_close(struct bh_lab_cpio *cpio)
{
	int err = header(cpio, "TRAILER!!!", 0, 0);
	if (ferror(cpio->file))
		err = -EIO;
	if (fclose(cpio->file) != 0 && err == 0)
		err = -errno;
	for (size_t i = 0; i < cpio->seen_cnt; i++)
		free(cpio->seen[i]);
	free(cpio->seen);
	return err;
}
