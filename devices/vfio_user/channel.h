/* SPDX-License-Identifier: Apache-2.0 */
/**
 * vfio-user messages over a stream socket, for both ends: cuts the stream into messages, keeps descriptors with the
 * message that they came with, and closes every descriptor that nobody took. Sockets are set non-blocking; waiting is
 * the caller's, with a deadline.
 */
#ifndef DEVICES_VFIO_USER_CHANNEL_H
#define DEVICES_VFIO_USER_CHANNEL_H

#include <bulkhead/spec/vfio_user.h>
#include <sys/uio.h>

#define VFU_CHANNEL_FDS_MAX 16u
/* The largest payload that either end takes: a data transfer of the default maximum and its head. */
#define VFU_CHANNEL_PAYLOAD_BYTES_MAX (VFIO_USER_DEFAULT_MAX_DATA_XFER_BYTES + 4096u)

/* One received message. Whoever gets it calls vfu_message_release(). */
struct vfu_message {
	struct vfio_user_header header;
	uint8_t *payload; /* malloc'ed; NULL if there is none */
	uint32_t payload_bytes;
	uint32_t fd_cnt;
	bool fds_lost; /* more descriptors came than fit (or than this process may open): all were closed */
	int fd[VFU_CHANNEL_FDS_MAX]; /* -1: taken */
};

struct vfu_channel {
	int fd;            /* owned; -1: closed */
	uint32_t rx_bytes; /* of the message that is coming in: header and payload */
	struct vfu_message rx;
};

/* vfu_channel_init - take over a connected stream socket and make it non-blocking. Return: 0 or a negative errno. */
BH_MUST_CHECK int vfu_channel_init(struct vfu_channel *channel, int fd);

/* vfu_channel_close - close the socket and drop a half-received message. Closing twice is allowed. */
void vfu_channel_close(struct vfu_channel *channel);

/**
 * vfu_channel_receive - take what is there, up to the end of one message; never waits
 * Return: 1 *out is a whole message; 0 not complete; -ENODEV the peer closed (-ECONNRESET in the middle of a message);
 * -EPROTO the message size is impossible, and the stream is lost (out->header is what came); -ENOMEM; or what recvmsg
 * said.
 */
BH_MUST_CHECK int vfu_channel_receive(struct vfu_channel *channel, struct vfu_message *out);

/**
 * vfu_channel_send_some - one sendmsg of the iovec, with descriptors; never waits
 * Return: bytes sent (the descriptors went with the first); 0 the socket is full; -ENODEV the peer is gone; or a
 * negative errno.
 */
BH_MUST_CHECK int64_t vfu_channel_send_some(struct vfu_channel *channel, const struct iovec *iov, uint32_t iov_cnt,
                                            const int *fds, uint32_t fd_cnt);

/**
 * vfu_channel_send - send header and payload wholly, waiting for room until deadline_ns (vfu_clock_ns())
 * Return: 0; -ETIMEDOUT (the stream is lost if a part went); -ENODEV; or a negative errno.
 */
BH_MUST_CHECK int vfu_channel_send(struct vfu_channel *channel, const struct vfio_user_header *header,
                                   const struct iovec *payload, uint32_t payload_cnt, const int *fds, uint32_t fd_cnt,
                                   uint64_t deadline_ns);

/* vfu_channel_wait - until `events` (POLLIN, POLLOUT) or deadline_ns. Return: 0; -ETIMEDOUT; or a negative errno. */
BH_MUST_CHECK int vfu_channel_wait(const struct vfu_channel *channel, short events, uint64_t deadline_ns);

/* vfu_message_take_fd - descriptor idx, now the caller's to close; -1 if there is none. */
int vfu_message_take_fd(struct vfu_message *message, uint32_t idx);

/* vfu_message_release - free the payload, close the descriptors that nobody took. */
void vfu_message_release(struct vfu_message *message);

/* vfu_clock_ns - CLOCK_MONOTONIC. vfu_poll_timeout_ms - what poll() gets to wait until deadline_ns (rounded up). */
uint64_t vfu_clock_ns(void);
int vfu_poll_timeout_ms(uint64_t deadline_ns);

#endif
