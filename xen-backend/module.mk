# SPDX-License-Identifier: MIT
# xen-vgpud. SCHEMA_STORE_SRCS comes from xenstore-schema/module.mk, which is read later (the
# modules are read in the order of their names), so it is named by its files here.

BACKEND_SCHEMA := xenstore-schema/schema.c xenstore-schema/settings.c xenstore-schema/store.c \
	$(GEN)/xenstore-schema/vgpu_schema.c
# What the daemon is made of, but for its main and the hypervisor's side, which tests replace.
BACKEND_SRCS := $(addprefix $(D)/,account.c adopt.c config.c counts.c ctlring.c device.c devices.c endpoint.c ending.c exposition.c history.c http_load.c listen.c live.c metrics.c probe.c pulse.c reload.c resume.c seats.c serve.c session.c \
	spawn.c state.c tools.c trace.c turn.c) $(BACKEND_SCHEMA)
BACKEND_CFLAGS := $(XENSTORE_CFLAGS) $(JSONC_CFLAGS) $(if $(HAVE_SYSTEMD),-DHAVE_SYSTEMD) \
	-DVG_LIBEXECDIR='"$(LIBEXECDIR)"' -DVG_SYSCONFDIR='"$(SYSCONFDIR)"'
BACKEND_LIBS := $(B)/lib/libvgproto.a $(XENSTORE_LIBS) $(JSONC_LIBS) $(if $(HAVE_SYSTEMD),$(SYSTEMD_LIBS))

ifneq ($(and $(HAVE_XENSTORE),$(HAVE_XENGNTTAB),$(HAVE_XENEVTCHN),$(HAVE_JSONC)),)
$(eval $(call program,xen-vgpud,$(BACKEND_SRCS) $(D)/main.c $(D)/link_xen.c,$(BACKEND_CFLAGS),\
	$(BACKEND_LIBS) $(XENGNTTAB_LIBS) $(XENEVTCHN_LIBS)))
$(eval $(call install,$(B)/bin/xen-vgpud,$(SBINDIR),755))
$(addprefix $(B)/obj/xen-vgpud/$(D)/,main.c.o config.c.o http_load.c.o): $(FOLDERS)
ifneq ($(HAVE_MICROHTTPD),)
# Loaded where metrics are switched on.
$(eval $(call library,xen-vgpud-http.so,$(D)/http.c,$(MICROHTTPD_CFLAGS),$(MICROHTTPD_LIBS)))
$(eval $(call install,$(B)/lib/xen-vgpud-http.so,$(LIBEXECDIR),644))
endif
$(eval $(call generated,$(GEN)/xen-backend/xen-vgpud.service,$(D)/conf/xen-vgpud.service.in $(FOLDERS),\
	sed 's|@SBINDIR@|$(SBINDIR)|' $(D)/conf/xen-vgpud.service.in \
	>$(GEN)/xen-backend/xen-vgpud.service))
$(eval $(call install,$(GEN)/xen-backend/xen-vgpud.service,$(UNITDIR),644))
$(eval $(call generated,$(GEN)/xen-backend/xen-vgpud.conf,$(D)/conf/xen-vgpud.conf $(FOLDERS),\
	sed 's|/usr/local/libexec/vgpu|$(LIBEXECDIR)|' $(D)/conf/xen-vgpud.conf \
	>$(GEN)/xen-backend/xen-vgpud.conf))
$(eval $(call install,$(GEN)/xen-backend/xen-vgpud.conf,$(SYSCONFDIR)/vgpu,644))
$(eval $(call install,$(D)/conf/sysusers.d/xen-vgpud.conf,$(SYSUSERSDIR),644))
$(eval $(call install,$(D)/conf/modules-load.d/xen-vgpud.conf,$(MODULESDIR),644))
$(eval $(call install,$(addprefix docs/metrics/,vgpu-dashboard.json vgpu.rules.yml vgpu-metrics.socket \
	vgpu-metrics.service),$(DOCDIR)/metrics,644))
$(eval $(call install,docs/man/xen-vgpud.8,$(MANDIR)/man8,644))
$(eval $(call install,docs/man/xen-vgpud.conf.5,$(MANDIR)/man5,644))
endif

$(eval $(call unit_test,backend_state_test,tests/unit/backend/state_test.c $(D)/state.c,,,$(ONE_THREAD)))
$(eval $(call unit_test,backend_ctlring_test,tests/unit/backend/ctlring_test.c $(D)/ctlring.c,,,$(ONE_THREAD)))
ifneq ($(and $(HAVE_XENSTORE),$(HAVE_JSONC)),)
$(eval $(call unit_test,backend_test,$(addprefix tests/unit/backend/,daemon_test.c rig.c \
	fake_executor.c fake_link.c fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
$(eval $(call unit_test,backend_joined_test,$(addprefix tests/unit/backend/,joined_test.c rig.c \
	fake_executor.c fake_link.c fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
ifneq ($(HAVE_MICROHTTPD),)
$(eval $(call unit_test,backend_metrics_test,$(addprefix tests/unit/backend/,metrics_test.c rig.c \
	fake_executor.c fake_link.c fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
endif
$(eval $(call unit_test,backend_list_test,$(addprefix tests/unit/backend/,list_test.c fake_link.c \
	fake_xs.c) tools/top_sample.c tools/value.c $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
$(eval $(call unit_test,backend_probe_test,$(addprefix tests/unit/backend/,probe_test.c rig.c \
	fake_executor.c fake_link.c fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS)))
$(eval $(call unit_test,backend_trace_test,$(addprefix tests/unit/backend/,trace_test.c rig.c \
	fake_executor.c fake_link.c fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
$(eval $(call unit_test,backend_tools_test,$(addprefix tests/unit/backend/,tools_test.c fake_link.c \
	fake_xs.c) $(BACKEND_SRCS),$(BACKEND_CFLAGS),$(B)/lib/libvgproto.a $(JSONC_LIBS),$(ONE_THREAD)))
endif
