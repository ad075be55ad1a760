# SPDX-License-Identifier: MIT
# Tests of NVML: the executor's side against a host's library that is made up here, the guest's side against an
# executor that lies, the built library's names, and the generator.

$(eval $(call unit_test,nvml-executor,$(D)/executor_test.c,,\
	$(B)/lib/libexecutortest.a $(B)/lib/libexecutor.a $(B)/lib/libvgproto.a -ldl))
$(eval $(call unit_test,nvml-export,$(D)/export_test.c,,-ldl))
$(B)/test/nvml-export: | $(B)/lib/libnvidia-ml.so.1
$(eval $(call unit_script,$(D)/test-nvmlgen,))
$(eval $(call unit_script,protocol/check_nvml_types.py,))
