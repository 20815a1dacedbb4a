/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four functions that compilers call. Copies of up to SHORT_BYTES, such as small frames, are overlapping loads and
 * stores: `rep movsb` takes tens of cycles to begin. Above, it and `rep stosb` are near the best that the machine can do
 * (ERMS) and take no code.
 */
#include <bulkhead/mem.h>

#define SHORT_BYTES 256

typedef uint64_t word_t __attribute__((aligned(1), may_alias));
typedef uint32_t half_t __attribute__((aligned(1), may_alias));

struct words16 {
	word_t low, high;
};

static inline struct words16
load16(const uint8_t *src)
{
	return (struct words16){*(const word_t *)src, *(const word_t *)(src + 8)};
}

static inline void
store16(uint8_t *dst, struct words16 words)
{
	*(word_t *)dst = words.low;
	*(word_t *)(dst + 8) = words.high;
}

/* All loads come before any store, so the ranges may overlap. */
static void
copy_small(uint8_t *dst, const uint8_t *src, size_t size_bytes)
{
	if (size_bytes >= 16) {
		struct words16 first = load16(src), last = load16(src + size_bytes - 16);
		store16(dst, first);
		store16(dst + size_bytes - 16, last);
	} else if (size_bytes >= 8) {
		uint64_t first = *(const word_t *)src, last = *(const word_t *)(src + size_bytes - 8);
		*(word_t *)dst = first;
		*(word_t *)(dst + size_bytes - 8) = last;
	} else if (size_bytes >= 4) {
		uint32_t first = *(const half_t *)src, last = *(const half_t *)(src + size_bytes - 4);
		*(half_t *)dst = first;
		*(half_t *)(dst + size_bytes - 4) = last;
	} else if (size_bytes != 0) {
		uint8_t first = src[0], middle = src[size_bytes / 2], last = src[size_bytes - 1];
		dst[0] = first;
		dst[size_bytes / 2] = middle;
		dst[size_bytes - 1] = last;
	}
}

/* 16 bytes and more. */
static void
copy_short(uint8_t *restrict dst, const uint8_t *restrict src, size_t size_bytes)
{
	struct words16 last = load16(src + size_bytes - 16);
	for (size_t at = 0; at + 16 < size_bytes; at += 16)
		store16(dst + at, load16(src + at));
	store16(dst + size_bytes - 16, last);
}

void *
memcpy(void *restrict dst, const void *restrict src, size_t size_bytes)
{
	void *to = dst;
	if (size_bytes <= 32)
		copy_small(dst, src, size_bytes);
	else if (size_bytes <= SHORT_BYTES)
		copy_short(dst, src, size_bytes);
	else
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(size_bytes) : : "memory");
	return dst;
}

/* The source begins below the destination and reaches into it: whole words from the end. */
static void
copy_backwards(uint8_t *dst, const uint8_t *src, size_t size_bytes)
{
	while (size_bytes >= 16) {
		size_bytes -= 16;
		store16(dst + size_bytes, load16(src + size_bytes));
	}
	copy_small(dst, src, size_bytes);
}

void *
memmove(void *dst, const void *src, size_t size_bytes)
{
	if (size_bytes <= 32)
		copy_small(dst, src, size_bytes);
	else if ((uintptr_t)dst - (uintptr_t)src >= size_bytes)
		memcpy(dst, src, size_bytes);
	else
		copy_backwards(dst, src, size_bytes);
	return dst;
}

void *
memset(void *dst, int byte, size_t size_bytes)
{
	void *to = dst;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size_bytes) : "a"(byte) : "memory");
	return dst;
}

int
memcmp(const void *a, const void *b, size_t size_bytes)
{
	const uint8_t *left = a, *right = b;
	size_t i = 0;
	while (i + 8 <= size_bytes && *(const word_t *)(left + i) == *(const word_t *)(right + i))
		i += 8;
	for (; i < size_bytes; i++) {
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	}
	return 0;
}
