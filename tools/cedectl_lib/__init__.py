"""The parts of tools/cedectl: protocol, transports, session, what is shown. Python's standard library only."""
