# SPDX-License-Identifier: MIT
# Tests of the PTX engine. What nvcc makes of kernels.cu is tested where there is an nvcc.

PTX_TESTS := $(patsubst $(D)/%_test.c,%,$(sort $(wildcard $(D)/*_test.c)))

# Those of exec have threads.
$(foreach t,$(PTX_TESTS),$(eval $(call unit_test,ptx-$t,$(D)/$t_test.c $(D)/harness.c,,$(SOFT_PTX_LIBS),$(if $(filter exec,$t),,$(ONE_THREAD)))))

ifneq ($(HAVE_NVCC),)
PTX_NVCC_FILES := $(foreach f,sm_75 sm_90 sm_80-G,$(B)/test/ptx/$f.ptx)
$(PTX_NVCC_FILES): PTX_CU := $(D)/kernels.cu
$(PTX_NVCC_FILES): $(B)/test/ptx/%.ptx: $(D)/kernels.cu
	$(call say,NVCC,$@)
	@mkdir -p $(@D)
	$(Q)$(NVCC) -std=c++17 -ptx -arch=$(firstword $(subst -, ,$*)) $(if $(findstring -G,$*),-G) \
		-ccbin $(firstword $(filter-out clang%,$(CC)) g++) $(PTX_CU) -o $@
UNIT_PREREQS += $(PTX_NVCC_FILES)
endif
