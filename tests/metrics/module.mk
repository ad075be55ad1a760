# SPDX-License-Identifier: MIT
# What goes with xen-vgpud's metrics. VGPU_BUILD's parent is where get-promtool leaves promtool.

ifneq ($(and $(HAVE_MICROHTTPD),$(HAVE_XENSTORE),$(HAVE_JSONC)),)
$(eval $(call unit_script,$(D)/check-metrics,$(B)/test/backend_metrics_test))
endif
