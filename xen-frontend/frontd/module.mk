# SPDX-License-Identifier: MIT
# The client's end of the channel (libcuda links it too) and the guest's broker.

# Sorted before libcuda's module.mk, which uses this.
FE_CHANNEL_SRCS := xen-frontend/channel.c xen-frontend/channel_local.c xen-frontend/channel_xen.c
CHANNEL_PROTO_SRCS := protocol/socket.c protocol/bell.c

# What the broker is made of, but for its main and the hypervisor's side, which tests replace.
FRONTD_SCHEMA := xenstore-schema/schema.c xenstore-schema/store.c \
	$(GEN)/xenstore-schema/vgpu_schema.c
FRONTD_SRCS := $(addprefix $(D)/,account.c choose.c client.c ctlring.c device.c devices.c offer.c options.c probe.c resume.c) $(FRONTD_SCHEMA)

ifneq ($(HAVE_XENSTORE),)
$(eval $(call program,vgpu-frontd,$(FRONTD_SRCS) \
	$(addprefix $(D)/,main.c clock.c grants.c listener.c notify.c),\
	$(XENSTORE_CFLAGS) -DVG_SYSCONFDIR='"$(SYSCONFDIR)"' -DVG_BINDIR='"$(BINDIR)"',\
	$(B)/lib/libvgproto.a $(XENSTORE_LIBS)))
$(addprefix $(B)/obj/vgpu-frontd/$(D)/,main.c.o options.c.o): $(FOLDERS)
$(eval $(call install,$(B)/bin/vgpu-frontd,$(SBINDIR),755))

$(eval $(call generated,$(GEN)/xen-frontend/vgpu-frontd.service,$(D)/conf/vgpu-frontd.service.in $(FOLDERS),\
	sed 's|@SBINDIR@|$(SBINDIR)|' $(D)/conf/vgpu-frontd.service.in \
	>$(GEN)/xen-frontend/vgpu-frontd.service))
$(eval $(call install,$(GEN)/xen-frontend/vgpu-frontd.service,$(UNITDIR),644))
$(eval $(call install,$(D)/conf/vgpu-frontd.conf,$(SYSCONFDIR)/vgpu,644))
$(eval $(call install,$(D)/conf/60-vgpu.rules,$(UDEVDIR),644))
$(eval $(call install,$(D)/conf/sysusers.d/vgpu-frontd.conf,$(SYSUSERSDIR),644))
$(eval $(call install,$(D)/conf/modules-load.d/vgpu-frontd.conf,$(MODULESDIR),644))
$(eval $(call install,docs/man/vgpu-frontd.8,$(MANDIR)/man8,644))
$(eval $(call install,docs/man/vgpu-frontd.conf.5,$(MANDIR)/man5,644))
endif

$(eval $(call unit_test,channel_test,tests/unit/channel_test.c $(FE_CHANNEL_SRCS) \
	dom0-executor/channel_local.c dom0-executor/channel_range.c $(CHANNEL_PROTO_SRCS)))
$(eval $(call unit_test,channel_xen_test,tests/unit/channel_xen_test.c \
	dom0-executor/channel_xen.c dom0-executor/channel_range.c $(CHANNEL_PROTO_SRCS),,\
	-Wl$(comma)--wrap=open -Wl$(comma)--wrap=ioctl))

ifneq ($(HAVE_XENSTORE),)
$(eval $(call unit_test,frontd_test,$(wildcard tests/unit/frontd/*.c) \
	tests/unit/backend/fake_xs.c $(FRONTD_SRCS),\
	$(XENSTORE_CFLAGS),$(B)/lib/libvgproto.a,$(ONE_THREAD)))
endif
