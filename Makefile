# SPDX-License-Identifier: Apache-2.0
# One file, no recursion. `make help` lists what people call; everything built lands in $(B).

VERSION := $(shell cat deploy/VERSION)
PREFIX  ?= /usr/local
SAN     ?=
FAIL    ?=
B       := build$(if $(FAIL),/fail)$(if $(SAN),/san)
Q       := $(if $(V),,@)

CC      := gcc
PKGS    := libuv libssl libcrypto libpq libprotobuf-c
PKGS_D  := $(PKGS) inih libsystemd
PKGS_C  := libssl libcrypto libprotobuf-c jansson inih
PKGS_CLI := $(PKGS_C) smartcols ncursesw libzip expat xlsxwriter
cflags_of = $(shell pkg-config --cflags $(1) 2>/dev/null)
libs_of   = $(shell pkg-config --libs $(1) 2>/dev/null)

WARN    := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           -Wformat=2 -Wno-format-nonliteral -Wundef -Wwrite-strings
HARDEN  := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
SANFLAGS := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
CFLAGS  ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(if $(SAN),$(SANFLAGS) -U_FORTIFY_SOURCE,$(HARDEN)) -fPIC -MMD -MP \
           $(if $(FAIL),-DQIPAN_FAILPOINTS) -DQIPAN_VERSION='"$(VERSION)"' -DQIPAN_PREFIX='"$(PREFIX)"' \
           -iquote $(B)/gen -iquote proto -iquote daemon -iquote client -iquote client/sheet $(call cflags_of,$(PKGS_D) $(PKGS_CLI))
ALL_LDFLAGS = $(LDFLAGS) $(if $(SAN),$(SANFLAGS),-Wl,-z,relro,-z,now)

obj = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c))
GEN     := $(B)/gen/qipan.pb-c.h
WIRE    := $(B)/gen/qipan.pb-c.o $(call obj,proto)
DAEMON  := $(call obj,daemon)
LIB     := $(call obj,client)
CLI     := $(call obj,client/cli) $(call obj,client/sheet) $(call obj,client/board)
UNITS   := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c)) $(B)/tests/show_grid $(B)/tests/write_xlsx $(B)/tests/annotate
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all deps demo check check-faults soak bench lint fuzz clean install help units
all: $(B)/bin/qipand $(B)/bin/qipan $(B)/lib/libqipan.so $(B)/lib/libqipan.a $(B)/locale/zh_CN/LC_MESSAGES/qipan.mo

# descriptors.h finds a message's descriptor by its name in ops.def: DESCRIPTOR_ProjectReply
$(B)/gen/qipan.pb-c.c $(B)/gen/qipan.pb-c.h $(B)/gen/descriptors.h &: proto/qipan.proto
	@mkdir -p $(B)/gen
	$(Q)protoc-c --c_out=$(B)/gen -Iproto proto/qipan.proto
	awk '/^struct  Qipan__/ { type[n++] = substr($$2, 8) } \
	     /^extern const ProtobufCMessageDescriptor / { sub(";", "", $$4); print "#define DESCRIPTOR_" type[m++] " " $$4 }' \
	    $(B)/gen/qipan.pb-c.h > $(B)/gen/descriptors.h

$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) $(filter-out $(WARN),$(ALL_CFLAGS)) -c -o $@ $<

$(B)/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/bin/qipand: $(DAEMON) $(WIRE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(call libs_of,$(PKGS_D))

$(B)/bin/qipan: $(CLI) $(LIB) $(WIRE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ $(call libs_of,$(PKGS_CLI)) -lcsv -lunistring

$(B)/lib/libqipan.a: $(LIB) $(WIRE)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/lib/libqipan.so: $(LIB) $(WIRE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libqipan.so.0 -Wl,--version-script=client/libqipan.map -o $@ $^ $(call libs_of,$(PKGS_C)) -lunistring

$(B)/locale/zh_CN/LC_MESSAGES/qipan.mo: client/po/zh_CN.po
	@mkdir -p $(@D)
	$(Q)msgfmt --check-format --check-domain -o $@ $<

# Units link from archives, so that each takes only the modules it names.
$(B)/lib/libdaemon.a: $(filter-out $(B)/daemon/main.o,$(DAEMON))
$(B)/lib/libcli.a: $(filter-out $(B)/client/cli/main.o,$(CLI))
$(B)/lib/libdaemon.a $(B)/lib/libcli.a:
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

# The client's first: both ends have something they call a watch. The daemon's modules need what it brings of proto.
$(B)/tests/%: tests/unit/%.c $(B)/lib/libcli.a $(B)/lib/libqipan.a $(B)/lib/libdaemon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $@ $(filter %.c %.a,$^) $(B)/lib/libqipan.a $(call libs_of,$(PKGS_D) $(PKGS_CLI) cmocka) -lcsv -lunistring
$(filter $(B)/tests/test_tls%,$(UNITS)): tests/unit/tls_pair.c tests/unit/tls_pair.h
units: $(UNITS)

# ---- what people call

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | column -t -s'|'

deps: ## install the Debian packages the project names (as root; otherwise print the line)
	@deploy/packages --install

demo: deps ## the main job on a fresh machine: a county, an import, a change that arrives elsewhere
	@$(MAKE) -s --no-print-directory all
	@deploy/dev/story

check: deps ## all tests; SAN=1 runs them on the sanitised build
	@tests/run $(if $(SAN),--san)

check-faults: deps ## the long fault cases; ONLY=name picks some, SAN=1 takes the sanitised build
	@$(MAKE) -s --no-print-directory all
	@$(MAKE) -s --no-print-directory FAIL=1 all
	@QIPAN_BUILD=$(CURDIR)/$(B) /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/faults -m "not soak" $(if $(ONLY),-k "$(ONLY)")

soak: deps ## the longest cases: 30 minutes of churn and faults
	@$(MAKE) -s --no-print-directory all
	@$(MAKE) -s --no-print-directory FAIL=1 all
	@/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/faults -m soak

lint: deps ## format, floors, operations, options, translations, static analysis
	@$(MAKE) -s --no-print-directory all
	@tests/lint/run-all

bench: deps ## side by side with the peers; ONLY=name picks rows, BENCH_RUNS=3 how often; writes build/bench.json
	@deploy/packages --install bench
	@$(MAKE) -s --no-print-directory all $(B)/bench/fanout $(B)/bench/load $(B)/bench/bare $(B)/tests/show_grid $(B)/tests/write_xlsx $(B)/tests/annotate
	@tests/bench/run $(ONLY)

-include tests/fuzz/fuzz.mk
-include tests/sim/sim.mk
-include tests/torture/torture.mk
-include tests/faults/shim/shim.mk

$(B)/bench/load: $(wildcard tests/bench/channel.[ch] tests/bench/speak*.c)
$(B)/bench/%: tests/bench/%.c $(B)/lib/libqipan.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $@ $(filter %.c,$^) $(filter %.a,$^) $(call libs_of,$(PKGS_C)) -lunistring

D := $(DESTDIR)$(PREFIX)
install: all ## DESTDIR= PREFIX=
	install -d $(D)/bin $(D)/lib/pkgconfig $(D)/include/qipan $(D)/share/qipan $(D)/share/locale/zh_CN/LC_MESSAGES
	install -m 755 $(B)/bin/qipand $(B)/bin/qipan deploy/admin/qipan-admin $(D)/bin
	install -m 644 $(B)/lib/libqipan.a $(D)/lib
	install -m 755 $(B)/lib/libqipan.so $(D)/lib/libqipan.so.0
	ln -sf libqipan.so.0 $(D)/lib/libqipan.so
	install -m 644 client/qipan.h proto/ops.def proto/kinds.def $(B)/gen/qipan.pb-c.h $(D)/include/qipan
	install -m 644 $(B)/locale/zh_CN/LC_MESSAGES/qipan.mo $(D)/share/locale/zh_CN/LC_MESSAGES
	install -d $(D)/share/qipan/maps $(D)/lib/systemd/system
	install -m 644 deploy/examples/*.map $(D)/share/qipan/maps
	install -m 644 deploy/systemd/qipand@.service deploy/systemd/qipan-certs.service deploy/systemd/qipan-certs.timer $(D)/lib/systemd/system
	cp -R sql deploy $(D)/share/qipan
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' client/qipan.pc.in >$(D)/lib/pkgconfig/qipan.pc

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
