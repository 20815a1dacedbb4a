/* SPDX-License-Identifier: Apache-2.0 */
/**
 * For a card whose registers all have 32 bits: accesses of another width fail the test. Include it in one file of the program.
 */
#ifndef TESTS_UNIT_NET_ONLY_32_BITS_H
#define TESTS_UNIT_NET_ONLY_32_BITS_H

/* The virtio driver, which is linked with the others, has registers of all widths; these cards do not. */
#define NO_REGISTER(width)                                                                                             \
	int bh_reg_read##width(const struct bh_device *device, uint32_t bar, uint64_t offset,                          \
	                       uint##width##_t *out_value)                                                             \
	{                                                                                                              \
		fail_msg("a read of " #width " bits at %lx", offset);                                                  \
		return -BH_EIO;                                                                                        \
	}                                                                                                              \
	int bh_reg_write##width(const struct bh_device *device, uint32_t bar, uint64_t offset, uint##width##_t value)  \
	{                                                                                                              \
		fail_msg("a write of " #width " bits at %lx", offset);                                                 \
		return -BH_EIO;                                                                                        \
	}
NO_REGISTER(8)
NO_REGISTER(16)
NO_REGISTER(64)
#undef NO_REGISTER

#endif
