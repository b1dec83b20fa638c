# SPDX-License-Identifier: Apache-2.0
# The sequencer on a virtual clock; tests/sim/run says what it takes from the environment.

.PHONY: sim
.SECONDARY: $(B)/tests/sim/sequencer_sim.o
$(B)/sim/%: $(B)/tests/sim/%.o $(B)/daemon/sequencer.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^

sim: $(B)/sim/sequencer_sim ## the sequencer simulated, 5 million steps, and each of its mutants caught; SIM_STEPS= SIM_SEED=
	@CC=$(CC) tests/sim/run $(B)
