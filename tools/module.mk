# SPDX-License-Identifier: MIT
# vgpu, the administrator's command. What writes a device into xenstore is shared with xl/.

VGPU_TREE_SRCS := $(addprefix $(D)/,clock.c name.c socket.c tree.c wait.c) \
	xenstore-schema/schema.c xenstore-schema/settings.c xenstore-schema/store.c \
	$(GEN)/xenstore-schema/vgpu_schema.c
# The screen of vgpu top needs ncurses; without it there are tables only.
VGPU_COMMON_SRCS := $(addprefix $(D)/,vgpu.c answer.c attach.c columns.c domain.c finding.c gpu.c line.c list.c process.c replay.c request.c top.c top_ask.c top_gpu.c \
	top_json.c top_model.c top_plain.c top_sample.c top_view.c trace.c trace_chrome.c trace_clock.c trace_record.c \
	trace_show.c trace_summary.c trace_times.c value.c verify.c verify_device.c verify_gpu.c \
	verify_host.c verify_session.c) $(VGPU_TREE_SRCS)
VGPU_NOSCREEN_SRCS := $(VGPU_COMMON_SRCS) $(D)/top_noscreen.c
VGPU_SRCS := $(if $(HAVE_NCURSES),$(VGPU_COMMON_SRCS) $(addprefix $(D)/,top_draw.c top_graph.c top_screen.c),\
	$(VGPU_NOSCREEN_SRCS))
VGPU_CFLAGS := $(XENSTORE_CFLAGS) $(JSONC_CFLAGS) -DVG_LIBEXECDIR='"$(LIBEXECDIR)"'
VGPU_LIBS := $(B)/lib/libvgproto.a $(XENSTORE_LIBS) $(JSONC_LIBS) -lm -ldl
ifneq ($(and $(HAVE_XENSTORE),$(HAVE_JSONC)),)
$(eval $(call program,vgpu,$(VGPU_SRCS),$(VGPU_CFLAGS) $(NCURSES_CFLAGS),$(VGPU_LIBS) $(if $(HAVE_NCURSES),$(NCURSES_LIBS))))
$(B)/obj/vgpu/$(D)/verify_device.c.o: $(FOLDERS)
$(eval $(call install,$(B)/bin/vgpu,$(SBINDIR),755))
$(eval $(call install,docs/man/vgpu.8,$(MANDIR)/man8,644))

$(eval $(call unit_test,vgpu_tree_test,tests/unit/tools/tree_test.c tests/unit/backend/fake_xs.c \
	$(filter-out %/clock.c,$(VGPU_TREE_SRCS)) tools/domain.c,$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a,$(ONE_THREAD)))
$(eval $(call unit_test,vgpu_columns_test,tests/unit/tools/columns_test.c tools/columns.c,$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
$(eval $(call unit_test,vgpu_line_test,tests/unit/tools/line_test.c tools/line.c,,,$(ONE_THREAD)))
$(eval $(call unit_test,vgpu_verify_test,tests/unit/tools/verify_test.c $(addprefix $(D)/,answer.c finding.c value.c verify_session.c),\
	$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
# The fake NVML below is found by its path.
$(eval $(call unit_test,vgpu_gpu_test,tests/unit/tools/gpu_test.c \
	$(addprefix $(D)/,clock.c finding.c gpu.c process.c value.c verify_gpu.c),$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a $(JSONC_LIBS) -ldl,$(ONE_THREAD)))
$(B)/test/vgpu_gpu_test: | $(B)/test/nvml/libnvidia-ml.so.1
$(eval $(call unit_test,vgpu_trace_clock_test,tests/unit/tools/trace_clock_test.c $(D)/trace_clock.c,,-lm,$(ONE_THREAD)))
$(eval $(call unit_test,top_test,tests/unit/tools/top_test.c \
	$(addprefix $(D)/,value.c top_model.c top_sample.c top_view.c),$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a $(JSONC_LIBS) -lm,$(ONE_THREAD)))

$(eval $(call unit_script,tests/unit/tools/test-trace,$(B)/bin/vgpu,release asan))

# vgpu as it is without ncurses, and a GPU's library for it.
$(eval $(call objects,test/vgpu-noscreen,$(VGPU_NOSCREEN_SRCS),$(VGPU_CFLAGS)))
$(eval $(call link,$(B)/test/vgpu-noscreen,test/vgpu-noscreen,$(VGPU_NOSCREEN_SRCS),$(VGPU_LIBS),-pie))
$(eval $(call objects,test/fakenvml,tests/unit/tools/fake_nvml.c,-fvisibility=default))
$(eval $(call link,$(B)/test/nvml/libnvidia-ml.so.1,test/fakenvml,tests/unit/tools/fake_nvml.c,,\
	-shared -Wl$(comma)-soname$(comma)libnvidia-ml.so.1))
ALL += $(B)/test/vgpu-noscreen $(B)/test/nvml/libnvidia-ml.so.1
ifneq ($(HAVE_NCURSES),)
$(eval $(call unit_script,tests/unit/tools/test-top,$(B)/bin/vgpu $(B)/test/vgpu-noscreen \
	$(B)/test/nvml/libnvidia-ml.so.1,release asan))
endif
endif
