# SPDX-License-Identifier: MIT
# vgpu-probe: a kernel's way through any libcuda.so.1, step by step.

$(eval $(call program,vgpu-probe,$(wildcard $(D)/*.c),,$(B)/lib/libvgproto.a -ldl))
$(eval $(call install,$(B)/bin/vgpu-probe,$(BINDIR),755))
$(eval $(call install,docs/man/vgpu-probe.1,$(MANDIR)/man1,644))
