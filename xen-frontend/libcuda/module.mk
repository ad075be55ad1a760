# SPDX-License-Identifier: MIT
# The guest's libcuda.so.1.

LIBCUDA_SRCS := $(wildcard $(D)/*.c) $(FE_CHANNEL_SRCS) \
	$(addprefix $(GEN)/$(D)/, stubs.c entries.c procs.c)

$(eval $(call unit_test,registry,tests/unit/guest/registry_test.c $(D)/handle.c $(D)/memory.c))

ifneq ($(and $(wildcard $(D)/launch.c),$(wildcard $(D)/tensormap.c),$(wildcard $(D)/graph.c),$(wildcard $(D)/link.c)),)
# It must load anywhere, so it needs nothing but libc.
$(eval $(call library,libcuda.so.1,$(LIBCUDA_SRCS),,$(B)/lib/libvgproto.a $(GEN)/$(D)/libcuda.map))
$(eval $(call install,$(B)/lib/libcuda.so.1,$(LIBDIR)/vgpu,644))
endif
