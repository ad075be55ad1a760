# SPDX-License-Identifier: MIT
#
# The PTX engine: an archive for libcuda-soft and the tests. Link it with $(SOFT_PTX_LIBS).

SOFT_PTX := $(B)/lib/libsoftptx.a
SOFT_PTX_LIBS := $(SOFT_PTX) $(LLVM_LIBS) -lm -lpthread

$(eval $(call archive,libsoftptx.a,$(sort $(wildcard $(D)/*.c)),$(LLVM_CFLAGS)))
