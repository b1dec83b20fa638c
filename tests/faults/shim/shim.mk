# SPDX-License-Identifier: Apache-2.0
# The library that makes the nth allocation or system call fail; for tests alone.
$(B)/tests/shim.so: tests/faults/shim/shim.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g $(WARN) -Wno-shadow -fPIC -shared -fno-builtin -o $@ $< -ldl
