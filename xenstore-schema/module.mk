# SPDX-License-Identifier: MIT
# The schema's generated tables and document, and what reads xenstore by them.

SCHEMA_GEN := $(addprefix $(GEN)/,xenstore-schema/vgpu_schema.h xenstore-schema/vgpu_schema.c \
	docs/xenstore-paths.md)
$(eval $(call generated,$(SCHEMA_GEN),$(D)/vgpu.schema $(D)/schemagen.py,\
	$(PYTHON) $(D)/schemagen.py $(D)/vgpu.schema --header $(GEN)/xenstore-schema/vgpu_schema.h \
	--tables $(GEN)/xenstore-schema/vgpu_schema.c --document $(GEN)/docs/xenstore-paths.md))

SCHEMA_SRCS := $(D)/schema.c $(D)/settings.c $(GEN)/xenstore-schema/vgpu_schema.c

ifneq ($(HAVE_XENSTORE),)
$(eval $(call program,vgpu-schema-check,$(SCHEMA_SRCS) $(D)/store.c $(D)/check.c,\
	$(XENSTORE_CFLAGS),$(XENSTORE_LIBS)))
$(eval $(call install,$(B)/bin/vgpu-schema-check,$(LIBEXECDIR),755))
$(eval $(call install,docs/man/vgpu-schema-check.8,$(MANDIR)/man8,644))
endif

$(eval $(call install,$(GEN)/docs/xenstore-paths.md,$(DOCDIR),644))
$(eval $(call install,$(D)/vgpu.schema,$(DATADIR),644))
$(eval $(call install,$(GEN)/xenstore-schema/vgpu_schema.h,$(INCLUDEDIR)/xenstore-schema,644))

.PHONY: docs
docs: $(GEN)/docs/xenstore-paths.md
	@mkdir -p $(O)/docs
	@cp $^ $(O)/docs

$(eval $(call unit_test,schema_settings_test,tests/unit/schema/settings_test.c $(SCHEMA_SRCS),,,$(ONE_THREAD)))
$(eval $(call unit_script,tests/unit/schema/schemagen-test,))
