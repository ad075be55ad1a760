# SPDX-License-Identifier: MIT
#
# The PTX engine, and its compiler apart (jit.h): the only part that needs LLVM. libcuda-soft holds the engine and
# loads the compiler from libcuda-soft-jit.so; the tests link both with $(SOFT_PTX_LIBS).

SOFT_JIT_SRCS := $(sort $(wildcard $(D)/gen*.c)) $(D)/jit.c

$(eval $(call archive,libsoftptx.a,$(filter-out $(SOFT_JIT_SRCS) $(D)/jit_linked.c,$(sort $(wildcard $(D)/*.c))),-fvisibility=default))
$(eval $(call archive,libsoftjit.a,$(SOFT_JIT_SRCS) $(D)/jit_linked.c,$(LLVM_CFLAGS)))

$(eval $(call library,libcuda-soft-jit.so,$(SOFT_JIT_SRCS),$(LLVM_CFLAGS),\
	$(B)/lib/libcuda-soft.so.1 $(LLVM_LIBS) -lm -Wl$(comma)-z$(comma)nodelete))
$(eval $(call install,$(B)/lib/libcuda-soft-jit.so,$(LIBDIR)/vgpu,644))

SOFT_PTX_LIBS := -Wl,--start-group $(B)/lib/libsoftptx.a $(B)/lib/libsoftjit.a -Wl,--end-group $(LLVM_LIBS) -lm -lpthread
