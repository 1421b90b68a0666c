# cede-policy, the compiler of policies.
##   make tools       build/cede-policy, which turns names of events into policies (docs/policy.md)
CP        := tools/policy
CP_SRC    := $(filter-out %_test.c,$(wildcard $(CP)/*.c))
CP_SHARED := hv/pmu/filter.c hv/pmu/policy.c hv/pmu/policy_text.c hv/pmu/amd.c hv/pmu/intel.c hv/pmu/lbr_intel.c
CP_CFLAGS := -std=gnu11 -O2 -g $(WARN) -Ihv/include -Ihv -Itools/policy
CP_LIBS   := -lpfm -ljansson
CP_OBJ    := $(patsubst %.c,$(BUILD)/policy/%.o,$(CP_SRC) $(CP_SHARED))
CP_TESTS  := $(patsubst %.c,$(BUILD)/test/%,$(wildcard $(CP)/*_test.c))

.PHONY: tools tools-now
tools:
	@tools/setup tools
	@$(MAKE) --no-print-directory tools-now

tools-now: $(BUILD)/cede-policy

$(BUILD)/policy/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CP_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/cede-policy: $(CP_OBJ)
	$(Q)$(CC) $(filter %.o,$^) -o $@ $(CP_LIBS)

$(BUILD)/test/policy/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -O2 -Itools/policy -MMD -MP -c $< -o $@

$(CP_TESTS): $(BUILD)/test/%: $(patsubst %.c,$(BUILD)/test/policy/%.o,$(filter-out %/main.c,$(CP_SRC)) $(CP_SHARED)) $(BUILD)/test/policy/%.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) $(filter %.o,$^) -o $@ -lcmocka $(CP_LIBS)

test-tools: test-policy
.PHONY: test-policy
test-policy: $(BUILD)/cede-policy $(CP_TESTS)
	@set -e; for t in $(CP_TESTS); do $$t; done
	@$(CP)/selftest $(BUILD)/cede-policy

CPPCHECK += -I$(CP)
SH_FILES += $(CP)/selftest
