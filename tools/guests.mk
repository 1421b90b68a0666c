# Several guests on one machine.
##   make test-guests   partitions beside the firmware's guest, on both beds
.PHONY: test-guests test-guests-now lint-guests
test-guests:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-guests-now

test-guests-now: $(BUILD)/cede.efi $(LINUX_FILES) $(PARTITION)
	@tools/test-guests

lint-guests:
	@pyflakes3 tools/test-guests

lint-python: lint-guests
