/* SPDX-License-Identifier: MIT */
/*
 * Waiting for xen-vgpud to pick a device up or to let go of it: a bounded time, by looking again.
 */
#include <errno.h>

#include "tools/tree.h"

#define POLL_MS 50

int vgpu_tree_wait_accepted(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *error,
			    size_t size)
{
	uint64_t until = vgpu_now_ms() + VGPU_WAIT_MS;

	for (;;) {
		int state = vgpu_tree_state(xs, domid, devid, error, size);

		if (state >= 2 && state <= 4)
			return 0;
		if (*error)
			return -ECONNREFUSED;
		if (state == 0)
			return -ENODEV;
		if (vgpu_now_ms() >= until)
			return -ETIMEDOUT;
		vgpu_sleep_ms(POLL_MS);
	}
}

int vgpu_tree_wait_closed(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	uint64_t until = vgpu_now_ms() + VGPU_WAIT_MS;
	char error[8];

	for (;;) {
		int state = vgpu_tree_state(xs, domid, devid, error, sizeof(error));

		if (state == 0 || state == 6)
			return 0;
		if (vgpu_now_ms() >= until)
			return -ETIMEDOUT;
		vgpu_sleep_ms(POLL_MS);
	}
}
