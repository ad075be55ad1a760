/* SPDX-License-Identifier: MIT */
/* A process as /proc has it, and programs and functions that are run in one of their own for a moment. */
#ifndef VGPU_PROCESS_H
#define VGPU_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct vgpu_process {
	bool there;
	char state; /* as in /proc/PID/stat: R, S, D, T, Z ... */
	char name[16];
	unsigned int uid;                              /* effective */
	bool no_new_privileges, seccomp, capabilities; /* it has any of these */
};

void vgpu_process_look(pid_t pid, struct vgpu_process *process);

/*
 * Runs a program, found on the PATH, for at most timeout_ms, and keeps what it writes to standard output (at
 * most size - 1 bytes, NUL-terminated). Its exit status; 127: it is not there; -1: it took too long and was killed.
 */
int vgpu_process_run(const char *const *argv, unsigned int timeout_ms, char *output, size_t size);

/*
 * Calls a function in a child process, for at most timeout_ms, for what it leaves in `result` (at most PIPE_BUF
 * bytes): for what may hang. False: it took too long and was killed, or it died.
 */
bool vgpu_process_call(void (*function)(const void *argument, void *result), const void *argument,
		       void *result, size_t size, unsigned int timeout_ms);

#endif
