# SPDX-License-Identifier: MIT
# libcuda-soft.so.1: the software CUDA device. Its compiler is a library of its own (ptx/module.mk).

SOFT_DIR := $(D)
SOFT_GEN := $(GEN)/$(D)
SOFT_CALLS := $(addprefix $(D)/, api.h variants.h old.h nvml.h)

$(eval $(call generated,$(SOFT_GEN)/errors.inc,$(D)/tables.py protocol/errors.tsv,\
	$(PYTHON) $(D)/tables.py errors protocol/errors.tsv > $(SOFT_GEN)/errors.inc))
$(eval $(call generated,$(SOFT_GEN)/entries.inc,$(D)/tables.py protocol/procaddress.tsv $(SOFT_CALLS),\
	$(PYTHON) $(D)/tables.py entries protocol/procaddress.tsv $(SOFT_CALLS) \
	> $(SOFT_GEN)/entries.inc))
$(eval $(call generated,$(SOFT_GEN)/soft.map,$(D)/tables.py $(SOFT_CALLS),\
	$(PYTHON) $(D)/tables.py map $(SOFT_CALLS) > $(SOFT_GEN)/soft.map))

# What is exported checks first, as the guest's library does; the driver's own functions are behind that.
$(eval $(call generated,$(SOFT_GEN)/names.h $(SOFT_GEN)/front.c,$(D)/front.py $(D)/tables.py $(SOFT_CALLS) \
	$(wildcard protocol/*.py protocol/*.api) protocol/exports.txt,\
	$(PYTHON) $(D)/front.py $(SOFT_GEN) $(SOFT_CALLS)))

# Its threads and signal handlers outlive a dlclose, so it stays loaded (nodelete).
SOFT_SRCS := $(sort $(wildcard $(D)/*.c)) $(SOFT_GEN)/front.c

$(eval $(call library,libcuda-soft.so.1,$(SOFT_SRCS),$(LZ4_CFLAGS) $(ZSTD_CFLAGS),\
	$(SOFT_GEN)/soft.map -Wl$(comma)--whole-archive $(B)/lib/libsoftptx.a -Wl$(comma)--no-whole-archive \
	$(B)/lib/libvgproto.a $(LZ4_LIBS) $(ZSTD_LIBS) -lm -Wl$(comma)-z$(comma)nodelete))
$(eval $(call install,$(B)/lib/libcuda-soft.so.1,$(LIBDIR)/vgpu,644))

# soft_test NAME: tests/unit/soft/NAME_test.c against the library itself
define soft_test
$(eval $(call unit_test,soft-$(1),tests/unit/soft/$(1)_test.c tests/unit/soft/kernels.c,,\
	$(B)/lib/libcuda-soft.so.1 -Wl$(comma)-rpath$(comma)$(abspath $(B)/lib)))
endef
SOFT_TESTS := $(patsubst tests/unit/soft/%_test.c,%,$(sort $(wildcard tests/unit/soft/*_test.c)))
$(foreach t,$(filter-out fatbin,$(SOFT_TESTS)),$(call soft_test,$t))

# What the library does not export is tested with its own sources.
$(eval $(call unit_test,soft-fatbin,tests/unit/soft/fatbin_test.c $(D)/fatbin.c,\
	$(LZ4_CFLAGS) $(ZSTD_CFLAGS),$(B)/lib/libvgproto.a $(LZ4_LIBS) $(ZSTD_LIBS)))
