/* SPDX-License-Identifier: MIT */
/*
 * vgpu: attaches vGPUs to running domains, detaches, lists and watches them.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

int vgpu_fail(const char *format, ...)
{
	va_list args;

	fputs("vgpu: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return VGPU_FAILED;
}

bool vgpu_xenstore(struct vgpu *vgpu)
{
	if (!vgpu->xs)
		vgpu->xs = xs_open(0);
	if (!vgpu->xs)
		vgpu_fail("cannot reach xenstore (%s): run vgpu as root in dom0 of a Xen host",
			  strerror(errno));
	return vgpu->xs != NULL;
}

static const struct command {
	const char *name;
	int (*run)(struct vgpu *vgpu, int argc, char **argv);
	const char *usage;
} commands[] = {
	{"attach", vgpu_attach, "attach [OPTIONS] DOMAIN KEY=VALUE,...     give a domain a vGPU"},
	{"detach", vgpu_detach, "detach [--force] [--json] DOMAIN DEVID    take it away"},
	{"list", vgpu_list,
	 "list [--json] [--calls] [--brief] [--format=...] [DOMAIN...]   devices and what uses them"},
	{"verify", vgpu_verify_command,
	 "verify [--probe] [--watch] [--json] DOMAIN [DEVID]   where a call gets stuck"},
	{"top", vgpu_top,
	 "top [--once] [--json] [OPTIONS] [DOMAIN...]  what they do, again and again"},
	{"replay", vgpu_replay,
	 "replay [OPTIONS] FILE [-- VGPU-RUN-OPTIONS]  play a recording with data, and compare"},
	{"trace", vgpu_trace_command,
	 "trace -o FILE [--data] [OPTIONS] DOMAIN [DEVID]   record each call; --show, --summary, --chrome FILE"},
	{"log", vgpu_log_command,
	 "log [DOMAIN] LEVEL                        error, warn, info, call, data"},
};

static int usage(FILE *file)
{
	fprintf(file, "usage: vgpu COMMAND ...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(file, "  vgpu %s\n", commands[i].usage);
	fprintf(file,
		"\nDOMAIN is a name or a number. VGPU_SOCKET names another socket of xen-vgpud. "
		"See vgpu(8).\n");
	return file == stdout ? VGPU_DONE : VGPU_USAGE;
}

int main(int argc, char **argv)
{
	struct vgpu vgpu = {.socket = vgpu_socket_path()};
	int rc;

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return usage(stdout);
	if (!strcmp(argv[1], "--version")) {
		printf("vgpu, protocol %u\n", VG_PROTOCOL_VERSION);
		return VGPU_DONE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		rc = commands[i].run(&vgpu, argc - 1, argv + 1);
		if (vgpu.xs)
			xs_close(vgpu.xs);
		return rc;
	}
	vgpu_fail("unknown command `%s`", argv[1]);
	return usage(stderr);
}
