/* SPDX-License-Identifier: MIT */
/* Encoding and decoding of frames. One thread. Trusts nothing that it reads: see frame.h. */
#include "frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static uint32_t crc_update(uint32_t crc, const uint8_t *data, size_t len)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	for (size_t i = 0; i < len; i++) {
		crc = nibble[(crc ^ data[i]) & 15] ^ (crc >> 4);
		crc = nibble[(crc ^ (data[i] >> 4)) & 15] ^ (crc >> 4);
	}
	return crc;
}

static uint32_t frame_crc(const uint8_t *head, const void *payload, size_t len)
{
	uint32_t crc = crc_update(0xffffffff, head, 8);

	return ~crc_update(crc, payload, len);
}

static uint32_t load_le(const uint8_t *p, int bytes)
{
	uint32_t value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint32_t)p[i] << (8 * i);
	return value;
}

static void store_le(uint8_t *p, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = value >> (8 * i);
}

static void reader_drop(struct frame_reader *reader, size_t n)
{
	reader->have -= n;
	memmove(reader->buf, reader->buf + n, reader->have);
}

/* Takes the escapes out of what was read, in place; returns what is left. */
static size_t reader_unescape(struct frame_reader *reader, uint8_t *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (reader->escaped)
			data[kept++] = data[i] == 1 ? 0x0f : FRAME_ESCAPE;
		else if (data[i] != FRAME_ESCAPE)
			data[kept++] = data[i];
		reader->escaped = !reader->escaped && data[i] == FRAME_ESCAPE;
	}
	return kept;
}

long frame_fill(struct frame_reader *reader, int fd)
{
	long n;

	reader_drop(reader, reader->used);
	reader->used = 0;
	n = read(fd, reader->buf + reader->have, sizeof(reader->buf) - reader->have);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	reader->have += reader_unescape(reader, reader->buf + reader->have, n);
	return n;
}

int frame_next(struct frame_reader *reader, struct frame *frame)
{
	const uint8_t *head = reader->buf;
	size_t len;

	reader_drop(reader, reader->used);
	reader->used = 0;
	while (reader->have >= FRAME_HEAD) {
		len = load_le(head + 6, 2);
		if (head[0] != FRAME_MAGIC0 || head[1] != FRAME_MAGIC1 || head[3] ||
		    len > FRAME_PAYLOAD_MAX) {
			reader_drop(reader, 1);
			continue;
		}
		if (reader->have < FRAME_HEAD + len)
			return 0;
		if (load_le(head + 8, 4) != frame_crc(head, head + FRAME_HEAD, len)) {
			reader_drop(reader, 1);
			continue;
		}
		frame->type = head[2];
		frame->channel = load_le(head + 4, 2);
		frame->len = len;
		frame->payload = head + FRAME_HEAD;
		reader->used = FRAME_HEAD + len;
		return 1;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		long n = write(fd, data, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd writable = {.fd = fd, .events = POLLOUT};

			poll(&writable, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return 0;
}

int frame_send(int fd, uint8_t type, uint16_t channel, const void *payload, size_t len)
{
	uint8_t buf[FRAME_HEAD + FRAME_OUT_MAX] = {FRAME_MAGIC0, FRAME_MAGIC1, type, 0};

	if (len > FRAME_OUT_MAX)
		return -EMSGSIZE;
	store_le(buf + 4, channel, 2);
	store_le(buf + 6, len, 2);
	store_le(buf + 8, frame_crc(buf, payload, len), 4);
	if (len)
		memcpy(buf + FRAME_HEAD, payload, len);
	return write_all(fd, buf, FRAME_HEAD + len);
}
