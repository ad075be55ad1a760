# SPDX-License-Identifier: MIT
# Clients of CUDA in Python, from PyPI, on the software device.

$(eval $(call objects,programs/replay,$(D)/replay.c))
$(eval $(call link,$(B)/programs/replay,programs/replay,$(D)/replay.c,$(B)/lib/libcheck.a $(PROGRAM_STUB) -lm,-pie))
ALL += $(B)/programs/replay

$(eval $(call local_test,$(D)/check-numba,$(B)/programs/replay,release))
$(eval $(call local_test,$(D)/check-cupy,,release))
