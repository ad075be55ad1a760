# SPDX-License-Identifier: MIT
# The guest's libcuda.so.1.

LIBCUDA_SRCS := $(wildcard $(D)/*.c) $(FE_CHANNEL_SRCS) xen-frontend/pci_id.c \
	$(addprefix $(GEN)/$(D)/, stubs.c entries.c procs.c)

$(eval $(call unit_test,registry,tests/unit/guest/registry_test.c $(D)/handle.c $(D)/memory.c protocol/ordered.c))

# It must load anywhere, so it needs nothing but libc.
# Threads and their ends outlive a dlclose, so it stays loaded.
$(eval $(call library,libcuda.so.1,$(LIBCUDA_SRCS),,$(B)/lib/libvgproto.a $(GEN)/$(D)/libcuda.map \
	-Wl$(comma)-z$(comma)nodelete))
$(eval $(call install,$(B)/lib/libcuda.so.1,$(LIBDIR)/vgpu,644))
$(eval $(call install,docs/man/vgpu-environment.7,$(MANDIR)/man7,644))
