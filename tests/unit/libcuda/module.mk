# SPDX-License-Identifier: MIT
# Tests of libcuda's hand-written halves against a fake executor, and of the built library's names.

FE := xen-frontend/libcuda
FE_STATE_SRCS := $(D)/fake.c $(addprefix $(FE)/, context.c context_primary.c context_stack.c \
	context_storage.c device.c handle.c stream_context.c) xen-frontend/pci_id.c protocol/context_storage.c

$(eval $(call unit_test,libcuda-context,$(D)/context_test.c $(FE_STATE_SRCS)))
$(eval $(call unit_test,libcuda-launch,$(D)/launch_test.c $(FE_STATE_SRCS) \
	$(addprefix $(FE)/, function.c launch.c params.c)))
$(eval $(call unit_test,libcuda-callback,$(D)/callback_test.c $(FE)/callback.c))
$(eval $(call unit_test,libcuda-crew,$(D)/crew_test.c $(FE)/crew.c,,$(B)/lib/libvgproto.a \
	-Wl$(comma)--wrap=sched_getaffinity -Wl$(comma)--wrap=pthread_create))
$(eval $(call unit_test,libcuda-stage,$(D)/stage_test.c $(FE_STATE_SRCS) $(FE)/stage.c $(FE)/crew.c,,\
	$(B)/lib/libvgproto.a -Wl$(comma)--wrap=sched_getaffinity))
$(eval $(call unit_test,libcuda-order,$(D)/order_test.c $(FE_STATE_SRCS) $(FE)/order.c))
FE_MODULE_SRCS := $(D)/fake_link.c $(FE_STATE_SRCS) \
	$(addprefix $(FE)/, code.c jit.c jit_store.c image_source.c module.c)
$(eval $(call unit_test,libcuda-jit,$(D)/jit_test.c $(FE_MODULE_SRCS),,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,libcuda-code,$(D)/code_test.c $(FE_MODULE_SRCS),,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,libcuda-logs,$(D)/logs_test.c $(FE)/logs.c,,$(B)/lib/libvgproto.a))
$(eval $(call unit_test,libcuda-integrity,$(D)/integrity_test.c protocol/integrity.c protocol/md2.c))
$(eval $(call unit_test,libcuda-entry,$(D)/entry_test.c,,-ldl))
$(B)/test/libcuda-entry: | $(B)/lib/libcuda.so.1
$(eval $(call unit_test,libcuda-halves,$(D)/halves_test.c $(FE_STATE_SRCS) \
	$(addprefix $(FE)/, capture.c event.c function.c image_source.c jit.c launch.c link.c \
		occupancy.c params.c pool.c stream.c tensormap.c wait.c),,$(B)/lib/libvgproto.a))
