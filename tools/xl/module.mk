# SPDX-License-Identifier: MIT
# xl with vGPUs: the library that is loaded before libxl, and the wrapper that xl is called through.
# VGPU_TREE_SRCS comes from tools/module.mk, which is read first.

XL_DISTRIB ?= /usr/sbin/xl.distrib
XL_SRCS := $(addprefix $(D)/,preload.c guests.c devices.c specs.c)
ifneq ($(HAVE_XENSTORE),)
$(eval $(call library,vgpu-xl.so,$(XL_SRCS) $(VGPU_TREE_SRCS),\
	$(XENSTORE_CFLAGS) -include $(D)/xenstore_weak.h))
$(eval $(call generated,$(GEN)/tools/xl/xl,$(D)/xl.in,\
	sed 's|@LIBEXECDIR@|$(LIBEXECDIR)|;s|@SBINDIR@|$(SBINDIR)|' $(D)/xl.in >$(GEN)/tools/xl/xl && \
	chmod 755 $(GEN)/tools/xl/xl))
$(eval $(call install,$(B)/lib/vgpu-xl.so,$(LIBEXECDIR),644))
$(eval $(call install,$(GEN)/tools/xl/xl,$(LIBEXECDIR),755))
$(eval $(call install,docs/man/xl-vgpu.5,$(MANDIR)/man5,644))
# Where a package diverts the distribution's xl to (dpkg-divert --rename); nothing otherwise.
install::
	install -d $(DESTDIR)$(LIBEXECDIR)/distrib
	ln -sfn $(XL_DISTRIB) $(DESTDIR)$(LIBEXECDIR)/distrib/xl

# Its own functions are the test's; dlsym finds the fakes in a library behind it.
XL_FAKE_SRCS := tests/unit/tools/fake_libxl.c tests/unit/backend/fake_xs.c
$(eval $(call objects,test/libfakexl.so,$(XL_FAKE_SRCS),$(XENSTORE_CFLAGS) -fvisibility=default))
$(eval $(call link,$(B)/test/libfakexl.so,test/libfakexl.so,$(XL_FAKE_SRCS),,\
	-shared -Wl$(comma)-soname$(comma)libfakexl.so))
$(eval $(call unit_test,xl_test,tests/unit/tools/xl_test.c $(XL_SRCS) $(filter-out %/clock.c,$(VGPU_TREE_SRCS)),\
	$(XENSTORE_CFLAGS),$(B)/test/libfakexl.so -Wl$(comma)-rpath$(comma)'$$$$ORIGIN'))
# An xl that is linked as the real one is, for the wrapper's test.
$(eval $(call objects,test/fake-xl,tests/unit/tools/fake_xl.c,$(XENSTORE_CFLAGS)))
$(eval $(call link,$(B)/test/fake-xl,test/fake-xl,tests/unit/tools/fake_xl.c,\
	$(B)/test/libfakexl.so -Wl$(comma)-rpath$(comma)'$$$$ORIGIN',-pie))
$(eval $(call unit_script,tests/unit/tools/test-xl-wrapper,$(B)/test/fake-xl $(B)/lib/vgpu-xl.so))
endif
