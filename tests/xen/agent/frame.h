/* SPDX-License-Identifier: MIT */
/*
 * The frames that the test agent and the host's xenhost exchange, over a virtio-serial port (dom0) or a
 * PV console (guest). tests/xen/xentest/frame.py is the other half.
 *
 * A console can carry foreign bytes (a kernel's last words), so every frame starts with a magic number
 * and carries a CRC; bytes that belong to no frame are skipped here and go to a log on the host.
 *
 *   byte 0  magic 0xf5 0x9a      4  channel, little-endian
 *        2  type                 6  payload length, little-endian
 *        3  zero                 8  CRC-32 of bytes 0..7 and of the payload, little-endian
 *
 * The Linux console driver takes 0x0f for a SysRq key, so in the direction to the agent 0x0f is sent as
 * 0xf6 0x01, and 0xf6 as 0xf6 0x02.
 */
#ifndef XENTEST_FRAME_H
#define XENTEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC0      0xf5
#define FRAME_MAGIC1      0x9a
#define FRAME_ESCAPE      0xf6
#define FRAME_HEAD        12
#define FRAME_PAYLOAD_MAX 60000
#define FRAME_OUT_MAX     4096         /* what the agent puts in one frame */
#define FRAME_WINDOW      (256 * 1024) /* bytes of one stream under way before they are acknowledged */

enum frame_type {
	/* host to agent */
	FRAME_RUN = 1,    /* user NUL cwd NUL (name=value NUL)* NUL (argument NUL)+ */
	FRAME_IN = 2,     /* standard input; empty: end of file */
	FRAME_SIGNAL = 3, /* u8: sent to the job's process group */
	FRAME_CREDIT = 4, /* u32: bytes of output that the host has consumed */
	FRAME_HELLO = 5,  /* answered with FRAME_READY */
	/* agent to host */
	FRAME_OUT = 17,
	FRAME_ERR = 18,
	FRAME_EXIT = 19,  /* u8: 0 exited, 1 killed by a signal; u8: the status or the signal */
	FRAME_TAKEN = 20, /* u32: bytes of input that the job has consumed */
	FRAME_READY = 21,
	FRAME_FAIL = 22, /* text: the job could not be started */
};

struct frame {
	uint8_t type;
	uint16_t channel;
	uint16_t len;
	const uint8_t *payload; /* inside the reader's buffer, until the next frame_next() */
};

struct frame_reader {
	bool escaped; /* the last byte read was FRAME_ESCAPE */
	size_t have;
	size_t used; /* length of the frame last handed out */
	uint8_t buf[FRAME_HEAD + FRAME_PAYLOAD_MAX];
};

/* Reads what there is; 0 at the end of the stream, negative errno on an error. */
long frame_fill(struct frame_reader *reader, int fd);

/* Takes the next whole frame out of the buffer; 0 when there is none yet. */
int frame_next(struct frame_reader *reader, struct frame *frame);

/* Writes one frame, waiting as long as the link takes; negative errno on an error. */
int frame_send(int fd, uint8_t type, uint16_t channel, const void *payload, size_t len);

#endif
