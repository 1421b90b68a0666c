# The serial console and its client.
##   make test-console  the console end to end on bed Q, and cedectl
.PHONY: test-console test-cedectl lint-cedectl

test-cedectl:
	@tools/cedectl_selftest

test-tools: test-cedectl

lint-cedectl:
	@pyflakes3 tools/cedectl tools/cedectl_selftest tools/cedectl_lib

lint-python: lint-cedectl
