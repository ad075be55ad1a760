# SPDX-License-Identifier: MIT
# Unit tests of protocol/ that belong to no other folder.

$(eval $(call unit_test,image,tests/unit/image_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,spin,tests/unit/spin_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,spin_clock,tests/unit/spin_clock_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,account,tests/unit/account_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,offer,tests/unit/offer_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,ordered,tests/unit/ordered_test.c,,$(B)/lib/libvgproto.a \
	-Wl$(comma)--wrap=malloc -Wl$(comma)--wrap=reallocarray))
$(eval $(call unit_test,visible,tests/unit/visible_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_script,protocol/check_types.py,))
$(eval $(call unit_test,call_text,tests/unit/call_text_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,log,tests/unit/log_test.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,trace_file,tests/unit/trace_file_test.c tests/unit/trace_build.c,,$(B)/lib/libvgproto.a))
