# SPDX-License-Identifier: MIT
# What both sides share, and what is generated from the spec.

PROTO_GEN := $(addprefix $(GEN)/, protocol/handle_types.h protocol/calls.h protocol/cuda_proto.h \
	protocol/call_fields.c protocol/op_names.c protocol/errors.c xen-frontend/libcuda/calls.h \
	xen-frontend/libcuda/stubs.c xen-frontend/libcuda/entries.c xen-frontend/libcuda/procs.c \
	xen-frontend/libcuda/libcuda.map dom0-executor/calls.h dom0-executor/driver_table.c \
	dom0-executor/dispatch.c)

$(eval $(call generated,$(PROTO_GEN),$(wildcard $(D)/*.py $(D)/*.api $(D)/*.tsv $(D)/exports.txt),\
	$(PYTHON) $(D)/apigen.py $(D)/cuda.api $(GEN) && touch $(PROTO_GEN)))

NVML_GEN := $(addprefix $(GEN)/, protocol/nvml_ops.h protocol/nvml_proto.h xen-frontend/nvml/calls.h \
	xen-frontend/nvml/stubs.c xen-frontend/nvml/entries.c xen-frontend/nvml/libnvidia-ml.map \
	dom0-executor/nvml_calls.h dom0-executor/nvml_dispatch.c docs/nvml-coverage.md)

$(eval $(call generated,$(NVML_GEN),$(wildcard $(D)/*.py) $(D)/nvml.api $(D)/nvml_exports.txt,\
	$(PYTHON) $(D)/nvmlgen.py $(D)/nvml.api $(D)/nvml_exports.txt $(GEN) && touch $(NVML_GEN)))

PROTO_SRCS := $(addprefix $(D)/, account.c offer.c bell.c beside.c call_text.c call_walk.c conf.c trace_file.c crc32.c ring.c socket.c spin.c visible.c image.c journal.c log.c log_rate.c \
	context_storage.c export_table.c integrity.c md2.c ordered.c sha256.c) \
	$(addprefix $(GEN)/protocol/,call_fields.c errors.c op_names.c)
$(eval $(call archive,libvgproto.a,$(PROTO_SRCS)))

# For those who write another end of it: the formats, which stand alone, and the spec.
PROTO_PUBLIC := $(addprefix $(D)/,bounds.h control.h cuda_types.h handle.h nvml_types.h \
	nvml_wire.h session_info.h wire.h) \
	$(addprefix $(GEN)/protocol/,calls.h cuda_proto.h handle_types.h nvml_ops.h nvml_proto.h)
$(eval $(call install,$(PROTO_PUBLIC),$(INCLUDEDIR)/protocol,644))
$(eval $(call install,$(wildcard $(D)/cuda/*.h),$(INCLUDEDIR)/protocol/cuda,644))
$(eval $(call install,$(wildcard $(D)/nvml/*.h),$(INCLUDEDIR)/protocol/nvml,644))
$(eval $(call install,$(addprefix $(D)/,cuda.api memory.api nvml.api errors.tsv procaddress.tsv),$(DATADIR),644))

$(eval $(call unit_script,tests/unit/apigen/test-apigen))
$(eval $(call unit_script,tests/unit/apigen/test-coverage))
