# SPDX-License-Identifier: MIT
# The packages that `make deb` makes.

$(foreach t,files install units,$(eval $(call deb_test,$(D)/test_$t.py,$(B)/programs/saxpy $(CUDA_STUB))))
