# SPDX-License-Identifier: MIT
# vgpu-replay: plays recorded sessions.

$(eval $(call program,vgpu-replay,$(wildcard $(D)/*.c) $(FE_CHANNEL_SRCS) xen-frontend/lane_plain.c,,$(B)/lib/libvgproto.a))
$(eval $(call install,$(B)/bin/vgpu-replay,$(BINDIR),755))
