/* SPDX-License-Identifier: MIT */
/* vgpu replay: plays a recording on this host, by vgpu-run and vgpu-replay. */
#include "tools/vgpu.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/beside.h"

/* As vgpu-replay has it; 1 says that something differs. */
#define CANNOT 2

static const char usage_text[] =
	"usage: vgpu replay [OPTIONS] FILE [-- VGPU-RUN-OPTIONS]\n"
	"Plays a recording with data on this host: its driver, or what vgpu-run's options say\n"
	"(--soft, --gpu=SPEC, ...). The options are vgpu-replay's: vgpu-replay(1).\n";

/* Beside this program (a build tree), or where packages have them. */
static bool program_find(const char *name, char *path)
{
	char other[64];
	const char *const places[] = {name, other};

	snprintf(other, sizeof(other), "../bin/%s", name);
	if (vg_beside_find(places, 2, X_OK, path, PATH_MAX))
		return true;
	vgpu_fail("%s is not there: it comes with the package vgpu-local", name);
	return false;
}

int vgpu_replay(struct vgpu *vgpu, int argc, char **argv)
{
	char run[PATH_MAX], replay[PATH_MAX];
	char **command = calloc((size_t)argc + 4, sizeof(char *));
	int split = 1, n = 0;

	(void)vgpu;
	if (!command) {
		vgpu_fail("no memory");
		return CANNOT;
	}
	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (split == 1 || !strcmp(argv[1], "--help")) {
		fputs(usage_text, split == 1 ? stderr : stdout);
		free(command);
		return split == 1 ? CANNOT : VGPU_DONE;
	}
	if (!program_find("vgpu-run", run) || !program_find("vgpu-replay", replay)) {
		free(command);
		return CANNOT;
	}
	command[n++] = run;
	for (int i = split + 1; i < argc; i++)
		command[n++] = argv[i];
	command[n++] = (char *)"--";
	command[n++] = replay;
	for (int i = 1; i < split; i++)
		command[n++] = argv[i];
	execv(run, command);
	vgpu_fail("%s: %s", run, strerror(errno));
	free(command);
	return CANNOT;
}
