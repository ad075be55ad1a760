# SPDX-License-Identifier: MIT
#
# The one build: non-recursive GNU make. `make help` lists the targets.
#
# Each folder with something to build has a module.mk, found by wildcard. In it, $(D) is its own
# folder (use it only in immediate contexts: in the arguments below, in := and in rule heads),
# sources are named from the repository's root, and these macros declare what is built:
#
#   $(eval $(call program,NAME,SOURCES,CFLAGS,LDLIBS))     -> $(B)/bin/NAME
#   $(eval $(call library,NAME.so.1,SOURCES,CFLAGS,LDLIBS))-> $(B)/lib/NAME.so.1, soname NAME.so.1
#   $(eval $(call archive,libNAME.a,SOURCES,CFLAGS))       -> $(B)/lib/libNAME.a
#   $(eval $(call unit_test,NAME,SOURCES,CFLAGS,LDLIBS,CONFIGS))   -> $(B)/test/NAME, run by check-unit; CONFIGS: all unless given
#       cmocka comes by itself.
#   $(eval $(call unit_script,SCRIPT,PREREQS,CONFIGS))  an executable script run by check-unit, by
#       default in the release configuration only
#   $(eval $(call local_test,SCRIPT,PREREQS,CONFIGS))  run by check-local; CONFIGS (default: all)
#       names the configurations it can run in, e.g. `release asan`.
#   $(eval $(call xen_test,SCRIPT,PREREQS))      run by check-xen, release only
#   $(eval $(call xen_long_test,SCRIPT,PREREQS)) run by check-xen-long, which `make check` leaves out
#   $(eval $(call soak_test,SCRIPT,PREREQS))  run by `make soak`, release only
#   $(eval $(call bench,SCRIPT,PREREQS))         run by `make bench`, release only
#   $(eval $(call generated,FILES,PREREQS,COMMAND))  files under $(GEN), made by one COMMAND; all of
#       them stand before the first object is compiled.
#   $(eval $(call install,FILES,DIRECTORY,MODE)) e.g. $(B)/bin/x,$(SBINDIR),755
#       What has an install folder's name in it names $(FOLDERS) as a prerequisite: that file
#       changes when PREFIX or another of them does.
#   $(eval $(call deb_test,SCRIPT,PREREQS))      run by check-deb, release only
#
# LDLIBS may name our own archives and libraries by path ($(B)/lib/libvgproto.a): they become
# prerequisites; a *.map in it is a version script. A CUDA program links $(CUDA_STUB). A comma in an argument is written $(comma). Objects are built per target, position independent, with hidden symbols; headers
# are found from the root (#include "protocol/wire.h") and from $(GEN), which mirrors the tree
# (protocol/module.mk generates $(GEN)/protocol/x.h). A test finds what was built in $VGPU_BUILD
# (= $(B)) and its own folder by itself. Tests speak the contract of tests/run.
#
# Packages: HAVE_x, x_CFLAGS and x_LIBS for x in XENSTORE XENGNTTAB XENEVTCHN XENFOREIGNMEMORY
# SECCOMP CAP LZ4 ZSTD SYSTEMD JSONC MICROHTTPD NCURSES CMOCKA LLVM; HAVE_NVCC, NVCC, CUDA_HOME, CUDA_H_CFLAGS (the folder
# of a toolkit's cuda.h, empty without one). PREFIX and the other install folders: see below.
#
# Variables for the user: CONFIG=release|asan|tsan, CC=gcc|clang, O=build, WERROR=1 (the default in
# a git checkout, empty elsewhere), V=1 prints the commands, EXTRA_CFLAGS.

CONFIG ?= release
O ?= build
V ?=
WERROR ?= $(if $(wildcard .git),1,)
EXTRA_CFLAGS ?=
JOBS ?= $(shell nproc)
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= python3
# build and $PWD/build are the same: the dependency files name the objects by it.
override O := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))

B := $(O)/$(CONFIG)$(if $(findstring clang,$(CC)),-clang)
GEN := $(B)/gen
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec/vgpu
DATADIR ?= $(PREFIX)/share/vgpu
INCLUDEDIR ?= $(PREFIX)/include/vgpu
DOCDIR ?= $(PREFIX)/share/doc/vgpu
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
MODULESDIR ?= $(PREFIX)/lib/modules-load.d
UDEVDIR ?= $(PREFIX)/lib/udev/rules.d
DESTDIR ?=
INSTALL_FOLDERS := PREFIX BINDIR SBINDIR LIBDIR LIBEXECDIR DATADIR INCLUDEDIR DOCDIR MANDIR COMPLETIONDIR \
	SYSCONFDIR UNITDIR SYSUSERSDIR TMPFILESDIR MODULESDIR UDEVDIR

# --- flags -------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wformat=2 -Wundef -Wwrite-strings $(if $(WERROR),-Werror)

HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
ifeq ($(CONFIG),release)
CONFIG_CFLAGS := -O2 -g $(HARDEN)
CONFIG_LDFLAGS :=
else ifeq ($(CONFIG),asan)
CONFIG_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DVG_ASAN=1
CONFIG_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(CONFIG),tsan)
# gcc says that its ThreadSanitizer does not model fences; those are for the process beyond, though.
CONFIG_CFLAGS := -O1 -g -fsanitize=thread -fno-omit-frame-pointer -DVG_TSAN=1 \
	$(if $(findstring clang,$(CC)),,-Wno-tsan)
CONFIG_LDFLAGS := -fsanitize=thread
else
$(error CONFIG=$(CONFIG): release, asan or tsan)
endif

ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CONFIG_CFLAGS) -fPIC -fvisibility=hidden \
	-pthread -I. -I$(GEN) $(EXTRA_CFLAGS)
ALL_LDFLAGS := $(CONFIG_LDFLAGS) -pthread -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed \
	-Wl,--build-id

# --- what this machine has ---------------------------------------------------------------------

# pkg NAME,pkg-config-name,fallback -l flags
define pkg
HAVE_$(1) := $$(shell pkg-config --exists $(2) 2>/dev/null && echo 1)
$(1)_CFLAGS := $$(if $$(HAVE_$(1)),$$(shell pkg-config --cflags $(2)))
$(1)_LIBS := $$(if $$(HAVE_$(1)),$$(shell pkg-config --libs $(2)),$(3))
endef
$(eval $(call pkg,XENSTORE,xenstore,-lxenstore))
$(eval $(call pkg,XENGNTTAB,xengnttab,-lxengnttab))
$(eval $(call pkg,XENEVTCHN,xenevtchn,-lxenevtchn))
$(eval $(call pkg,XENFOREIGNMEMORY,xenforeignmemory,-lxenforeignmemory))
$(eval $(call pkg,SECCOMP,libseccomp,-lseccomp))
$(eval $(call pkg,CAP,libcap,-lcap))
$(eval $(call pkg,LZ4,liblz4,-llz4))
$(eval $(call pkg,ZSTD,libzstd,-lzstd))
$(eval $(call pkg,SYSTEMD,libsystemd,-lsystemd))
$(eval $(call pkg,JSONC,json-c,-ljson-c))
$(eval $(call pkg,MICROHTTPD,libmicrohttpd,-lmicrohttpd))
$(eval $(call pkg,NCURSES,ncursesw,-lncursesw -ltinfo))
$(eval $(call pkg,CMOCKA,cmocka,-lcmocka))

LLVM_CONFIG ?= llvm-config-14
HAVE_LLVM := $(shell command -v $(LLVM_CONFIG) >/dev/null 2>&1 && echo 1)
# Its headers are C, not ours to mend: system headers. cppflags, since cflags carries -O2 -DNDEBUG.
LLVM_CFLAGS := $(if $(HAVE_LLVM),-isystem $(shell $(LLVM_CONFIG) --includedir))
LLVM_LIBS := $(if $(HAVE_LLVM),$(shell $(LLVM_CONFIG) --ldflags --libs --link-shared))

# The toolkit: $CUDA_HOME, the PATH, /usr/local/cuda, or the wheels that tests/programs/get-nvcc
# unpacked under $(O)/nvcc.
NVCC := $(firstword $(wildcard $(if $(CUDA_HOME),$(CUDA_HOME)/bin/nvcc)) \
	$(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc) \
	$(wildcard $(O)/nvcc/bin/nvcc))
HAVE_NVCC := $(if $(NVCC),1)
ifeq ($(CUDA_HOME),)
CUDA_HOME := $(if $(NVCC),$(abspath $(dir $(realpath $(NVCC)))..))
endif
CUDA_H := $(firstword $(wildcard $(CUDA_HOME)/include/cuda.h \
	$(CUDA_HOME)/targets/x86_64-linux/include/cuda.h /usr/include/cuda.h))
CUDA_H_CFLAGS := $(if $(CUDA_H),-isystem $(patsubst %/,%,$(dir $(CUDA_H))))

# --- the macros of module.mk -------------------------------------------------------------------

ALL :=
GENERATED :=
UNIT_TESTS :=
UNIT_PREREQS :=
LOCAL_TESTS :=
XEN_TESTS :=
XEN_LONG_TESTS :=
SOAK_TESTS :=
BENCHES :=
TEST_PREREQS :=
BENCH_PREREQS :=
INSTALLS :=
DEPFILES :=

objs = $(patsubst %,$(B)/obj/$(1)/%.o,$(2))
own = $(filter-out %.map,$(filter $(B)/%,$(1)))

# objects TARGET,SOURCES,CFLAGS: one rule a source (it may be generated: below $(GEN))
define objects
$(foreach s,$(2),$(call object,$(1),$(s),$(3)))
endef
define object
DEPFILES += $(B)/obj/$(1)/$(2).d
$(B)/obj/$(1)/$(2).o: $(2) $(D)/module.mk | generated
	$(call say,CC,$(1)/$(2))
	@mkdir -p $$(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(3) -MMD -MP -MF $$(@:.o=.d) -c $(2) -o $$@

endef

define program
$(call objects,$(1),$(2),$(3))
$(call link,$(B)/bin/$(1),$(1),$(2),$(4),-pie)
ALL += $(B)/bin/$(1)
endef

define library
$(call objects,$(1),$(2),$(3))
$(call link,$(B)/lib/$(1),$(1),$(2),$(4),-shared -Wl$(comma)-soname$(comma)$(1) $(if $(filter release,$(CONFIG)),-Wl$(comma)-z$(comma)defs))
ALL += $(B)/lib/$(1)
endef

# link OUTPUT,TARGET,SOURCES,LDLIBS,FLAGS
define link
$(1): $(call objs,$(2),$(3)) $(call own,$(4)) $(filter %.map,$(4))
	$(call say,LD,$(1))
	@mkdir -p $$(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(5) -o $$@ $(call objs,$(2),$(3)) $(filter-out %.map,$(4)) \
		$(patsubst %,-Wl$(comma)--version-script=%,$(filter %.map,$(4)))
endef

define archive
$(call objects,$(1),$(2),$(3))
$(B)/lib/$(1): $(call objs,$(1),$(2))
	$(call say,AR,$(B)/lib/$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)$(AR) rcs $$@ $(call objs,$(1),$(2))
ALL += $(B)/lib/$(1)
endef

# Configurations of tests whose programs have one thread: nothing for ThreadSanitizer to see.
ONE_THREAD := release asan

define unit_test
$(if $(filter $(CONFIG),$(or $(5),$(CONFIG))),$(unit_test_add))
endef
define unit_test_add
$(call objects,test/$(1),$(2),$(3) $(CMOCKA_CFLAGS))
$(call link,$(B)/test/$(1),test/$(1),$(2),$(4) $(CMOCKA_LIBS),-pie)
UNIT_TESTS += $(B)/test/$(1)
endef

define unit_script
$(if $(filter $(CONFIG),$(or $(3),release)),$(unit_script_add))
endef
define unit_script_add
UNIT_TESTS += $(1)
UNIT_PREREQS += $(2)
endef

define local_test
$(if $(3),$(if $(filter $(CONFIG),$(3)),$(local_test_add)),$(local_test_add))
endef
define local_test_add
LOCAL_TESTS += $(1)
TEST_PREREQS += $(2)
endef

define xen_test
XEN_TESTS += $(1)
TEST_PREREQS += $(2)
endef

define xen_long_test
XEN_LONG_TESTS += $(1)
TEST_PREREQS += $(2)
endef

define soak_test
SOAK_TESTS += $(1)
TEST_PREREQS += $(2)
endef

define deb_test
DEB_TESTS += $(1)
DEB_PREREQS += $(2)
endef

define bench
BENCHES += $(1)
BENCH_PREREQS += $(2)
endef

define generated
GENERATED += $(1)
$(1) &: $(2)
	$(call say,GEN,$(firstword $(1)))
	@mkdir -p $(sort $(dir $(1)))
	$(Q)$(3)
endef

define install
INSTALLS += $(1)
install:: $(1)
	install -d $(DESTDIR)$(2)
	install -m $(3) $(1) $(DESTDIR)$(2)
endef

comma := ,
empty :=
space := $(empty) $(empty)

# --- modules -----------------------------------------------------------------------------------

.PHONY: all help FORCE
all: build-all

# The install folders as they were at the last build.
FOLDERS := $(B)/folders
$(FOLDERS): FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach f,$(INSTALL_FOLDERS),'$f=$($f)') >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# A libcuda.so.1 to link CUDA programs against, by path: $(CUDA_STUB) among their LDLIBS. It has every
# name and does nothing; at run time the real one is found.
CUDA_STUB := $(B)/stub/libcuda.so.1
PROGRAM_STUB := $(CUDA_STUB)
$(CUDA_STUB): protocol/exports.txt tests/programs/mkstub
	$(call say,STUB,$@)
	$(Q)tests/programs/mkstub $@ $(CC) $<

MODULES := $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))
define include_module
D := $(patsubst %/,%,$(dir $(1)))
include $(1)
endef
$(foreach m,$(MODULES),$(eval $(call include_module,$(m))))

.PHONY: build-all generated build-tests
build-all: $(ALL) build-tests
build-tests: $(filter $(B)/%,$(UNIT_TESTS))
generated: $(GENERATED)

-include $(wildcard $(DEPFILES))

# --- tests -------------------------------------------------------------------------------------
# tests/run runs the tests of one suite and leaves build/logs/SUITE.json; `check` runs every part,
# goes on after a failure, and prints the sums last.

SUITE := $(if $(filter release,$(CONFIG)),,$(CONFIG)-)
RUN := VGPU_BUILD=$(abspath $(B)) VGPU_CONFIG=$(CONFIG) CC='$(CC)' PYTHON='$(PYTHON)' \
	NVCC='$(NVCC)' CUDA_HOME='$(CUDA_HOME)' $(PYTHON) tests/run --logs $(O)/logs
CHECK_PARTS ?= lint unit local asan tsan deb xen
SUBMAKE = $(MAKE) --no-print-directory

.PHONY: coverage coverage-table check soak check-xen-long check-lint check-unit check-local check-asan check-tsan check-deb check-xen demo bench lint
check: deb-deps nvcc nvml clients promtool
	@$(PYTHON) tests/run --logs $(O)/logs --parts '$(MAKE)' '$(JOBS)' "$(MAKEOVERRIDES)" $(CHECK_PARTS)

check-unit: build-all $(UNIT_PREREQS)
	@$(RUN) --suite $(SUITE)unit --timeout 300 $(UNIT_TESTS)

check-local: build-all $(TEST_PREREQS)
	@$(RUN) --suite $(SUITE)local --timeout 900 $(LOCAL_TESTS)

check-asan check-tsan: check-%:
	+@rc=0; for part in unit local; do \
		$(SUBMAKE) CONFIG=$* check-$$part || rc=1; done; exit $$rc

check-deb: build-all $(DEB_PREREQS)
	@tests/deps tests/deb/packages.txt
	+@$(SUBMAKE) deb
	@$(RUN) --suite deb --timeout 600 $(DEB_TESTS)

check-xen: build-all $(TEST_PREREQS)
	@$(RUN) --suite xen --timeout 1500 $(XEN_TESTS)

# What takes too long in software emulation for every run.
check-xen-long: build-all $(TEST_PREREQS)
	@$(RUN) --suite xen-long --timeout 5400 $(XEN_LONG_TESTS)

# Hours: many lives of devices and programs.
soak: build-all $(TEST_PREREQS)
	@$(RUN) --suite soak --timeout 21600 $(SOAK_TESTS)

check-lint lint: generated
	@$(RUN) --suite lint --timeout 900 $(sort $(wildcard tests/lint/check-*))

# What the programs call, measured, and docs/coverage.md from it.
coverage: build-all $(TEST_PREREQS)
	@VGPU_BUILD=$(abspath $(B)) VGPU_RUN_OPTIONS=--soft tests/programs/run-all local \
		--called tests/programs/called-local.txt </dev/null
	@$(PYTHON) protocol/emit_docs.py
coverage-table: generated
	@$(PYTHON) protocol/emit_docs.py
	@cp $(GEN)/docs/nvml-coverage.md docs/

bench-deps:
	@tests/deps packages-bench.txt
bench: deps bench-deps
	+@$(SUBMAKE) -j$(JOBS) bench-run
bench-run: build-all $(BENCH_PREREQS)
	@for b in $(BENCHES); do VGPU_BUILD=$(abspath $(B)) $$b </dev/null || [ $$? = 77 ] || exit 1; done

# The demonstration is a script: packages first (the build's probes must see them), then it.
demo: deb-deps nvcc
	+@$(SUBMAKE) -j$(JOBS) demo-run
demo-run: build-all $(TEST_PREREQS)
	@VGPU_BUILD=$(abspath $(B)) tests/xen/demo </dev/null

# --- the rest ----------------------------------------------------------------------------------

.PHONY: deps bench-deps nvcc nvml clients promtool install clean bench-run demo-run
deps:
	@tests/deps packages.txt

# A compiler for the CUDA C++ test programs, where none is installed.
nvcc: deps
	@$(if $(HAVE_NVCC),:,mkdir -p $(O) && tests/programs/get-nvcc $(O)/nvcc)

# A client of NVML and NVIDIA's header, for the tests of ours.
nvml: deps
	@mkdir -p $(O) && tests/programs/get-nvml $(O)/nvml

# Prometheus's own tool, for what goes with the metrics.
promtool: deps
	@mkdir -p $(O) && tests/metrics/get-promtool $(abspath $(O))/promtool

# numba and CuPy, for the tests that are their clients.
clients: deps
	@mkdir -p $(O)/clients && for client in numba cupy; do \
		tests/clients/get-client $$client $(O)/clients/$$client; done

install:: $(INSTALLS)

# All that `make install` installs.
.PHONY: build-install
build-install: $(INSTALLS)

# Debian packages, into $(DEBS). What has changed since is built first, with the folders that they have.
# deb-current makes them only if what goes into them has changed: the Xen tests install them.
DEBS := $(if $(filter $(O)/release,$(B)),$(O),$(B))/deb
DEB_FOLDERS := PREFIX=/usr UNITDIR=/lib/systemd/system UDEVDIR=/lib/udev/rules.d
.PHONY: deb deb-current deb-make deb-deps
deb: deb-deps
	+@$(SUBMAKE) -j$(JOBS) $(DEB_FOLDERS) deb-make
	@ls $(DEBS)/*.deb
deb-current: deb-deps
	+@$(SUBMAKE) -j$(JOBS) $(DEB_FOLDERS) deb-make DEB_WHEN=--if-changed
deb-make: $(INSTALLS)
	@mkdir -p $(O)/logs
	@debian/make-packages $(DEB_WHEN) $(O) $(CONFIG) '$(CC)' $(DEBS) $(INSTALLS) >$(O)/logs/deb.log 2>&1 || \
		{ tail -40 $(O)/logs/deb.log; exit 1; }

deb-deps: deps
	@tests/deps packages-deb.txt

clean:
	rm -rf $(O)

help:
	@echo 'make            build everything into $(B)'
	@echo 'make demo       on any Debian 12: Xen in QEMU, a guest, a vGPU, CUDA programs in the guest'
	@echo 'make check      the tests, but for check-xen-long; its parts: $(addprefix check-,$(CHECK_PARTS))'
	@echo 'make check-xen-long  more on real Xen: all programs in PV and PVH, hotplug, bad input'
	@echo 'make soak       hours: 200 attaches and detaches, 2000 program starts on real Xen'
	@echo 'make bench      what calls and real programs cost; round trips and copies against libxenvchan and memcpy'
	@echo 'make fuzz       FUZZ_SECONDS=60: what a hostile guest can put into a lane, and what a recording may hold, with libFuzzer'
	@echo 'make lint       clang-format, clang-tidy, cppcheck, shellcheck, layers, warnings'
	@echo 'make deps       install what is missing of packages.txt (no root needed if nothing is)'
	@echo 'make install    DESTDIR= PREFIX=/usr/local'
	@echo 'make deb        Debian packages, into $(O)/deb; installs what is missing of packages-deb.txt'
	@echo 'make clean      remove $(O)/'
	@echo 'Variables: CONFIG=release|asan|tsan CC=gcc|clang O=build WERROR=1 V=1 JOBS=N'
