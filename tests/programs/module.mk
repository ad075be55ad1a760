# SPDX-License-Identifier: MIT
#
# The CUDA programs that the product is proven with: $(B)/programs/NAME. They are linked against a
# stub of libcuda.so.1 and find the real one at run time. README.md says what each proves.

PROGRAMS := $(patsubst $(D)/driver/%.c,%,$(sort $(wildcard $(D)/driver/*.c)))
PROGRAM_PTX := $(patsubst $(D)/ptx/%.ptx,%,$(sort $(wildcard $(D)/ptx/*.ptx)))
PROGRAM_STUB := $(B)/programs/stub/libcuda.so.1
PROGRAM_CFLAGS := $(if $(CUDA_H),-DHAVE_CUDA_H $(CUDA_H_CFLAGS))

$(foreach p,$(PROGRAM_PTX),$(eval $(call generated,$(GEN)/$(D)/$p.ptx.h,$(D)/ptx/$p.ptx $(D)/embed,$(D)/embed $(D)/ptx/$p.ptx $(GEN)/$(D)/$p.ptx.h)))

$(eval $(call archive,libcheck.a,$(D)/check.c,$(PROGRAM_CFLAGS)))

PROGRAM_OBJS :=
define driver_program
$(call objects,programs/$(1),$(D)/driver/$(1).c,$(PROGRAM_CFLAGS))
PROGRAM_OBJS += $(call objs,programs/$(1),$(D)/driver/$(1).c)
$(call link,$(B)/programs/$(1),programs/$(1),$(D)/driver/$(1).c,$(B)/lib/libcheck.a $(PROGRAM_STUB) -lm,-pie)
ALL += $(B)/programs/$(1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call driver_program,$p)))

$(PROGRAM_STUB): $(PROGRAM_OBJS) $(B)/lib/libcheck.a $(D)/mkstub
	$(call say,STUB,$@)
	$(Q)tests/programs/mkstub $@ $(CC) $(filter %.o %.a,$^)
