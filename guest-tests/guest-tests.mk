# Guest tests: every guest-tests/NAME.c, with the sources in guest-tests/NAME/ if there are any and the
# library, becomes build/guest-tests/NAME.efi.
GT_NAMES  := $(sort $(patsubst guest-tests/%.c,%,$(wildcard guest-tests/*.c)))
GT_EFI    := $(GT_NAMES:%=$(BUILD)/guest-tests/%.efi)
GT_LIB    := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard guest-tests/lib/*.c guest-tests/lib/*.S)))
GT_CFLAGS := -std=gnu11 -O2 -g $(WARN) -Wno-strict-prototypes -Wno-undef -Ihv/include -Iguest-tests/lib \
             -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI \
             -maccumulate-outgoing-args -fpic -fshort-wchar -ffreestanding -mno-red-zone \
             -mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing -fcf-protection=none \
             -fno-asynchronous-unwind-tables -fvisibility=hidden

# It reads the hypervisor's MSR rows.
$(BUILD)/guest-tests/msrs.o $(BUILD)/guest-tests/msrs/rows.o: GT_CFLAGS += -Ihv

$(BUILD)/guest-tests/%.o: guest-tests/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GT_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/guest-tests/%.o: guest-tests/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) -Iguest-tests/lib -Wa,-Iguest-tests/lib -MMD -MP -c $< -o $@

# $(1): the test's name
define GT_LINK
$(BUILD)/guest-tests/$(1).efi: $(BUILD)/guest-tests/$(1).o $(GT_LIB) \
    $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard guest-tests/$(1)/*.c guest-tests/$(1)/*.S)))
	$$(Q)ld -nostdlib -znocombreloc -T /usr/lib/elf_x86_64_efi.lds -shared -Bsymbolic -z noexecstack -z defs \
	   /usr/lib/crt0-efi-x86_64.o $$^ -o $$(@:.efi=.so) -L/usr/lib -lgnuefi
	@objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' \
	   -j .reloc -j .rodata --target=efi-app-x86_64 $$(@:.efi=.so) $$@
endef
$(foreach name,$(GT_NAMES),$(eval $(call GT_LINK,$(name))))

.PHONY: guest-tests
guest-tests: $(GT_EFI)

# A kernel that Cede starts as a partition: a bzImage (guest-tests/partition/partition.h).
PARTITION := $(BUILD)/guest-tests/partition.bin
PARTITION_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard guest-tests/partition/*.[cS])) \
                 $(addprefix guest-tests/lib/,apic cede clock core entry fault report smp trampoline))

$(PARTITION): $(PARTITION_OBJ) guest-tests/partition/partition.ld
	$(Q)ld -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -T guest-tests/partition/partition.ld -o $(@:.bin=.elf) $(PARTITION_OBJ)
	@objcopy -O binary $(@:.bin=.elf) $@

guest-tests: $(PARTITION)

# The self-test's conductor: an EFI program like the loader, with what it needs of the loader's rooms.
SELFTEST_SRC := $(filter-out %_test.c,$(wildcard guest-tests/selftest/*.c)) guest-tests/lib/restart.c boot/sbat.S \
                $(addprefix boot/uefi/,uefi.c mem.c text.c volume.c devpath.c refuse.c presence.c version.c) boot/next/start.c \
                $(addprefix boot/machine/,acpi.c acpi_tables.c bridge.c cpu_ops.c kept_blocks.c memory.c memory_map.c) hv/x86/guest_mem.c
SELFTEST_OBJ := $(SELFTEST_SRC:%=$(BUILD)/selftest/%.o)

$(BUILD)/selftest/%.o: %
	@mkdir -p $(@D)
	$(Q)$(CC) $(BOOT_CFLAGS) -Iguest-tests -MMD -MP -c $< -o $@

$(BUILD)/selftest/boot/sbat.S.o: boot/sbat.csv

# The walk through page tables is the hypervisor's.
$(BUILD)/selftest/hv/x86/guest_mem.c.o $(BUILD)/selftest/guest-tests/selftest/mapped.c.o: BOOT_CFLAGS += -Ihv

# The report's head says what Cede it is of.
$(BUILD)/selftest/boot/uefi/version.c.o: $(BUILD)/build_id
$(BUILD)/selftest/boot/uefi/version.c.o: BOOT_CFLAGS += -DCEDE_BUILD='"$(BUILD_ID)"'

$(BUILD)/boot/selftest.so: $(SELFTEST_OBJ) $(PREFLIGHT_OBJ)
