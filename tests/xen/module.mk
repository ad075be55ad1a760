# SPDX-License-Identifier: MIT
# Real Xen in QEMU: the agent that runs commands in dom0 and in guests. See docs/testing-on-xen.md.

$(eval $(call program,xentest-agent,$(addprefix $(D)/agent/,agent.c frame.c job.c)))
