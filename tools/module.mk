# SPDX-License-Identifier: MIT
# vgpu, the administrator's command. What writes a device into xenstore is shared with xl/.

VGPU_TREE_SRCS := $(addprefix $(D)/,clock.c name.c socket.c tree.c wait.c) \
	xenstore-schema/schema.c xenstore-schema/settings.c xenstore-schema/store.c \
	$(GEN)/xenstore-schema/vgpu_schema.c
VGPU_TOP_SRCS := top_ask.c top_gpu.c top_model.c top_sample.c top_view.c
VGPU_SRCS := $(addprefix $(D)/,vgpu.c attach.c domain.c list.c request.c show.c top.c $(VGPU_TOP_SRCS) \
	top_json.c top_plain.c $(if $(HAVE_NCURSES),top_draw.c top_graph.c top_screen.c,top_noscreen.c)) \
	$(VGPU_TREE_SRCS)
ifneq ($(and $(HAVE_XENSTORE),$(HAVE_JSONC)),)
$(eval $(call program,vgpu,$(VGPU_SRCS),$(XENSTORE_CFLAGS) $(JSONC_CFLAGS) $(NCURSES_CFLAGS),\
	$(B)/lib/libvgproto.a $(XENSTORE_LIBS) $(JSONC_LIBS) -lm -ldl $(if $(HAVE_NCURSES),$(NCURSES_LIBS))))
$(eval $(call install,$(B)/bin/vgpu,$(SBINDIR),755))
$(eval $(call install,docs/man/vgpu.8,$(MANDIR)/man8,644))

$(eval $(call unit_test,vgpu_tree_test,tests/unit/tools/tree_test.c tests/unit/backend/fake_xs.c \
	$(filter-out %/clock.c,$(VGPU_TREE_SRCS)) tools/domain.c,$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a))
endif
