# SPDX-License-Identifier: MIT
# bash completion.

$(eval $(call generated,$(GEN)/$(D)/vgpu,$(D)/fill $(D)/vgpu.in xenstore-schema/vgpu.schema,\
	$(D)/fill $(D)/vgpu.in xenstore-schema/vgpu.schema >$(GEN)/$(D)/vgpu))
$(eval $(call install,$(GEN)/$(D)/vgpu $(D)/vgpu-run $(D)/vgpu-replay,$(COMPLETIONDIR),644))
$(eval $(call unit_script,tests/unit/tools/completion-test,$(GEN)/$(D)/vgpu))
