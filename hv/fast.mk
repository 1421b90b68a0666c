# The fast path's calling convention, a contract of three: fast.c (hv/svm/, hv/vmx/) and AMD's page.c, compiled
# here; run.S beside them, which calls them; and lint-fast-path, which guards it.
#
# run.S keeps the guest's registers where they are and saves only what an ordinary C function may destroy. So
# the fewer those are, the shorter each exit: fast.c is compiled to destroy RAX, RCX, RDX, RBX and RDI alone,
# which run.S saves, and to leave RSI and R8 to R11 as it found them. Nobody else keeps that promise, so fast.c
# may call none but itself, which it does only where somebody is to be credited: all that it needs is inline. No
# frame pointer, since RBP would have to be saved for it.
FAST_CFLAGS := -O2 -fno-function-sections -fomit-frame-pointer -fcall-used-rbx \
               -fcall-saved-rsi -fcall-saved-r8 -fcall-saved-r9 -fcall-saved-r10 -fcall-saved-r11
FAST_OBJ    := $(BUILD)/hv/svm/fast.o $(BUILD)/hv/svm/page.o $(BUILD)/hv/vmx/fast.o

$(FAST_OBJ): HV_CFLAGS += $(FAST_CFLAGS)

# No calls and no jumps out of the file: those are what has a relocation.
.PHONY: lint-fast-path
lint-fast-path: $(FAST_OBJ)
	@! objdump -dr $^ | grep -E '\scall\s+\*|R_X86_64_PLT32' || { echo "$^: fast paths must not call"; false; }
