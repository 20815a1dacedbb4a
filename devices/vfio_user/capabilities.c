/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of VFIO_USER_VERSION: see capabilities.h. */
#include <devices/vfio_user/capabilities.h>

#include <errno.h>
#include <jansson.h>
#include <string.h>

void
vfu_capabilities_default(struct vfu_capabilities *capabilities)
{
	*capabilities = (struct vfu_capabilities){
	        .max_msg_fds = VFIO_USER_DEFAULT_MAX_MSG_FDS,
	        .max_data_xfer_bytes = VFIO_USER_DEFAULT_MAX_DATA_XFER_BYTES,
	        .max_dma_maps = VFIO_USER_DEFAULT_MAX_DMA_MAPS,
	        .pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	        .twin_fd_idx = -1,
	};
}

/* A number of [low, high] under that name; absent: *out stays. */
static int
get_number(const json_t *object, const char *name, uint64_t low, uint64_t high, uint64_t *out, uint32_t bit,
           uint32_t *named)
{
	const json_t *value = json_object_get(object, name);
	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EINVAL;
	uint64_t number = (uint64_t)json_integer_value(value);
	if (number < low || number > high)
		return -EINVAL;
	*out = number;
	*named |= bit;
	return 0;
}

static int
get_bool(const json_t *object, const char *name, bool *out)
{
	const json_t *value = json_object_get(object, name);
	if (value == NULL)
		return 0;
	if (!json_is_boolean(value))
		return -EINVAL;
	*out = json_is_true(value);
	return 0;
}

static int
get_twin(const json_t *caps, struct vfu_capabilities *out)
{
	const json_t *twin = json_object_get(caps, "twin_socket");
	if (twin == NULL)
		return 0;
	uint64_t idx = UINT64_MAX;
	uint32_t unused = 0;
	if (!json_is_object(twin) || get_bool(twin, "supported", &out->twin_supported) ||
	    get_number(twin, "fd_index", 0, INT32_MAX, &idx, 1, &unused))
		return -EINVAL;
	out->twin_fd_idx = unused ? (int32_t)idx : -1;
	out->named |= VFU_CAP_TWIN_SOCKET;
	return 0;
}

static int
get_all(const json_t *caps, struct vfu_capabilities *out, const char **why)
{
	uint64_t fds = out->max_msg_fds;
	*why = "max_msg_fds is not a number of 0 to 65535";
	if (get_number(caps, "max_msg_fds", 0, 65535, &fds, VFU_CAP_MAX_MSG_FDS, &out->named))
		return -EINVAL;
	out->max_msg_fds = (uint32_t)fds;
	*why = "max_data_xfer_size is not a positive number";
	if (get_number(caps, "max_data_xfer_size", 1, INT64_MAX, &out->max_data_xfer_bytes, VFU_CAP_MAX_DATA_XFER,
	               &out->named))
		return -EINVAL;
	*why = "max_dma_maps is not a positive number";
	if (get_number(caps, "max_dma_maps", 1, INT64_MAX, &out->max_dma_maps, VFU_CAP_MAX_DMA_MAPS, &out->named))
		return -EINVAL;
	*why = "pgsizes is not a positive number";
	if (get_number(caps, "pgsizes", 1, INT64_MAX, &out->pgsizes, VFU_CAP_PGSIZES, &out->named))
		return -EINVAL;
	*why = "twin_socket is not an object with a boolean `supported` and a number `fd_index`";
	if (get_twin(caps, out))
		return -EINVAL;
	*why = "write_multiple is not a boolean";
	if (get_bool(caps, "write_multiple", &out->write_multiple))
		return -EINVAL;
	if (json_object_get(caps, "write_multiple"))
		out->named |= VFU_CAP_WRITE_MULTIPLE;
	*why = "";
	return 0;
}

int
vfu_capabilities_parse(const void *data, uint32_t data_bytes, struct vfu_capabilities *out, const char **why)
{
	vfu_capabilities_default(out);
	*why = "";
	if (data_bytes == 0)
		return 0;
	*why = "version data is too long";
	if (data_bytes > VFU_VERSION_DATA_BYTES_MAX)
		return -E2BIG;
	*why = "version data does not end with a NUL";
	if (((const char *)data)[data_bytes - 1] != '\0')
		return -EINVAL;
	size_t text_bytes = strnlen(data, data_bytes);
	json_t *root = json_loadb(data, text_bytes, JSON_REJECT_DUPLICATES, NULL);
	*why = "version data is not a JSON object";
	int err = -EINVAL;
	if (!json_is_object(root))
		goto out_free;
	const json_t *caps = json_object_get(root, "capabilities");
	*why = "capabilities is not a JSON object";
	if (caps != NULL && !json_is_object(caps))
		goto out_free;
	err = caps == NULL ? 0 : get_all(caps, out, why);
out_free:
	json_decref(root);
	return err;
}

static int
add_number(json_t *caps, const char *name, uint64_t value)
{
	return json_object_set_new(caps, name, json_integer((json_int_t)value));
}

static int
add_twin(json_t *caps, const struct vfu_capabilities *c)
{
	json_t *twin = json_object();
	int err = json_object_set_new(twin, "supported", json_boolean(c->twin_supported));
	if (c->twin_fd_idx >= 0)
		err |= add_number(twin, "fd_index", (uint64_t)c->twin_fd_idx);
	return err | json_object_set_new(caps, "twin_socket", twin);
}

char *
vfu_capabilities_format(const struct vfu_capabilities *c)
{
	json_t *root = json_object(), *caps = json_object();
	int err = 0;
	if (c->named & VFU_CAP_MAX_MSG_FDS)
		err |= add_number(caps, "max_msg_fds", c->max_msg_fds);
	if (c->named & VFU_CAP_MAX_DATA_XFER)
		err |= add_number(caps, "max_data_xfer_size", c->max_data_xfer_bytes);
	if (c->named & VFU_CAP_MAX_DMA_MAPS)
		err |= add_number(caps, "max_dma_maps", c->max_dma_maps);
	if (c->named & VFU_CAP_PGSIZES)
		err |= add_number(caps, "pgsizes", c->pgsizes);
	if (c->named & VFU_CAP_TWIN_SOCKET)
		err |= add_twin(caps, c);
	if (c->named & VFU_CAP_WRITE_MULTIPLE)
		err |= json_object_set_new(caps, "write_multiple", json_boolean(c->write_multiple));
	err |= json_object_set_new(root, "capabilities", caps);
	char *text = err ? NULL : json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}
