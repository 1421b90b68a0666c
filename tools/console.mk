# The serial console and its client.
##   make test-console  the console end to end on both beds, and cedectl
.PHONY: test-console test-console-now test-console-short test-cedectl lint-cedectl
test-console:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-console-now

test-console-now: $(BUILD)/cede.efi $(LINUX_FILES) $(PERF_GZ) $(BUILD)/guest-tests/hang.efi test-cedectl
	@tools/test-console

# The part of it that is in `make test`, which has built what it needs.
test-console-short:
	@tools/test-console --short

test-cedectl:
	@tools/cedectl_selftest

test-tools: test-cedectl

lint-cedectl:
	@pyflakes3 tools/cedectl tools/cedectl_selftest tools/cedectl_lib tools/test-console tools/console_tests

lint-python: lint-cedectl
