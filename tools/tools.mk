# What runs on a developer's or operator's machine: beds, tests, benchmarks, images.
# A line that starts with `##` is a line of `make help`.
JOBS   := $(shell nproc 2>/dev/null || echo 2)
CPUS   ?= 4
MEMORY ?= $(if $(filter P,$(BED)),768,512)
# Bed Q has AMD only; bed P, slower, has both (Intel when not said), and counters that count.
VENDOR ?=
ON_P   := $(or $(VENDOR),intel)
BED    ?= $(if $(filter intel,$(VENDOR)),P,Q)
# ACCEL=kvm: bed Q on this machine's own virtualization, whichever vendor's.
ACCEL  ?=

##   make             build/cede.efi, and build/hv.elf inside it
##   make run         a Linux shell on an emulated machine under Cede; CPUS=4 MEMORY=512 VENDOR=amd|intel BED=Q|P;
##                    ACCEL=kvm: on this machine's own KVM, nested; without a terminal, stdin's lines are typed
##                    there, and the machine ends with them
##   make demo        perf bare and under Cede, narrated; VENDOR=amd|intel
##   make test        lint, unit tests, bed tests, bench; at most 45 minutes on 2 cores
##   make lint        formatting, static analysis, layers, documents
##   make test-unit   unit tests and bounded fuzzing, on this machine
##   make test-bed    tests on emulated machines, bare and under Cede; TESTS='pattern ...' for some
##   make mutants     which changes of the code no unit test notices; 15 minutes
##   make soak        the tests that take hours
##   make bench       what an exit costs, in instructions
##   make bench-record  what perf record -F 1000 costs in a Linux guest, on both vendors; 10 minutes
##   make image       build/cede.img, to be written to a USB stick; SELFTEST=yes: build/cede-selftest.img, which
##                    tests the machine that it boots on (docs/hardware.md)
##   make usb         writes it; DEV=/dev/sdX SELFTEST=yes
##   make clean       removes build/
.PHONY: help
help:
	@echo "Cede, targets:"; sed -n 's/^##//p' tools/tools.mk tools/[cgp]*.mk

# --- a Linux guest --------------------------------------------------------------------------------
LINUX       := $(BUILD)/linux
LINUX_FILES := $(LINUX)/initrd.gz
LINUX_NEEDS := tools/linux tools/debian-kernel.sh tools/lib.sh $(shell find tools/linux-init tools/linux-module -type f ! -name "*_test.c") \
               hv/include/hypercall.h hv/include/kept.h guest-tests/lib/kept_text.h

$(LINUX)/initrd.gz: $(LINUX_NEEDS)
	tools/linux $(LINUX)

.PHONY: run run-now
run:
	@tools/setup run
	@$(MAKE) --no-print-directory -j$(JOBS) run-now

# On bed P the shell has Debian's perf.
PERF_GZ    := $(BUILD)/tools/pmu-bochs/perf.gz
# Without a terminal, lines of stdin are typed at the shell's prompts, and its end is the machine's.
RUN_PROMPT := --prompt '[\r\n]([/~]\S* \#|>) '
RUN_ON_Q   := $(if $(ACCEL),--accel $(ACCEL)) --options 'console=ttyS0 initrd=\initrd.gz'
RUN_ON_N   := --options 'console=ttyS0 initrd=\initrd.gz'
RUN_ON_P   := --vendor $(ON_P) --add $(PERF_GZ)=perf.gz \
              --options 'console=ttyS0,115200 tsc=reliable initrd=\initrd.gz initrd=\perf.gz'

run-now: $(BUILD)/cede.efi $(LINUX_FILES) $(if $(filter P,$(BED)),$(PERF_GZ))
	@tools/bed $(BED) --interactive $(RUN_PROMPT) --cpus $(CPUS) --memory $(MEMORY) --add $(LINUX)/initrd.gz=initrd.gz \
	   $(RUN_ON_$(BED)) $(LINUX)/vmlinuz

.PHONY: demo demo-now
demo:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) demo-now

demo-now: $(BUILD)/cede.efi $(BUILD)/launch.efi $(LINUX_FILES) $(PERF_GZ)
	@tools/demo $(BUILD) $(ON_P)

# --- lint -----------------------------------------------------------------------------------------
C_FILES    := $(shell find boot guest-tests hv tools -name '*.[ch]' 2>/dev/null | sort)
SH_FILES   := tools/setup tools/linux tools/debian-kernel.sh tools/nested/build tools/demo tools/foreign tools/image \
              tools/sign-image tools/usb tools/usb_selftest tools/test-elsewhere tools/lib.sh .ci/run
# Why each check is off is said in tools/cppcheck.suppressions.
CPPCHECK   := cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability,performance \
              --inline-suppr --suppressions-list=tools/cppcheck.suppressions --error-exitcode=1 -j $(JOBS) \
              -Ihv/include -Ihv -Iboot -Iguest-tests/lib

LINTS := lint-format lint-c lint-sh lint-python lint-docs lint-fast-path lint-layers

.PHONY: lint $(LINTS)
lint:
	@tools/setup test
	@$(MAKE) --no-print-directory -k $(LINTS)

lint-format:
	@clang-format --dry-run -Werror $(C_FILES)

lint-c:
	@$(CPPCHECK) $(filter %.c,$(filter-out tools/linux-module/% tools/nested/module/%,$(C_FILES)))

lint-sh:
	@shellcheck -S warning -x -P tools -s bash $(SH_FILES)
	@shellcheck -S warning -s dash -e SC3043 tools/linux-init/etc/rc tools/linux-init/tests/* tools/nested/init

lint-python:
	@pyflakes3 tools/bed tools/run-tests tools/bench tools/bench-record tools/bed_selftest tools/bedlib \
	   tools/layers tools/layers_selftest tools/lint-docs tools/mutants tools/report tools/report_lib tools/report_selftest tools/test-report \
	   tools/test-stick

# Width of prose; files that documents and comments name.
lint-docs:
	@tools/lint-docs

# Which room knows which: hv/layers, boot/layers.
lint-layers: all
	@tools/layers $(BUILD)

# --- tests ----------------------------------------------------------------------------------------
FOREIGN := $(BUILD)/foreign/.done

$(FOREIGN): tools/foreign tools/lib.sh $(wildcard tools/foreign.d/*) $(LINUX_FILES)
	tools/foreign $(BUILD)/foreign
	@touch $@

.PHONY: test test-bed test-tools mutants soak test-needs
test-needs: $(BUILD)/cede.efi $(BUILD)/faulty/cede.efi $(BUILD)/launch.efi $(BUILD)/cede.img $(BUILD)/cede-selftest.img $(LINUX_FILES) $(FOREIGN) guest-tests $(PERF_GZ) \
    $(BUILD)/signed/cede.efi $(BUILD)/signed/launch.efi $(BUILD)/shell-disk.img

test:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) all test-needs
	@tools/run-tests --step lint --step test-unit --step test-tools \
	    --beside test-pmu-model-now --beside test-guests-short --beside test-console-short --beside test-elsewhere \
	    --beside test-stick \
	    --beside bench

test-bed:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-needs
	@tools/run-tests $(if $(TESTS),-- $(TESTS))

mutants:
	@tools/setup test
	@tools/mutants

soak:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-needs
	@$(MAKE) --no-print-directory test-unit FUZZ_RUNS=20000000
	@tools/mutants
	@tools/run-tests --slow
	@tools/test-guests --soak
	@tools/test-stick --full
	@$(MAKE) --no-print-directory test-report

test-tools:
	@tools/bed_selftest
	@tools/usb_selftest
	@tools/layers_selftest
	@tools/report_selftest

.PHONY: test-elsewhere
test-elsewhere:
	@tools/test-elsewhere

# The self-test's stick (docs/hardware.md): what it does when all goes well, and when not: four cases. All of
# them, and all of its guest tests: soak.
.PHONY: test-stick
test-stick: $(BUILD)/cede-selftest.img $(addprefix $(BUILD)/guest-tests/,faulty.efi hang.efi menu.efi mute.efi reset.efi) \
    $(BUILD)/faulty/cede.efi
	@tools/test-stick

# tools/report on what bed P measures, and on a Cede that must be found out: 10 minutes.
.PHONY: test-report
test-report: $(BUILD)/cede.efi $(BUILD)/launch.efi $(BUILD)/uncredited/cede.efi \
    $(addprefix $(BUILD)/guest-tests/,measure.efi exact.efi msrs.efi)
	@tools/test-report

.PHONY: bench bench-now
bench:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) bench-now

bench-now: $(BUILD)/cede.efi $(BUILD)/launch.efi $(BUILD)/guest-tests/cost.efi $(BUILD)/guest-tests/arm.efi $(LINUX_FILES)
	@tools/bench

.PHONY: bench-record bench-record-now
bench-record:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) bench-record-now

bench-record-now: $(BUILD)/cede.efi $(BUILD)/launch.efi $(BUILD)/guest-tests/cost.efi $(LINUX_FILES) $(PERF_GZ)
	@tools/bench-record

-include tools/pmu-bochs.mk
-include tools/policy.mk
-include tools/console.mk
-include tools/guests.mk

# --- USB images -----------------------------------------------------------------------------------
# SELFTEST=yes: the stick that tests a machine (docs/hardware.md), instead of the one that runs Cede on it.
SELFTEST  ?=
USB_IMAGE := $(BUILD)/cede$(if $(filter yes,$(SELFTEST)),-selftest).img

$(BUILD)/cede.img: $(BUILD)/cede.efi tools/image $(wildcard tools/image.d/*)
	tools/image $@ $<

STICK_FILES := $(BUILD)/cede.efi $(addprefix $(BUILD)/guest-tests/,$(addsuffix .efi,basic mp cpl3 smp apicpage startstorm pmu cost msrs measure exact)) \
               $(BUILD)/stick/linux.efi $(LINUX)/initrd.gz $(PERF_GZ)

# Debian's kernel is an EFI program.
$(BUILD)/stick/linux.efi: $(LINUX_FILES)
	@mkdir -p $(@D) && cp $(LINUX)/vmlinuz $@

$(BUILD)/cede-selftest.img: $(BUILD)/selftest.efi $(STICK_FILES) tools/image $(wildcard tools/image.d/selftest/*)
	tools/image $@ $< tools/image.d/selftest $(STICK_FILES)

.PHONY: image usb
image:
	@tools/setup test
	@$(MAKE) --no-print-directory $(USB_IMAGE)

usb: image
	@tools/usb $(USB_IMAGE) '$(DEV)'

# --- what the tests need besides --------------------------------------------------------------------
# Signed with the keys of OVMF's Secure Boot build, which are public.
SNAKEOIL := /usr/share/ovmf/PkKek-1-snakeoil

$(BUILD)/signed/key.pem:
	@mkdir -p $(@D)
	@openssl rsa -in $(SNAKEOIL).key -passin pass:snakeoil -out $@ 2>/dev/null

$(BUILD)/signed/%.efi: $(BUILD)/%.efi $(BUILD)/signed/key.pem
	@sbsign --key $(BUILD)/signed/key.pem --cert $(SNAKEOIL).pem --output $@ $< 2>/dev/null

# A disk that boots nothing, with a script for the firmware's shell.
$(BUILD)/shell-disk.img: tools/foreign.d/startup.nsh
	@rm -f $@ && truncate -s 64M $@ && mformat -i $@ -F -c 1 -h 64 -s 32 -T 131072 :: && mcopy -i $@ $< ::
