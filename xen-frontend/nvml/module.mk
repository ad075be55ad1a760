# SPDX-License-Identifier: MIT
# The guest's libnvidia-ml.so.1.

FE_NVML_SRCS := $(wildcard $(D)/*.c) $(FE_CHANNEL_SRCS) xen-frontend/lane_plain.c xen-frontend/pci_id.c \
	$(addprefix $(GEN)/$(D)/, stubs.c entries.c)

# It must load anywhere, so it needs nothing but libc. Its fork handler outlives a dlclose, so it
# stays loaded.
$(eval $(call library,libnvidia-ml.so.1,$(FE_NVML_SRCS),,$(B)/lib/libvgproto.a \
	$(GEN)/$(D)/libnvidia-ml.map -Wl$(comma)-z$(comma)nodelete))
$(eval $(call install,$(B)/lib/libnvidia-ml.so.1,$(LIBDIR)/vgpu,644))

$(eval $(call unit_test,nvml-guest,tests/unit/nvml/guest_test.c tests/unit/nvml/fake_executor.c \
	$(FE_NVML_SRCS) \
	dom0-executor/channel_local.c dom0-executor/channel_range.c,,$(B)/lib/libvgproto.a))
