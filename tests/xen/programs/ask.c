/* SPDX-License-Identifier: MIT */
/* ask SOCKET LINE: sends a line to a stream socket and prints the line that comes back. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[65536];
	ssize_t n;

	if (argc != 3 || snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]) >=
				 (int)sizeof(address.sun_path))
		return 2;
	alarm(30);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    dprintf(fd, "%s\n", argv[2]) < 0) {
		perror(argv[1]);
		return 1;
	}
	while ((n = read(fd, text, sizeof(text))) > 0) {
		if (fwrite(text, 1, (size_t)n, stdout) != (size_t)n)
			return 1;
		if (memchr(text, '\n', (size_t)n))
			return fflush(stdout) ? 1 : 0;
	}
	return 1;
}
