/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The vfio-user client: a device that another process serves over a socket, behind struct bh_backend.
 *
 * Speaks the specification (see <bulkhead/spec/vfio_user.h>) with any server: bulkhead's software devices, SPDK's NVMe
 * target, libvfio-user's samples. One thread per back end. Each message has a deadline; a server that does not answer
 * in time, closes, or breaks the protocol is given up: every later call returns -ENODEV and says why.
 */
#ifndef HOST_DEVICE_VFIO_USER_H
#define HOST_DEVICE_VFIO_USER_H

#include <host/device/device.h>

#define BH_VFIO_USER_TIMEOUT_NS UINT64_C(2000000000)

/**
 * bh_vfio_user_open - connect, agree on a version, read the device's regions, enable memory and bus mastering
 * @name:        NAME of [device NAME], for messages; copied
 * @socket_fd:   a connected stream socket, owned by the back end whatever this returns; or -1: connect to socket_path
 * @socket_path: where the server listens; with socket_fd, only named in messages, and may be NULL
 *
 * On success bar[] has the sizes and the mappable windows (their descriptors belong to the back end), and the PCI
 * identity.
 * Return: 0; -ENOENT, -EACCES, -ECONNREFUSED, -ENOTSOCK, -EPROTOTYPE, -ENAMETOOLONG about the socket; -ETIMEDOUT no
 * answer in time; -ENODEV it closed the connection; -EPROTO it broke the protocol; -EPROTONOSUPPORT another major
 * version; -ENOTSUP not a PCI device, or no configuration space; or the errno of its error reply. `error` says what and
 * what to do; it may be NULL.
 */
BH_MUST_CHECK int bh_vfio_user_open(const char *name, int socket_fd, const char *socket_path, struct bh_backend **out,
                                    struct bh_error *error);

/* bh_vfio_user_open_timeout - the same with another deadline for each message (and for the connection) */
BH_MUST_CHECK int bh_vfio_user_open_timeout(const char *name, int socket_fd, const char *socket_path,
                                            uint64_t timeout_ns, struct bh_backend **out, struct bh_error *error);

/* bh_vfio_user_set_timeout - deadline for each message from now on; a reset gets ten times as long. */
void bh_vfio_user_set_timeout(struct bh_backend *backend, uint64_t timeout_ns);

/**
 * bh_vfio_user_fd - readable when the server wants something or has gone; for poll() only; -1 once it was given up
 *
 * bh_vfio_user_service - answer what the server sent by itself: its DMA reads and writes of memory without a descriptor
 * Never waits.
 * Return: 0; -ENODEV the server is gone (or was given up), with the reason in `error`.
 */
int bh_vfio_user_fd(const struct bh_backend *backend);
BH_MUST_CHECK int bh_vfio_user_service(struct bh_backend *backend, struct bh_error *error);

/*
 * bh_vfio_user_irq_cnt - how many vectors of an interrupt type (VFIO_USER_IRQ_*) the device has; 0 for unknown types.
 */
uint32_t bh_vfio_user_irq_cnt(const struct bh_backend *backend, uint32_t irq_index);

/**
 * bh_vfio_user_set_irqs - VFIO_USER_DEVICE_SET_IRQS
 * @irq_index: VFIO_USER_IRQ_INTX, _MSI, _MSIX, _ERR, _REQ
 * @flags:     one VFIO_USER_IRQ_SET_DATA_* and one VFIO_USER_IRQ_SET_ACTION_*
 * @eventfds:  with DATA_EVENTFD: vector_cnt descriptors (the caller's; the server gets duplicates), or NULL to
 * de-assign
 * @bools:     with DATA_BOOL: vector_cnt bytes
 *
 * More eventfds than the server takes in one message go in several. DATA_NONE | ACTION_TRIGGER with start and
 * vector_cnt 0 disables the type.
 * Return: 0; -EINVAL arguments that contradict each other; or as for any message.
 */
BH_MUST_CHECK int bh_vfio_user_set_irqs(struct bh_backend *backend, uint32_t irq_index, uint32_t flags, uint32_t start,
                                        uint32_t vector_cnt, const int *eventfds, const uint8_t *bools,
                                        struct bh_error *error);

/* bh_vfio_user_config_read, _write - PCI configuration space, naturally aligned, width_bytes 1, 2 or 4. */
BH_MUST_CHECK int bh_vfio_user_config_read(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes,
                                           uint32_t *out_value, struct bh_error *error);
BH_MUST_CHECK int bh_vfio_user_config_write(struct bh_backend *backend, uint32_t offset, uint32_t width_bytes,
                                            uint32_t value, struct bh_error *error);

/**
 * bh_vfio_user_dma_map_private - map memory that the device must not map itself: no descriptor is sent
 * @addr: the memory, in this process, until dma_unmap or close
 *
 * The device reaches it by VFIO_USER_DMA_READ and _WRITE only, which are answered while the back end waits for a reply
 * and in bh_vfio_user_service().
 */
BH_MUST_CHECK int bh_vfio_user_dma_map_private(struct bh_backend *backend, uint64_t iova, uint64_t size_bytes,
                                               void *addr, struct bh_error *error);

#endif
