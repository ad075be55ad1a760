/* SPDX-License-Identifier: MIT */
/*
 * Pages and bells of the Xen channel as a client sees them: vgpu-frontd has granted the pages, bound the
 * port and announced the lane; the answer to SHARE brings the descriptors. An unprivileged process
 * can map and ring through them although it cannot open /dev/xen. Threads: the caller's.
 *
 * The mapping keeps the gntalloc file alive after its descriptor is closed; its end (munmap, or this process's
 * death) is what frees the grants and fires the unmap notification. The event channel's
 * descriptor stays open in the bell.
 */
#include "channel_pages.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int xen_take(const struct vg_control_share *want, struct fe_share *share,
		    struct vg_packet *answer, char *text)
{
	const struct vg_control_answer *granted = &answer->msg.u.answer;
	int lane = want->kind == VG_SHARE_LANE;
	int rc;

	if (answer->fds[0] < 0 || (lane && answer->fds[1] < 0)) {
		fe_text(text, "vgpu-frontd granted pages but sent no descriptors");
		return -EPROTO;
	}
	rc = fe_pages_map(want, share, answer->fds[0], granted->map_offset);
	if (rc) {
		fe_text(text, "cannot map %u granted pages: %s", want->pages, strerror(-rc));
		return rc;
	}
	if (lane) {
		share->bell = vg_bell_xen(answer->fds[1], granted->port);
		answer->fds[1] = -1;
	}
	return 0;
}

const struct fe_pages_ops fe_pages_xen = {
	.take = xen_take,
};
