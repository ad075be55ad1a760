# SPDX-License-Identifier: MIT
# The channel without CUDA: a client and a stand-in for the executor, on both kinds of channel.

$(eval $(call program,channel-client,tests/channel/client.c xen-frontend/channel.c \
	xen-frontend/channel_local.c xen-frontend/channel_xen.c,,$(B)/lib/libvgproto.a))
$(eval $(call program,channel-executor,tests/channel/executor.c dom0-executor/channel_local.c \
	dom0-executor/channel_range.c dom0-executor/channel_xen.c,,$(B)/lib/libvgproto.a))
$(eval $(call local_test,tests/channel/test_channel_local,$(B)/bin/channel-client \
	$(B)/bin/channel-executor))
ifneq ($(HAVE_XENSTORE),)
$(eval $(call xen_long_test,tests/channel/test_channel_xen.py,$(addprefix $(B)/bin/,channel-client \
	channel-executor vgpu-frontd xen-vgpud vgpu gntalloc_used)))
endif
