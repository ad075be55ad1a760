# SPDX-License-Identifier: MIT
# vgpu-executor, and its tests.

EX_PARTS := box call channel_local channel_range channel_xen context copy driver function graph \
	handle host_func host_memory info jit lane launch link memory module occupancy order output pointer \
	range reply session stats tensormap vmm
EX_SRCS := $(patsubst %,$(D)/%.c,$(EX_PARTS)) $(GEN)/dom0-executor/dispatch.c \
	$(GEN)/dom0-executor/driver_table.c
EX_JAIL_CFLAGS := $(if $(HAVE_SECCOMP),-DHAVE_SECCOMP=1 $(SECCOMP_CFLAGS))

$(eval $(call archive,libexecutor.a,$(EX_SRCS)))
$(eval $(call program,vgpu-executor,$(addprefix $(D)/,main.c settings.c jail.c),$(EX_JAIL_CFLAGS),\
	$(B)/lib/libexecutor.a $(B)/lib/libvgproto.a -ldl $(if $(HAVE_SECCOMP),$(SECCOMP_LIBS))))
$(eval $(call install,$(B)/bin/vgpu-executor,$(LIBEXECDIR),755))

$(eval $(call unit_test,ring_test,tests/unit/executor/ring_test.c,,$(B)/lib/libvgproto.a))

EX_HARNESS := $(addprefix tests/unit/executor/,harness.c garbage.c fake_driver.c)
EX_TEST_LIBS := $(B)/lib/libexecutor.a $(B)/lib/libvgproto.a -ldl
$(eval $(call unit_test,executor_dispatch_test,tests/unit/executor/dispatch_test.c $(EX_HARNESS),,\
	$(EX_TEST_LIBS)))
