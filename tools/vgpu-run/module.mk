# SPDX-License-Identifier: MIT
# vgpu-run: programs over the local channel.

$(eval $(call program,vgpu-run,$(wildcard $(D)/*.c),,$(B)/lib/libvgproto.a))
$(eval $(call install,$(B)/bin/vgpu-run,$(BINDIR),755))
