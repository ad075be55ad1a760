# SPDX-License-Identifier: MIT
# The client's end of the channel (libcuda links it too) and the guest's broker.

# Sorted before libcuda's module.mk, which uses this.
FE_CHANNEL_SRCS := xen-frontend/channel.c xen-frontend/channel_local.c xen-frontend/channel_xen.c
CHANNEL_PROTO_SRCS := protocol/socket.c protocol/bell.c

$(eval $(call unit_test,channel_test,tests/unit/channel_test.c $(FE_CHANNEL_SRCS) \
	dom0-executor/channel_local.c dom0-executor/channel_range.c $(CHANNEL_PROTO_SRCS)))
