# SPDX-License-Identifier: MIT
# vgpu, the administrator's command. What writes a device into xenstore is shared with xl/.

VGPU_TREE_SRCS := $(addprefix $(D)/,clock.c name.c socket.c tree.c wait.c) \
	xenstore-schema/schema.c xenstore-schema/settings.c xenstore-schema/store.c \
	$(GEN)/xenstore-schema/vgpu_schema.c
VGPU_SRCS := $(addprefix $(D)/,vgpu.c attach.c columns.c domain.c finding.c list.c process.c request.c value.c verify.c \
	verify_device.c verify_host.c verify_session.c) $(VGPU_TREE_SRCS)
ifneq ($(and $(HAVE_XENSTORE),$(HAVE_JSONC)),)
$(eval $(call program,vgpu,$(VGPU_SRCS),$(XENSTORE_CFLAGS) $(JSONC_CFLAGS) -DVG_LIBEXECDIR='"$(LIBEXECDIR)"',\
	$(B)/lib/libvgproto.a $(XENSTORE_LIBS) $(JSONC_LIBS)))
$(B)/obj/vgpu/$(D)/verify_device.c.o: $(FOLDERS)
$(eval $(call install,$(B)/bin/vgpu,$(SBINDIR),755))
$(eval $(call install,docs/man/vgpu.8,$(MANDIR)/man8,644))

$(eval $(call unit_test,vgpu_tree_test,tests/unit/tools/tree_test.c tests/unit/backend/fake_xs.c \
	$(filter-out %/clock.c,$(VGPU_TREE_SRCS)) tools/domain.c,$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a))
$(eval $(call unit_test,vgpu_columns_test,tests/unit/tools/columns_test.c tools/columns.c,$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),\
	$(B)/lib/libvgproto.a $(JSONC_LIBS)))
$(eval $(call unit_test,vgpu_verify_test,tests/unit/tools/verify_test.c $(addprefix $(D)/,finding.c value.c verify_session.c),\
	$(XENSTORE_CFLAGS) $(JSONC_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS)))
endif
