# SPDX-License-Identifier: Apache-2.0
# Fuzzers of everything that reads strangers' bytes: clang's libFuzzer with ASan and UBSan over our code and the
# generated code. Libraries (protobuf-c, OpenSSL, libcsv) come without instruments: their branches are run but not seen.

FUZZ_SECONDS ?= 60
FUZZ_CC      := clang
FUZZ_FLAGS   := -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
                -fno-omit-frame-pointer -Wall -Wextra -Wno-include-next-absolute-path -MMD -MP \
                -iquote $(B)/gen -iquote proto -iquote client -iquote client/sheet
FUZZ_OBJ     := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(wildcard proto/*.c client/sheet/*.c client/value*.c) \
                client/decimal.c client/filter.c) $(B)/fuzz/obj/qipan.pb-c.o

$(B)/fuzz/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
$(B)/fuzz/obj/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
$(B)/fuzz/lib.a: $(FUZZ_OBJ)
	rm -f $@ && ar rcs $@ $^
$(B)/fuzz/%: tests/fuzz/%.c $(B)/fuzz/lib.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $< $(B)/fuzz/lib.a $(call libs_of,libprotobuf-c libssl libcrypto jansson) -lcsv

.PHONY: fuzz fuzz-replay
fuzz: $(FUZZERS) ## every fuzzer for FUZZ_SECONDS=60; finds land in build/fuzz
	@for f in $(FUZZERS); do \
	    name=$${f##*/fuzz_}; mkdir -p $(B)/fuzz/found/$$name; \
	    echo "fuzz $$name: $(FUZZ_SECONDS) s"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -max_len=70000 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$(B)/fuzz/$$name- $(B)/fuzz/found/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

fuzz-replay: $(FUZZERS) ## the kept inputs once more, in a second
	@n=0; for f in $(FUZZERS); do \
	    name=$${f##*/fuzz_}; $$f -verbosity=0 -timeout=5 -runs=0 tests/fuzz/corpus/$$name || exit 1; \
	    n=$$((n + $$(ls tests/fuzz/corpus/$$name | wc -l))); \
	done; echo "$$n passed, 0 failed"
