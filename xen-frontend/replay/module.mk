# SPDX-License-Identifier: MIT
# vgpu-replay: plays recorded sessions.

$(eval $(call program,vgpu-replay,$(wildcard $(D)/*.c) $(FE_CHANNEL_SRCS) xen-frontend/lane_plain.c,,$(B)/lib/libvgproto.a))
$(eval $(call install,$(B)/bin/vgpu-replay,$(BINDIR),755))
$(eval $(call install,docs/man/vgpu-replay.1,$(MANDIR)/man1,644))

$(eval $(call unit_test,replay_map_test,tests/unit/replay/map_test.c $(addprefix $(D)/,map.c translate.c),,\
	$(B)/lib/libvgproto.a))
$(eval $(call unit_test,replay_plan_test,tests/unit/replay/plan_test.c tests/unit/trace_build.c \
	$(addprefix $(D)/,order.c plan.c plan_copy.c),,$(B)/lib/libvgproto.a))
# So that all compilers and analyzers see it; `make fuzz` builds it for itself.
$(eval $(call archive,libtracefuzz.a,tests/fuzz/trace_file_fuzz.c))
$(eval $(call unit_test,replay_region_test,tests/unit/replay/region_test.c $(addprefix $(D)/,map.c session.c) \
	$(FE_CHANNEL_SRCS) xen-frontend/lane_plain.c,,$(B)/lib/libvgproto.a))
