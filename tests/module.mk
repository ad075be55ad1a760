# SPDX-License-Identifier: MIT
# Tests of the tests' own machinery.

$(eval $(call unit_script,$(D)/runner-test))
