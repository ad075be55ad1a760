# SPDX-License-Identifier: MIT
# vgpu-executor, and its tests.

EX_PARTS := account adopt array box call channel_local channel_range channel_xen context copy driver driver_id function gpus \
	graph green handle handover host_func host_memory info ipc jit lane launch launch_multi link logs look managed memop memory module node \
	node_get nvml nvml_ask nvml_call occupancy order output pointer pool pool_share range reply session share stats tell tensormap trace trace_pinned \
	texture usage vmm vmm_share
EX_SRCS := $(patsubst %,$(D)/%.c,$(EX_PARTS)) $(GEN)/dom0-executor/dispatch.c \
	$(GEN)/dom0-executor/driver_table.c $(GEN)/dom0-executor/nvml_dispatch.c
EX_JAIL_CFLAGS := $(if $(HAVE_SECCOMP),-DHAVE_SECCOMP=1 $(SECCOMP_CFLAGS))

$(eval $(call archive,libexecutor.a,$(EX_SRCS)))
$(eval $(call program,vgpu-executor,$(addprefix $(D)/,main.c settings.c jail.c),$(EX_JAIL_CFLAGS),\
	$(B)/lib/libexecutor.a $(B)/lib/libvgproto.a -ldl $(if $(HAVE_SECCOMP),$(SECCOMP_LIBS))))
$(eval $(call install,$(B)/bin/vgpu-executor,$(LIBEXECDIR),755))
$(eval $(call install,docs/man/vgpu-executor.8,$(MANDIR)/man8,644))

$(eval $(call unit_test,ring_test,tests/unit/executor/ring_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,executor_live_test,tests/unit/executor/live_test.c,,$(B)/lib/libvgproto.a))

EX_HARNESS := $(addprefix tests/unit/executor/,harness.c garbage.c fake_driver.c) \
	tests/fuzz/executor_fuzz.c
EX_TEST_LIBS := $(B)/lib/libexecutor.a $(B)/lib/libvgproto.a -ldl
$(eval $(call archive,libexecutortest.a,$(EX_HARNESS)))
$(eval $(call unit_test,executor_host_func_end_test,tests/unit/executor/host_func_end_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_dispatch_test,tests/unit/executor/dispatch_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_node_test,tests/unit/executor/node_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_quota_test,tests/unit/executor/quota_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_host_func_test,tests/unit/executor/host_func_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_logs_test,tests/unit/executor/logs_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_tell_test,tests/unit/executor/tell_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_trace_test,tests/unit/executor/trace_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_pool_share_test,tests/unit/executor/pool_share_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_handle_test,tests/unit/executor/handle_test.c,,$(EX_TEST_LIBS)))
$(eval $(call unit_test,executor_range_test,tests/unit/executor/range_test.c,,$(EX_TEST_LIBS)))

$(eval $(call unit_test,executor_session_test,tests/unit/executor/session_test.c,,\
	$(B)/lib/libexecutortest.a $(EX_TEST_LIBS)))

# `make fuzz`: clang's libFuzzer on the executor's lane and on recordings, for FUZZ_SECONDS each; what it finds stays in
# $(O)/fuzz. Everything is compiled for it in one go, apart from the other configurations.
FUZZ_SECONDS ?= 60
FUZZ_CC ?= $(firstword $(shell command -v clang clang-14 2>/dev/null))
FUZZ_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DVG_ASAN=1 -g -O1 -I. -I$(GEN) -pthread \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
EX_FUZZ_SRCS := $(EX_HARNESS) $(EX_SRCS) $(wildcard protocol/*.c) \
	$(addprefix $(GEN)/protocol/,call_fields.c errors.c op_names.c)
$(O)/fuzz/executor_fuzz: $(EX_FUZZ_SRCS) $(wildcard $(D)/*.h protocol/*.h tests/unit/executor/*.h) \
		| generated
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(EX_FUZZ_SRCS) -ldl -o $@
TRACE_FUZZ_SRCS := tests/fuzz/trace_file_fuzz.c protocol/crc32.c protocol/trace_file.c xen-frontend/replay/plan.c xen-frontend/replay/plan_copy.c \
	$(GEN)/protocol/op_names.c
$(O)/fuzz/trace_file_fuzz: $(TRACE_FUZZ_SRCS) $(wildcard protocol/*.h) | generated
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(TRACE_FUZZ_SRCS) -o $@
FUZZ_RUN = cd $(O)/fuzz && mkdir -p $(1) && ./$(1)_fuzz -max_total_time=$(FUZZ_SECONDS) \
	-max_len=16384 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 $(1)
.PHONY: fuzz
fuzz: $(O)/fuzz/executor_fuzz $(O)/fuzz/trace_file_fuzz
	$(call FUZZ_RUN,executor)
	$(call FUZZ_RUN,trace_file)
