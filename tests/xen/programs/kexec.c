/* SPDX-License-Identifier: MIT */
/*
 * kexec KERNEL INITRD: loads a kernel for kexec, with this kernel's own command line, and jumps into it
 * at once, as `kexec -l ... && kexec -e` does, without an orderly shutdown of anything.
 */
#include <errno.h>
#include <fcntl.h>
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
	int kernel = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int initrd = argc == 3 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
	int proc = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	char line[2048];
	ssize_t length;

	if (kernel < 0 || initrd < 0 || proc < 0)
		return fail("usage: kexec KERNEL INITRD");
	length = read(proc, line, sizeof(line) - 1);
	if (length <= 0)
		return fail("/proc/cmdline");
	/* The kernel counts the end of the text, where /proc has a newline. */
	line[length - 1] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, initrd, (unsigned long)length, line, 0ul))
		return fail("kexec_file_load");
	puts("kexec: loaded");
	fflush(stdout);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return fail("reboot");
}
