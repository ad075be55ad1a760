/* SPDX-License-Identifier: MIT */
/*
 * kexec KERNEL: loads a kernel, with this one's command line and no initramfs, and jumps into it at once,
 * as `kexec --load` and `kexec --exec` do, without an orderly end of anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "kexec: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	int kernel = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int proc = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	char line[2048];
	ssize_t length;

	if (kernel < 0 || proc < 0)
		return fail("usage: kexec KERNEL");
	length = read(proc, line, sizeof(line) - 1);
	if (length <= 0)
		return fail("/proc/cmdline");
	/* The kernel wants the NUL counted; /proc has a newline in its place. */
	line[length - 1] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, -1, (unsigned long)length, line,
		    (unsigned long)KEXEC_FILE_NO_INITRAMFS))
		return fail("kexec_file_load");
	puts("kexec: loaded");
	fflush(stdout);
	usleep(500000); /* for the word to get out by the console */
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return fail("reboot");
}
