# SPDX-License-Identifier: MIT
#
# The CUDA programs that the product is proven with: $(B)/programs/NAME. They are linked against a
# stub of libcuda.so.1 and find the real one at run time. README.md says what each proves.

PROGRAMS := $(patsubst $(D)/driver/%.c,%,$(sort $(wildcard $(D)/driver/*.c)))
PROGRAM_PTX := $(patsubst $(D)/ptx/%.ptx,%,$(sort $(wildcard $(D)/ptx/*.ptx)))
PROGRAM_CFLAGS := $(if $(CUDA_H),-DHAVE_CUDA_H $(CUDA_H_CFLAGS))

$(foreach p,$(PROGRAM_PTX),$(eval $(call generated,$(GEN)/$(D)/$p.ptx.h,$(D)/ptx/$p.ptx $(D)/embed,\
	$(D)/embed $(D)/ptx/$p.ptx $(GEN)/$(D)/$p.ptx.h)))

$(eval $(call archive,libcheck.a,$(D)/check.c $(D)/peer.c,$(PROGRAM_CFLAGS)))

define driver_program
$(call objects,programs/$(1),$(D)/driver/$(1).c,$(PROGRAM_CFLAGS))
$(call link,$(B)/programs/$(1),programs/$(1),$(D)/driver/$(1).c,$(B)/lib/libcheck.a $(CUDA_STUB) -lm,-pie)
ALL += $(B)/programs/$(1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call driver_program,$p)))

# Some once more with the default stream of each thread's own: all their calls are other symbols then.
PTDS_PROGRAMS := arrays batches callbacks copies graphmore graphnodes graphs launchex memory \
	memsets pitched streams
define ptds_program
$(call objects,programs/$(1)-ptds,$(D)/driver/$(1).c,$(PROGRAM_CFLAGS) -DCUDA_API_PER_THREAD_DEFAULT_STREAM)
$(call link,$(B)/programs/$(1)-ptds,programs/$(1)-ptds,$(D)/driver/$(1).c,$(B)/lib/libcheck.a $(CUDA_STUB) -lm,-pie)
ALL += $(B)/programs/$(1)-ptds
PROGRAMS += $(1)-ptds
endef
$(eval $(call generated,$(GEN)/$(D)/ptds.h,protocol/exports.txt,\
	sed -n 's/^\(cu.*\)_pt[sd][sz]$$$$/#define \1 &/p' protocol/exports.txt >$(GEN)/$(D)/ptds.h))
$(foreach p,$(PTDS_PROGRAMS),$(eval $(call ptds_program,$p)))

# --- CUDA C++ ----------------------------------------------------------------------------------
# Each in the way that a user compiles it: the static runtime, PTX for any device, machine code for
# one. vectoradd also with the shared runtime and with each way to pack a fatbin. They are no part
# of the product, so they are built without sanitizers, only for the release configuration and by its
# usual compiler.

CUDA_PROGRAMS := $(patsubst $(D)/cudart/%.cu,%,$(sort $(wildcard $(D)/cudart/*.cu)))
# What a kernel does to a graph is in the device runtime's library, which not every toolkit at hand has.
CUDA_DEVRT := $(if $(HAVE_NVCC),$(wildcard $(CUDA_HOME)/lib64/libcudadevrt.a $(CUDA_HOME)/lib/libcudadevrt.a))
NVCC_FLAGS_conditional := -rdc=true -lcudadevrt
CUDA_VARIANTS := shared plain packed lz4

NVCC_FLAGS := -O2 -std=c++17 -gencode arch=compute_75,code=compute_75 \
	-gencode arch=compute_90,code=sm_90
NVCC_FLAGS_shared := -cudart shared -Xlinker -rpath=$(CUDA_HOME)/lib64
NVCC_FLAGS_plain := -cudart static -Xfatbin -compress=false
NVCC_FLAGS_packed := -cudart static -Xfatbin -compress-all
# Since 12.8 nvcc compresses with zstd unless told to be fast; before that there was only LZ4.
NVCC_FLAGS_lz4 := -cudart static $(if $(HAVE_NVCC),$(if $(shell $(NVCC) --help | grep -e --compress-mode),\
	--compress-mode=speed))

# cuda_program NAME,SOURCE,FLAGS
define cuda_program
$(B)/programs/cudart-$(1): $(D)/cudart/$(2).cu $(D)/cudart/report.cuh
	$(call say,NVCC,$$@)
	@mkdir -p $$(@D)
	$(Q)$(NVCC) $(NVCC_FLAGS) $(3) -o $$@ $$<
CUDA_BUILT += $(B)/programs/cudart-$(1)
endef

CUDA_BUILT :=
ifeq ($(CONFIG)$(HAVE_NVCC)$(findstring clang,$(CC)),release1)
$(foreach p,$(filter-out $(if $(CUDA_DEVRT),,conditional),$(CUDA_PROGRAMS)),$(eval \
	$(call cuda_program,$p,$p,-cudart static $(NVCC_FLAGS_$p))))
$(foreach v,$(CUDA_VARIANTS),$(eval $(call cuda_program,vectoradd-$v,vectoradd,$(NVCC_FLAGS_$v))))
ALL += $(CUDA_BUILT)
endif

# What a complete build has, so that a test can say what is missing.
$(eval $(call generated,$(B)/programs/list,$(D)/module.mk $(wildcard $(D)/driver $(D)/cudart),\
	printf '%s\n' $(PROGRAMS) \
	$(if $(filter release,$(CONFIG)),$(patsubst %,cudart-%,$(CUDA_PROGRAMS) $(CUDA_VARIANTS:%=vectoradd-%))) \
	>$(B)/programs/list))

PROGRAM_FILES := $(addprefix $(B)/programs/,$(PROGRAMS)) $(CUDA_BUILT) $(B)/programs/list
$(eval $(call local_test,$(D)/check-soft,$(PROGRAM_FILES)))
$(eval $(call local_test,$(D)/check-local,$(PROGRAM_FILES)))
$(eval $(call local_test,$(D)/check-nvml,$(B)/programs/nvml))
$(eval $(call local_test,$(D)/check-nvml-py,,release))
$(eval $(call local_test,$(D)/check-smi,$(B)/programs/nvml,release))
# A library to show vgpu-probe's failures with.
$(eval $(call objects,fake/libcuda,$(D)/fake/libcuda.c))
$(eval $(call link,$(B)/fake/libcuda.so.1,fake/libcuda,$(D)/fake/libcuda.c,,-shared -Wl$(comma)-soname$(comma)libcuda.so.1))
ALL += $(B)/fake/libcuda.so.1
$(eval $(call local_test,$(D)/check-probe,$(B)/fake/libcuda.so.1,release))
$(eval $(call local_test,$(D)/check-jit-cache,$(B)/programs/jitcache))
$(eval $(call local_test,$(D)/check-replay,$(B)/bin/vgpu-replay $(addprefix $(B)/programs/,saxpy matmul graphs graphmore modules \
	threads streams memory memsets contexts errors faults textures reduce launchex batches arrays registered queries callbacks \
	graphnodes mapped managed)))
$(eval $(call local_test,$(D)/check-log,$(addprefix $(B)/programs/,saxpy errors copies graphs),release asan))
$(eval $(call local_test,$(D)/check-trace,$(B)/bin/vgpu $(addprefix $(B)/programs/,saxpy errors threads),release))
$(eval $(call local_test,$(D)/check-quota,$(B)/programs/quota))
$(eval $(call local_test,$(D)/check-peers,$(B)/programs/peers $(B)/programs/launchex))

# The differential test's program: every call of the spec, good and bad (differ/generate.py). What it prints is
# compared with itself on another way to the same driver. The generated file is large and not about speed.
DIFFER := $(GEN)/$(D)/differ/cases.c
$(eval $(call generated,$(DIFFER),$(D)/differ/generate.py $(D)/differ/values $(wildcard protocol/*.py protocol/*.api) \
	protocol/exports.txt,$(D)/differ/generate.py protocol/cuda.api protocol/exports.txt $(D)/differ/values $(DIFFER)))
DIFFER_SRCS := $(sort $(wildcard $(D)/differ/*.c)) $(DIFFER)
$(eval $(call objects,programs/differ,$(DIFFER_SRCS),-O1))
$(eval $(call link,$(B)/programs/differ,programs/differ,$(DIFFER_SRCS),$(B)/lib/libvgproto.a $(CUDA_STUB),-pie))
ALL += $(B)/programs/differ
$(eval $(call local_test,$(D)/check-errors,$(B)/programs/differ,release))
