# The loader: cede.efi with hv.elf inside, and launch.efi, the same without a hypervisor.
EFI_DIR     := /usr/include/efi
EFI_LDS     := /usr/lib/elf_x86_64_efi.lds
EFI_CRT0    := /usr/lib/crt0-efi-x86_64.o
BOOT_CFLAGS := -std=gnu11 -O2 -g $(WARN) -Wframe-larger-than=1024 -Ihv/include -Iboot \
               -isystem $(EFI_DIR) -isystem $(EFI_DIR)/x86_64 -DGNU_EFI_USE_MS_ABI \
               -maccumulate-outgoing-args -fpic -fvisibility=hidden -fshort-wchar -ffreestanding \
               -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing \
               -fno-asynchronous-unwind-tables -fcf-protection=none -fno-jump-tables

LAUNCH_SRC := boot/launch.c boot/sbat.S \
              $(addprefix boot/uefi/,uefi.c mem.c text.c volume.c devpath.c refuse.c) \
              $(addprefix boot/conf/,conf.c conf_value.c conf_guest.c) \
              $(addprefix boot/next/,bootopt.c bootorder.c start.c initrd.c next.c conf_load.c)
# The policy's parser is the hypervisor's own.
POLICY_OBJ := $(BUILD)/boot/hv/pmu/policy_text.o
LAUNCH_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(LAUNCH_SRC))) $(POLICY_OBJ)

$(BUILD)/boot/conf/conf.o: BOOT_CFLAGS += -Ihv

$(BUILD)/boot/sbat.o: boot/sbat.csv

$(BUILD)/boot/%.o: boot/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BOOT_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/boot/%.o: boot/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(BOOT_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/boot/launch.so: $(LAUNCH_OBJ)

# PE has no shared objects: link one, then take the sections that a PE loader needs. --fatal-warnings
# and -z defs make an undefined symbol an error here instead of a jump to nowhere in the firmware.
$(BUILD)/boot/%.so:
	$(Q)ld -nostdlib -znocombreloc -z defs --fatal-warnings --no-warn-rwx-segments -T $(EFI_LDS) -shared \
	   -Bsymbolic -L/usr/lib $(EFI_CRT0) $(filter %.o,$^) -o $@ -lgnuefi

$(BUILD)/%.efi: $(BUILD)/boot/%.so
	$(Q)objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j '.rela*' -j .reloc \
	   -j .rodata -j .sbat --strip-all --target=efi-app-x86_64 $< $@

# All of it but what launch.efi has of its own.
CEDE_SRC := boot/main.c boot/sbat.S \
            $(filter-out %_test.c %_fuzz.c,$(wildcard boot/*/*.c)) $(wildcard boot/*/*.S)
PREFLIGHT_OBJ := $(patsubst %,$(BUILD)/boot/hv/%.o,start/preflight svm/preflight vmx/preflight vmx/controls \
                   pmu/grants pmu/grants_amd pmu/grants_intel)
CEDE_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(CEDE_SRC))) $(POLICY_OBJ) $(PREFLIGHT_OBJ)

# The hypervisor's judgement of a processor and of a policy's text, compiled for the loader too.
$(BUILD)/boot/hv/%.o: hv/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BOOT_CFLAGS) -Ihv -MMD -MP -c $< -o $@

# Another image can be put in by `make HV_ELF=...`, for tests of the loader alone.
HV_ELF ?= $(BUILD)/hv.elf

$(BUILD)/boot/hv.stripped: $(HV_ELF)
	@mkdir -p $(@D)
	$(Q)strip -o $@ $<

$(BUILD)/boot/place/image.o: BOOT_CFLAGS += -DHV_IMAGE='"$(BUILD)/boot/hv.stripped"'
$(BUILD)/boot/place/image.o: $(BUILD)/boot/hv.stripped

$(BUILD)/boot/cede.so: $(CEDE_OBJ)
