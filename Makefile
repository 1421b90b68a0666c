# Cede. `make help` lists the targets.
SHELL   := /bin/bash

BUILD   ?= build
# `make V=1` shows the commands.
V       ?= 0
Q        = $(if $(filter 0,$(V)),@echo "  $@";)
CC      := gcc
CLANG   := clang
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef

.DEFAULT_GOAL := all
.PHONY: all
all: $(BUILD)/cede.efi

# --- the hypervisor image -------------------------------------------------------------------------
HV_SRC := $(filter-out %_test.c %_fuzz.c,$(wildcard hv/*.c hv/*/*.c))
HV_ASM := $(wildcard hv/*/*.S)
HV_OBJ := $(HV_SRC:%.c=$(BUILD)/%.o) $(HV_ASM:%.S=$(BUILD)/%.o)
HV_CFLAGS := -std=c11 -Os -g $(WARN) -Wframe-larger-than=1024 -Ihv/include -Ihv \
             -ffreestanding -fpie -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
             -fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing \
             -fcf-protection=none -fno-jump-tables -fno-omit-frame-pointer -ffunction-sections -fdata-sections

$(BUILD)/hv/%.o: hv/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -MMD -MP -c $< -o $@

# Small, but for what exits run often: crediting, and the slow switch.
$(addprefix $(BUILD)/hv/,counters/credit_amd.o counters/credit_intel.o svm/slow.o svm/svm.o vmx/slow.o \
   $(patsubst %,exits/%.o,exits hypercall msr_access msr_access_amd msr_access_intel apic_page) apic/apic.o \
   x86/insn.o x86/guest_mem.o memory/store_fetch.o memory/guest_read.o): HV_CFLAGS += -O2

include hv/fast.mk

$(BUILD)/hv/%.o: hv/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -MMD -MP -c $< -o $@

# Which sources these are, for `version`, banner and --check (hv/include/build_id.h).
BUILD_ID := $(or $(shell git describe --always --exclude '*' --abbrev=12 --dirty=+ 2>/dev/null),unknown)

.PHONY: always
$(BUILD)/build_id: always
	@mkdir -p $(@D)
	@echo '$(BUILD_ID)' | cmp -s - $@ || echo '$(BUILD_ID)' >$@

$(BUILD)/hv/console/show.o $(BUILD)/boot/uefi/version.o: $(BUILD)/build_id
$(BUILD)/hv/console/show.o: HV_CFLAGS += -DCEDE_BUILD='"$(BUILD_ID)"'
$(BUILD)/boot/uefi/version.o: BOOT_CFLAGS += -DCEDE_BUILD='"$(BUILD_ID)"'

HV_LDFLAGS := -pie --gc-sections --no-dynamic-linker -z noexecstack -z norelro -z max-page-size=4096 \
              --build-id=none -T hv/hv.ld

$(BUILD)/hv.elf: $(HV_OBJ) hv/hv.ld
	$(Q)ld $(HV_LDFLAGS) -o $@ $(HV_OBJ)

# An image that only tests boot: it faults on request (guest-tests/faulty-host/).
FAULTY := $(BUILD)/faulty

$(FAULTY)/hypercall_extra.o: guest-tests/faulty-host/hypercall_extra.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -Iguest-tests -MMD -MP -c $< -o $@

$(FAULTY)/faulty.elf: $(filter-out %/hypercall_extra.o,$(HV_OBJ)) $(FAULTY)/hypercall_extra.o hv/hv.ld
	$(Q)ld $(HV_LDFLAGS) -o $@ $(filter %.o,$^)

$(FAULTY)/cede.efi: $(FAULTY)/faulty.elf $(BUILD)/cede.efi
	@$(MAKE) --no-print-directory BUILD=$(FAULTY) HV_ELF=$< $@

# One more: it credits no emulated instruction to a counter (guest-tests/faulty-host/uncredited.c).
UNCREDITED := $(BUILD)/uncredited

$(UNCREDITED)/uncredited.o: guest-tests/faulty-host/uncredited.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -MMD -MP -c $< -o $@

$(UNCREDITED)/uncredited.elf: $(HV_OBJ) $(UNCREDITED)/uncredited.o hv/hv.ld
	$(Q)ld $(HV_LDFLAGS) $(foreach vendor,amd intel,--wrap=credit_begin_$(vendor)) -o $@ $(filter %.o,$^)

$(UNCREDITED)/cede.efi: $(UNCREDITED)/uncredited.elf $(BUILD)/cede.efi
	@$(MAKE) --no-print-directory BUILD=$(UNCREDITED) HV_ELF=$< $@

# --- unit tests: X_test.c includes the .c files it tests, and is linked with cmocka ---------------
TEST_SRC := $(wildcard hv/*/*_test.c boot/*/*_test.c guest-tests/selftest/*_test.c tools/*_test.c tools/linux-init/*_test.c)
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/test/%)
TEST_CFLAGS := -std=gnu11 -O1 -g $(WARN) -Wno-missing-prototypes -Ihv/include -Ihv -Iboot -Iguest-tests \
               -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI \
               -fsanitize=address,undefined -fno-sanitize-recover=all

$(BUILD)/test/%_test: %_test.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -MMD -MP $< -o $@ -lcmocka

# --- fuzzers: X_fuzz.c likewise, with libFuzzer; bounded runs in `make test` ----------------------
FUZZ_SRC := $(wildcard hv/*/*_fuzz.c boot/*/*_fuzz.c tools/*_fuzz.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/test/%)
FUZZ_RUNS ?= 200000

$(BUILD)/test/%_fuzz: %_fuzz.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -O1 -g -Wall -Wextra -Werror -Ihv/include -Ihv -Iboot \
	   -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -MMD -MP $< -o $@

.PHONY: test-unit
test-unit: $(TEST_BIN) $(FUZZ_BIN)
	@set -e; for t in $(TEST_BIN); do echo "== $$t"; $$t; done
	@set -e; for t in $(FUZZ_BIN); do echo "== $$t ($(FUZZ_RUNS) runs)"; \
	   $$t -runs=$(FUZZ_RUNS) -seed=1 -verbosity=0 -print_final_stats=1 2>&1 | \
	      sed -nE "s|^stat::number_of_executed_units: *|counted: inputs of $${t##*/}: |p; /ERROR|SUMMARY/p"; \
	   test $${PIPESTATUS[0]:-0} -eq 0; done

include boot/boot.mk
include guest-tests/guest-tests.mk
include tools/tools.mk

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
