# SPDX-License-Identifier: MIT
# Clients of CUDA in Python, from PyPI, on the software device.

$(eval $(call local_test,$(D)/check-numba,,release))
$(eval $(call local_test,$(D)/check-cupy,,release))
