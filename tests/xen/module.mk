# SPDX-License-Identifier: MIT
# Real Xen in QEMU: the agent that runs commands in dom0 and in guests, and the programs of the
# machinery's own test. See docs/testing-on-xen.md.

$(eval $(call program,xentest-agent,$(addprefix $(D)/agent/,agent.c frame.c job.c)))

ifneq ($(and $(HAVE_XENGNTTAB),$(HAVE_XENEVTCHN),$(HAVE_XENSTORE)),)
$(eval $(call program,selftest-dom0,$(D)/selftest/dom0.c,,$(XENGNTTAB_LIBS) $(XENEVTCHN_LIBS)))
$(eval $(call program,selftest-guest,$(D)/selftest/guest.c))
$(eval $(call program,gntalloc_used,$(D)/selftest/gntalloc_used.c))
endif
$(eval $(call program,kexec,$(D)/programs/kexec.c))
$(eval $(call program,ask,$(D)/programs/ask.c))
$(eval $(call program,tty,$(D)/programs/tty.c))

# They share one booted system; the last one shuts it down and is a test of that. Those of PVH guests want
# one of their own, with one processor: last.
XEN_SELFTEST := $(addprefix $(B)/bin/,xentest-agent selftest-dom0 selftest-guest gntalloc_used kexec ask tty)
$(eval $(call xen_test,$(D)/test_selftest.py,$(XEN_SELFTEST)))
$(foreach t,demo test_faults.py,$(eval $(call xen_test,$(D)/$t,$(XEN_SELFTEST) $(B)/programs/steady)))
$(eval $(call xen_test,$(D)/test_shutdown.py))
$(foreach t,programs_pv lives_pv driver_domain hotplug input quota crowd schema verify top trace replay xl programs_pvh lives_pvh faults_pvh hotplug_pvh,$(eval $(call xen_long_test,$(D)/test_$t.py,\
	$(XEN_SELFTEST) $(B)/programs/steady $(B)/programs/crowd $(B)/programs/stuck)))
$(eval $(call xen_long_test,$(D)/test_numba.py,$(XEN_SELFTEST) $(B)/programs/steady $(B)/programs/replay))
$(eval $(call xen_long_test,$(D)/test_shutdown.py))
$(foreach t,soak_cycles test_shutdown,$(eval $(call soak_test,$(D)/$t.py,$(XEN_SELFTEST))))

# Programs to be disturbed, which are no tests by themselves.
$(foreach p,steady crowd stuck,$(eval $(call objects,programs/$p,$(D)/programs/$p.c,$(PROGRAM_CFLAGS)))\
	$(eval $(call link,$(B)/programs/$p,programs/$p,$(D)/programs/$p.c,$(B)/lib/libcheck.a $(PROGRAM_STUB),-pie)))
ALL += $(addprefix $(B)/programs/,steady crowd stuck)
