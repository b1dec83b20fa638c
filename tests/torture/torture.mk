# SPDX-License-Identifier: Apache-2.0
# The torture run: tests/torture/run says how.

$(B)/torture/actor: $(B)/tests/torture/actor.o $(B)/lib/libqipan.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(call libs_of,$(PKGS_C)) -lunistring
.SECONDARY: $(B)/tests/torture/actor.o

.PHONY: torture
torture: all ## 3 daemons, 16 writers, 20 subscribers, 60 s of kills, stalls, aborts, cut links, judged
	@tests/torture/run
