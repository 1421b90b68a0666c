# The serial console and its client.
##   make test-console  the console end to end on bed Q, and cedectl
.PHONY: test-console test-console-now test-cedectl lint-cedectl
test-console:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-console-now

test-console-now: $(BUILD)/cede.efi $(LINUX_FILES) $(BUILD)/tools/pmu-bochs/perf.gz test-cedectl
	@tools/test-console

test-cedectl:
	@tools/cedectl_selftest

test-tools: test-cedectl

lint-cedectl:
	@pyflakes3 tools/cedectl tools/cedectl_selftest tools/cedectl_lib tools/test-console

lint-python: lint-cedectl
