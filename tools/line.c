/* SPDX-License-Identifier: MIT */
/* See line.h. */
#include "tools/line.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LINE_MAX_BYTES (64u << 20)
#define FIRST_BYTES    65536u
#define ROOM_LEAST     4096u

static int line_grow(struct vgpu_line *line)
{
	size_t room = line->room ? line->room * 2 : FIRST_BYTES;
	char *grown = room <= LINE_MAX_BYTES ? realloc(line->text, room) : NULL;

	if (!grown)
		return ENOMEM;
	line->text = grown;
	line->room = room;
	return 0;
}

int vgpu_line_receive(struct vgpu_line *line, int fd)
{
	do {
		ssize_t n;

		if (line->room - line->used < ROOM_LEAST && line_grow(line))
			return ENOMEM;
		n = recv(fd, line->text + line->used, line->room - line->used - 1, MSG_DONTWAIT);
		if (n < 0)
			return errno == EINTR ? EAGAIN : errno;
		if (!n)
			return EPIPE;
		line->used += (size_t)n;
	} while (line->text[line->used - 1] != '\n');
	line->text[line->used - 1] = '\0';
	return 0;
}

void vgpu_line_reset(struct vgpu_line *line)
{
	line->used = 0;
}

void vgpu_line_dispose(struct vgpu_line *line)
{
	free(line->text);
	*line = (struct vgpu_line){0};
}
