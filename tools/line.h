/* SPDX-License-Identifier: MIT */
/* A line of xen-vgpud's, as it comes in; at most 64 MiB. */
#ifndef VGPU_LINE_H
#define VGPU_LINE_H

#include <stddef.h>

struct vgpu_line {
	char *text; /* owned; NUL-terminated once the line is whole */
	size_t used, room;
};

/* Takes what has come, without waiting. 0: the line is whole; EAGAIN: there is more to come; or another errno. */
int vgpu_line_receive(struct vgpu_line *line, int fd);
/* Another line next, into the same memory. */
void vgpu_line_reset(struct vgpu_line *line);
void vgpu_line_dispose(struct vgpu_line *line);

#endif
