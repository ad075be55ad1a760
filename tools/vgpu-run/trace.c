/* SPDX-License-Identifier: MIT */
/*
 * The file in which the run's sessions are recorded (protocol/trace.h). Executors append to it by themselves, each write a
 * block of whole records, which a file open with O_APPEND keeps together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/trace_file.h"
#include "tools/vgpu-run/vgpu-run.h"

int run_trace_open(struct run_options *options)
{
	const struct vg_trace_file head = vg_trace_file_now();

	if (!options->trace)
		return 0;
	/* It may hold the program's data. */
	options->trace_fd =
		open(options->trace, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (options->trace_fd >= 0 &&
	    write(options->trace_fd, &head, sizeof(head)) == (ssize_t)sizeof(head))
		return 0;
	fprintf(stderr, "vgpu-run: %s: %s\n", options->trace, strerror(errno));
	return 1;
}
