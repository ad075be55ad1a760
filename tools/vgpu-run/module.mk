# SPDX-License-Identifier: MIT
# vgpu-run: programs over the local channel.

$(eval $(call program,vgpu-run,$(wildcard $(D)/*.c),,$(B)/lib/libvgproto.a))
$(eval $(call install,$(B)/bin/vgpu-run,$(BINDIR),755))
$(eval $(call install,docs/man/vgpu-run.1,$(MANDIR)/man1,644))
