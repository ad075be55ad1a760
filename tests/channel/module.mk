# SPDX-License-Identifier: MIT
# The channel without CUDA: a client and a stand-in for the executor, on both kinds of channel.

$(eval $(call program,channel-client,tests/channel/client.c xen-frontend/channel.c \
	xen-frontend/channel_local.c xen-frontend/channel_xen.c,,$(B)/lib/libvgproto.a))
$(eval $(call program,channel-executor,tests/channel/executor.c dom0-executor/channel_local.c \
	dom0-executor/channel_range.c dom0-executor/channel_xen.c,,$(B)/lib/libvgproto.a))
