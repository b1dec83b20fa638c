# SPDX-License-Identifier: Apache-2.0
# Fuzzers of everything that reads strangers' bytes: clang's libFuzzer with ASan and UBSan over our code and the
# generated code, and over protobuf-c from its source package, fetched at build time. Other libraries (OpenSSL, libcsv, jansson)
# come without instruments: their branches are run but not seen.

FUZZ_SECONDS ?= 120
FUZZ_CC      := clang
FUZZ_FLAGS   := -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
                -fno-omit-frame-pointer -Wall -Wextra -Wno-include-next-absolute-path -MMD -MP \
                -iquote $(B)/gen -iquote proto -iquote client -iquote client/sheet -iquote daemon
FUZZ_OBJ     := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(wildcard proto/*.c client/sheet/*.c client/value*.c) \
                client/decimal.c client/filter.c client/json.c client/cursor.c client/memory.c client/told.c client/settings.c \
                client/cli/cursor_file.c daemon/config.c daemon/log.c) $(B)/fuzz/obj/qipan.pb-c.o $(B)/fuzz/obj/protobuf-c.o
FUZZ_RUN     := UBSAN_OPTIONS=suppressions=tests/fuzz/ubsan.txt:print_stacktrace=1

$(B)/fuzz/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
$(B)/fuzz/obj/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
# Recoverable, so that suppressions work; without the source an empty object, and the shared library takes its place.
$(B)/fuzz/obj/protobuf-c.o: tests/fuzz/protobuf-c
	@mkdir -p $(@D)
	$(Q)if tests/fuzz/protobuf-c $(B)/fuzz/protobuf-c; then \
	    $(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize-recover=undefined -w -I/usr/include/protobuf-c -c -o $@ $(B)/fuzz/protobuf-c/protobuf-c.c; \
	else $(FUZZ_CC) -w -x c -c -o $@ /dev/null; fi
$(B)/fuzz/lib.a: $(FUZZ_OBJ)
	rm -f $@ && ar rcs $@ $^
$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/lib.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $< $(B)/fuzz/lib.a $(call libs_of,libprotobuf-c libssl libcrypto jansson inih libzip expat xlsxwriter) -lcsv

.PHONY: fuzz fuzz-replay
fuzz: $(FUZZERS) ## every fuzzer for FUZZ_SECONDS=120; finds land in build/fuzz
	@for f in $(FUZZERS); do \
	    name=$${f##*/fuzz_}; mkdir -p $(B)/fuzz/found/$$name; \
	    echo "fuzz $$name: $(FUZZ_SECONDS) s"; \
	    $(FUZZ_RUN) $$f -max_total_time=$(FUZZ_SECONDS) -max_len=70000 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$(B)/fuzz/$$name- $(B)/fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

fuzz-replay: $(FUZZERS) ## the kept inputs once more, in a second
	@n=0; for f in $(FUZZERS); do \
	    name=$${f##*/fuzz_}; $(FUZZ_RUN) $$f -verbosity=0 -timeout=5 -runs=0 -artifact_prefix=$(B)/fuzz/ tests/fuzz/corpus/$$name || exit 1; \
	    n=$$((n + $$(ls tests/fuzz/corpus/$$name | wc -l))); \
	done; echo "$$n passed, 0 failed"
