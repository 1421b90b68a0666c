# Bed P: the emulator with a PMU that counts, and its tests.
##   make test-pmu-model     the PMU model's own tests, both vendors; builds bed P's emulator once
##   make test-pmu-perf      Debian's perf in a Linux guest on bed P: Intel with 1 CPU, AMD with 4
##   make test-pmu-perf-all  both vendors with 1 and 4 CPUs
##   make pmu-speed          what the model costs, against the same emulator without it
PM        := tools/pmu-bochs
PM_OBJ    := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard $(PM)/efi/*.c $(PM)/efi/*.S)))
PM_EFI    := $(BUILD)/$(PM)/model.efi
PM_SPEED  := $(BUILD)/$(PM)/speed.efi
PM_LOGIC  := $(addprefix $(PM)/model/,core.cc events.cc predictor.cc options.cc intel.cc intel_events.cc intel_msrs.cc lbr.cc amd.cc \
               amd_lbr.cc ibs.cc acpi.cc socket.cc pebs.cc)
PM_MODES  := intel amd
BED_P     := tools/bed P --bare --timeout 300

$(BUILD)/$(PM)/efi/%.o: $(PM)/efi/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GT_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/$(PM)/efi/%.o: $(PM)/efi/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) -MMD -MP -c $< -o $@

$(PM_EFI): $(filter-out %/speed.o,$(PM_OBJ)) $(GT_LIB)
$(PM_SPEED): $(BUILD)/$(PM)/efi/speed.o $(GT_LIB)
$(PM_EFI) $(PM_SPEED):
	$(Q)ld -nostdlib -znocombreloc -T /usr/lib/elf_x86_64_efi.lds -shared -Bsymbolic -z noexecstack \
	   /usr/lib/crt0-efi-x86_64.o $^ -o $(@:.efi=.so) -L/usr/lib -lgnuefi && \
	 objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' \
	   -j .reloc -j .rodata --target=efi-app-x86_64 $(@:.efi=.so) $@

# The model's logic on this machine.
$(BUILD)/$(PM)/model_test: $(PM)/model_test.cc $(PM_LOGIC) $(wildcard $(PM)/model/*.h)
	@mkdir -p $(@D)
	$(Q)g++ -std=gnu++17 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	   $(filter %.cc,$^) -o $@ -lcmocka

.PHONY: test-pmu-model test-pmu-model-now test-pmu-perf test-pmu-perf-all test-pmu-perf-now pmu-speed
test-pmu-model:
	@tools/setup test
	@$(PM)/build >/dev/null
	@$(MAKE) --no-print-directory test-pmu-model-now

test-pmu-model-now: $(BUILD)/$(PM)/model_test $(PM_EFI) $(BUILD)/launch.efi
	@$<
	@$(PM)/bed_selftest
	@$(PM)/test-model $(PM_EFI)

$(BUILD)/$(PM)/perf.gz: $(PM)/perf-initrd $(wildcard $(PM)/perf-tests/*) $(BUILD)/cede-policy | $(LINUX_FILES)
	$(PM)/perf-initrd $@ $(BUILD)/cede-policy

test-pmu-perf: PM_SETUPS := intel-1 amd-4
test-pmu-perf-all: PM_SETUPS := intel-1 intel-4 amd-1 amd-4
test-pmu-perf test-pmu-perf-all:
	@tools/setup test
	@$(PM)/build >/dev/null
	@$(MAKE) --no-print-directory test-pmu-perf-now PM_SETUPS='$(PM_SETUPS)'

test-pmu-perf-now: $(BUILD)/$(PM)/perf.gz $(LINUX_FILES) $(BUILD)/launch.efi
	@$(PM)/test-perf $(BUILD) $(PM_SETUPS)

pmu-speed: $(PM_SPEED) $(BUILD)/launch.efi
	@$(PM)/speed $(PM_SPEED)

SH_FILES += $(addprefix $(PM)/,build perf-initrd test-model test-perf)

.PHONY: lint-pmu-bochs
lint: lint-pmu-bochs
lint-pmu-bochs:
	@clang-format --dry-run -Werror $(wildcard $(PM)/model/*.cc $(PM)/*.cc)
	@pyflakes3 $(PM)/speed $(PM)/bed_selftest
	@shellcheck -S warning -s dash -e SC3043 $(PM)/perf-tests/perf-*
