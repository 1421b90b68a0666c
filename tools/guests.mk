# Several guests on one machine.
##   make test-guests   partitions beside the firmware's guest, on both beds
.PHONY: test-guests test-guests-now test-guests-short lint-guests
test-guests:
	@tools/setup test
	@$(MAKE) --no-print-directory -j$(JOBS) test-guests-now

test-guests-now: $(BUILD)/cede.efi $(LINUX_FILES) $(PERF_GZ) $(PARTITION)
	@tools/test-guests

# What `make test` has time for, which has made what they need.
test-guests-short:
	@tools/test-guests --short

lint-guests:
	@pyflakes3 tools/test-guests

lint-python: lint-guests
