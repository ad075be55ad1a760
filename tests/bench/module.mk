# SPDX-License-Identifier: MIT
# Benchmarks: never run by `make check`.

$(eval $(call program,lane_bench,$(D)/lane_bench.c,,$(PROGRAM_STUB)))
$(eval $(call program,bench_calls,$(D)/calls.c,,$(PROGRAM_STUB)))
$(eval $(call bench,$(D)/calls-run,))
$(eval $(call program,bench_scale,$(D)/scale.c,,$(PROGRAM_STUB)))
$(eval $(call bench,$(D)/scale-run,))
$(eval $(call bench,$(D)/clients-run,))
ifneq ($(HAVE_XENGNTTAB),)
$(eval $(call program,vchan_bench,$(D)/vchan_bench.c,,-lxenvchan))
$(eval $(call program,disk_bench,$(D)/disk_bench.c))
$(eval $(call program,launch_bench,$(D)/launch_bench.c,,$(PROGRAM_STUB)))
$(eval $(call program,grant_bench,$(D)/grant_bench.c,$(XENGNTTAB_CFLAGS),$(XENGNTTAB_LIBS)))
$(eval $(call bench,$(D)/local,))
$(eval $(call bench,$(D)/on-xen,))
endif
