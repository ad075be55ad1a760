/* SPDX-License-Identifier: MIT */
/*
 * Capturing what the driver prints. A file in memory never makes the writer wait, and its size tells
 * without reading whether there is something new; what was fetched is punched out, so it
 * holds only what nobody has asked for yet. Its size is bounded by what kernels can print between
 * two waiting calls, and by the process's limit on files. Threads: lanes'.
 */
#include "dom0-executor/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/log.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

static const int descriptors[EX_OUTPUT_STREAMS] = {STDOUT_FILENO, STDERR_FILENO};

static int capture(int descriptor)
{
	int fd = memfd_create("vgpu-output", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* Append: the driver's writes and whatever else shares the descriptor never overlap. */
	if (fcntl(fd, F_SETFL, O_APPEND) || dup2(fd, descriptor) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

/* Our own log, and the soft device's, go on where they went. */
static int log_keep(void)
{
	char number[16];
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	if (fd < 0)
		return -errno;
	snprintf(number, sizeof(number), "%d", fd);
	setenv("VGPU_LOG_FD", number, 1);
	vg_log_set_fd(fd);
	return 0;
}

static ssize_t printed_write(void *cookie, const char *bytes, size_t length)
{
	struct ex_output *output = cookie;
	size_t done = 0;

	while (done < length) {
		ssize_t n = write(output->fds[0], bytes + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	atomic_fetch_add(&output->printed, done);
	return (ssize_t)done; /* less: the stream is in error, and goes on */
}

/* Without it, the file's size is asked for each time. */
static void stdout_count(struct ex_output *output)
{
	FILE *file = fopencookie(output, "w", (cookie_io_functions_t){.write = printed_write});

	if (!file)
		return;
	/* The C library's own buffer would keep text back. */
	setvbuf(file, NULL, _IONBF, 0);
	stdout = file;
	output->counts = true;
}

int ex_output_open(struct ex_output *output)
{
	int rc = log_keep();

	pthread_mutex_init(&output->lock, NULL);
	for (int i = 0; i < EX_OUTPUT_STREAMS; i++) {
		output->fds[i] = rc ? rc : capture(descriptors[i]);
		if (output->fds[i] < 0)
			rc = output->fds[i];
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	if (!rc)
		stdout_count(output);
	return rc;
}

static bool printed_grown(struct ex_output *output)
{
	unsigned long long printed = atomic_load(&output->printed);

	return printed != atomic_load(&output->printed_announced) &&
	       printed != atomic_exchange(&output->printed_announced, printed);
}

static bool output_grown(struct ex_output *output, int stream)
{
	struct stat st;

	if (output->fds[stream] < 0 || fstat(output->fds[stream], &st))
		return false;
	return atomic_exchange(&output->announced[stream], (unsigned long long)st.st_size) !=
	       (unsigned long long)st.st_size;
}

void ex_output_announce(struct ex_lane *lane, CUresult result)
{
	struct ex_output *output = &lane->session->output;
	const struct vg_stats *page = lane->session->stats.page;
	bool grown;

	if (!__atomic_load_n(&page->launches, __ATOMIC_RELAXED) &&
	    !__atomic_load_n(&page->ops[VG_OP_cuGraphLaunch], __ATOMIC_RELAXED))
		return;
	grown = output->counts ? printed_grown(output) : output_grown(output, 0);
	if (result)
		grown |= output_grown(output, 1);
	if (grown)
		__atomic_add_fetch(&lane->shared->output_count, 1, __ATOMIC_RELEASE);
}

CUresult ex_vgOutput(struct ex_call *call, unsigned int stream, unsigned int room,
		     unsigned int *size, void *text)
{
	struct ex_output *output = &call->session->output;
	unsigned int i = stream - 1;
	ssize_t n = 0;
	int fd;

	*size = 0;
	if (i >= EX_OUTPUT_STREAMS)
		return CUDA_ERROR_INVALID_VALUE;
	fd = output->fds[i];
	pthread_mutex_lock(&output->lock);
	if (fd >= 0 && text)
		n = pread(fd, text, room, (off_t)output->taken[i]);
	if (n > 0) {
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)output->taken[i],
			  n);
		output->taken[i] += (uint64_t)n;
		*size = (unsigned int)n;
	}
	pthread_mutex_unlock(&output->lock);
	return CUDA_SUCCESS;
}
