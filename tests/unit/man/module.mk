# SPDX-License-Identifier: MIT
# Manual pages: one for all that is installed for users, and true to what programs say of themselves.

$(eval $(call unit_script,$(D)/test-man,))
