# SPDX-License-Identifier: MIT
# xl with vGPUs: the library that is loaded before libxl, and the wrapper that xl is called through.
# VGPU_TREE_SRCS comes from tools/module.mk, which is read first.

XL_DISTRIB ?= /usr/sbin/xl.distrib
XL_SRCS := $(addprefix $(D)/,preload.c guests.c devices.c specs.c)
ifneq ($(HAVE_XENSTORE),)
$(eval $(call library,vgpu-xl.so,$(XL_SRCS) $(VGPU_TREE_SRCS),\
	$(XENSTORE_CFLAGS) -include $(D)/xenstore_weak.h))
$(eval $(call install,$(B)/lib/vgpu-xl.so,$(LIBEXECDIR),644))
$(eval $(call install,docs/man/xl-vgpu.5,$(MANDIR)/man5,644))
# distrib/xl leads to where a package diverts the distribution's xl (dpkg-divert --rename), and nowhere
# without one. The wrapper is written here, so that it has the folders of this installation.
install:: tools/xl/xl.in
	install -d $(DESTDIR)$(LIBEXECDIR)/distrib
	ln -sfn $(XL_DISTRIB) $(DESTDIR)$(LIBEXECDIR)/distrib/xl
	sed 's|@LIBEXECDIR@|$(LIBEXECDIR)|;s|@SBINDIR@|$(SBINDIR)|' tools/xl/xl.in \
		>$(DESTDIR)$(LIBEXECDIR)/xl.new
	chmod 755 $(DESTDIR)$(LIBEXECDIR)/xl.new
	mv $(DESTDIR)$(LIBEXECDIR)/xl.new $(DESTDIR)$(LIBEXECDIR)/xl

# Its own functions are the test's; dlsym finds the fakes in a library behind it.
XL_FAKE_SRCS := tests/unit/tools/fake_libxl.c tests/unit/backend/fake_xs.c
$(eval $(call objects,test/libfakexl.so,$(XL_FAKE_SRCS),$(XENSTORE_CFLAGS) -fvisibility=default))
$(eval $(call link,$(B)/test/libfakexl.so,test/libfakexl.so,$(XL_FAKE_SRCS),,\
	-shared -Wl$(comma)-soname$(comma)libfakexl.so))
$(eval $(call unit_test,xl_test,tests/unit/tools/xl_test.c $(XL_SRCS) $(filter-out %/clock.c,$(VGPU_TREE_SRCS)),\
	$(XENSTORE_CFLAGS),$(B)/test/libfakexl.so -Wl$(comma)-rpath$(comma)'$$$$ORIGIN',$(ONE_THREAD)))
# An xl that is linked as the real one is, for the wrapper's test.
$(eval $(call objects,test/fake-xl,tests/unit/tools/fake_xl.c,$(XENSTORE_CFLAGS)))
$(eval $(call link,$(B)/test/fake-xl,test/fake-xl,tests/unit/tools/fake_xl.c,\
	$(B)/test/libfakexl.so -Wl$(comma)-rpath$(comma)'$$$$ORIGIN',-pie))
ALL += $(B)/test/fake-xl
$(eval $(call unit_script,tests/unit/tools/test-xl-wrapper,$(B)/test/fake-xl $(B)/lib/vgpu-xl.so))
endif
