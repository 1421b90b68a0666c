"""The test beds: emulated machines that boot an EFI program and say how it ended.

cli      options, and the order of things
volume   the FAT boot volume
qemu     bed Q: which QEMU, and its command line
kvm      whether bed Q can run on this machine's own KVM
bochs    bed P: Bochs with the PMU model, all of a run
nested   bed N: KVM in an emulator, and a machine in that
nested_q its emulator for AMD, QEMU; nested_p for Intel, Bochs
kvm_report  what KVM says
saved    bed N's quick start: its machine with the firmware up, from the cache
machine  one run: the serial wire, the control socket, the clock
verdict  what a run's end means, as an exit status
"""
