# SPDX-License-Identifier: MIT
# The packages that `make deb` makes.

$(foreach t,files install units dom0,$(eval $(call deb_test,$(D)/test_$t.py,$(B)/programs/saxpy $(B)/bin/ask $(CUDA_STUB))))
