# SPDX-License-Identifier: MIT
# vgpu-smi: nvidia-smi's questions, asked of any libnvidia-ml.so.1.

$(eval $(call program,vgpu-smi,$(wildcard $(D)/*.c),,-ldl))
$(eval $(call install,$(B)/bin/vgpu-smi,$(BINDIR),755))
$(eval $(call install,docs/man/vgpu-smi.1,$(MANDIR)/man1,644))
