# Tocsin. `make help` lists what can be asked for. One non-recursive Makefile: wildcards find new files, tests and
# services, so that adding one edits nothing here.

BUILD   ?= build
PREFIX  ?= /usr/local
VERSION := 0.1.0
CC      ?= cc
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
,       := ,
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- what everything is compiled with --------------------------------------------------------------------------------
DEPS_BUILD := gcc make pkg-config libjansson-dev libsqlite3-dev libssl-dev libmicrohttpd-dev \
              libcurl4-gnutls-dev|libcurl4-openssl-dev|libcurl4-nss-dev libyaml-dev libpcre2-dev librdkafka-dev libhiredis-dev
DEPS_TEST  := libcmocka-dev curl binutils openssl python3 python3-aiosmtpd python3-jsonschema python3-yaml python3-pip \
              kafkacat|kcat redis-server maven openjdk-17-jre-headless|openjdk-17-jre|openjdk-21-jre-headless spin
DEPS_LINT  := clang-format clang-tidy cppcheck shellcheck yamllint python3-pyflakes
DEPS_FUZZ  := clang libclang-rt-dev
DEPS_IMAGE := podman runc debootstrap
DEPS_BENCH := wrk curl python3 libulfius-dev

# pkg-config is asked when the first file is compiled, after `deps` has had its turn.
PACKAGES     := jansson sqlite3 libcrypto libmicrohttpd libcurl yaml-0.1 libpcre2-8 rdkafka hiredis
PKG_CFLAGS    = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS      = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wimplicit-fallthrough \
            -Wconversion -Werror=implicit-function-declaration -Werror=int-conversion \
            -Werror=incompatible-pointer-types -Werror=format-security
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fno-strict-overflow -fno-delete-null-pointer-checks -fPIE
LINK     := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
OPTIMISE := -O2 -g
ifdef SAN
OPTIMISE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LINK     += -fsanitize=$(SAN)
override BUILD := $(BUILD)-$(subst $(,),-,$(SAN))
ifeq ($(SAN),thread)
LINK        += -Wl,--undefined=thrd_create
SAN_SOURCES := tests/support/tsan/threads.c
export TSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/support/tsan/suppressions
endif
else
HARDEN   += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
ifdef WERROR
WARNINGS += -Werror
endif
CFLAGS  ?=
override CFLAGS += -std=c11 -D_GNU_SOURCE -I. $(OPTIMISE) $(WARNINGS) $(HARDEN) $(PKG_CFLAGS) \
                   -DTOCSIN_VERSION='"$(VERSION)"'

# ---- what there is ---------------------------------------------------------------------------------------------------
SERVICES     := gateway intake classification response notification audit
LIB_SOURCES  := $(SAN_SOURCES) $(wildcard shared/*/*.c shared/*/*/*.c) \
                $(filter-out %/main.c,$(wildcard $(foreach s,$(SERVICES),services/$(s)/*.c services/$(s)/*/*.c)))
CLI_SOURCES  := $(wildcard services/cli/*.c)
TOOL_SOURCES := $(wildcard tools/*.c)
POLICY_FILES := $(shell find shared/policy -name '*.yaml' 2>/dev/null)
SUPPORT      := $(wildcard tests/support/*.c)
C_TESTS      := unit contract edge simulation
object        = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
tests_of      = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/$(1)/*_test.c))
LIB          := $(BUILD)/libtocsin.a
SUPPORT_LIB  := $(BUILD)/libsupport.a
SHARE        := $(BUILD)/share/tocsin
PROGRAM      := $(BUILD)/bin/tocsin
# The distributed programs, one a service that has a main.c.
PROGRAMS     := $(PROGRAM) $(patsubst services/%/main.c,$(BUILD)/bin/tocsin-%,$(wildcard $(SERVICES:%=services/%/main.c)))
MOCK_KAFKA   := $(BUILD)/tests/support/kafka/mock_kafka
CLEAR_KAFKA  := $(BUILD)/tests/support/kafka/clear_kafka
SHARED_FILES := $(patsubst shared/%,$(SHARE)/%,$(POLICY_FILES))
BENCHES      := $(sort $(patsubst tests/bench/%.sh,bench-%,$(wildcard tests/bench/*.sh)) \
                $(patsubst tests/bench/%.c,bench-%,$(wildcard tests/bench/*.c)))

.SECONDARY:
.DEFAULT_GOAL := help
.PHONY: help deps test-deps build run run-distributed demo test $(C_TESTS:%=test-%) test-model test-bugs test-scenario \
        test-scenario-distributed test-image test-fresh test-chaos test-tsan test-checks test-fuzz fuzz fuzz-deps fuzz-search bench-deps \
        lint-deps $(BENCHES) layers pure sizes map format format-check lint install images clean

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@for name in $(BENCHES); do printf '  make %-18s %s\n' $$name 'measurement'; done
	@echo '  SAN=address,undefined or SAN=thread builds with sanitizers, in a directory of their own'
	@echo '  STRICT=1 makes a skipped test a failure, but for parts in MAY_SKIP; WERROR=1 a warning an error; BUILD=DIR builds elsewhere'

# ---- progress: a dry run counts the steps there will be, each step then counts itself --------------------------------
QUICK := help images fuzz-deps lint-deps deps test-deps bench-deps clean format format-check lint layers sizes
ifeq ($(STEPS)$(filter-out $(QUICK),$(MAKECMDGOALS)),)
STEPS := 0
else ifndef STEPS
STEPS := $(shell MAKEFLAGS= $(MAKE) -n --no-print-directory STEPS=1 BUILD=$(BUILD) $(MAKECMDGOALS) 2>/dev/null | grep -c "^printf '.%d/%d. ")
endif
step = @$(eval TAKEN += x)printf '[%d/%d] %s\n' $(words $(TAKEN)) $(STEPS) '$(1)'

# ---- programs --------------------------------------------------------------------------------------------------------
deps: ## install what building needs, where it is missing (Debian, Ubuntu)
	@tools/deps.sh $(foreach package,$(DEPS_BUILD),'$(package)')

test-deps: deps ## install what testing needs besides, where it is missing
	@tools/deps.sh $(foreach package,$(DEPS_TEST),'$(package)')

$(BUILD)/obj/%.o: %.c | deps
	$(call step,$<)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(LIB): $(call object,$(LIB_SOURCES))
	@rm -f $@ && $(AR) rcs $@ $^

$(PROGRAM): $(call object,$(CLI_SOURCES)) $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@.new && mv $@.new $@

$(BUILD)/bin/tocsin-%: $(BUILD)/obj/services/%/main.o $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@.new && mv $@.new $@

$(BUILD)/tools/%: $(BUILD)/obj/tools/%.o $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

$(SHARE)/policy/%: shared/policy/%
	@mkdir -p $(@D) && cp $< $@

# Built in with .incbin, which leaves no trace in the .d files.
$(BUILD)/obj/services/gateway/description.o: proto/openapi.yaml

build: $(PROGRAMS) $(SHARED_FILES) compile_commands.json ## the programs, in build/bin

run: build ## build and serve on 127.0.0.1:8080, state in ./var
	@exec $(PROGRAM) serve

run-distributed: build $(if $(filter mock,$(KAFKA)),$(MOCK_KAFKA)) ## the six programs on Kafka and Redis; KAFKA=mock does without Java
	@BUILD='$(BUILD)' KAFKA='$(KAFKA)' exec tools/run-distributed.sh

demo: build ## play an hour of alerts to a server of its own, show what became of them
	@exec $(PROGRAM) demo

compile_commands.json: $(LIB_SOURCES) $(CLI_SOURCES) $(TOOL_SOURCES) $(wildcard tests/*/*.c) Makefile | deps
	@tools/compile-commands.sh '$(subst ','\'',$(CC) $(CFLAGS))' $(filter %.c,$^) > $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests: tests/PART/NAME_test.c is one cmocka program, linked with the other sources beside it; in contract every
# source is a program, which the scripts there run -----------------------------------------------------------------------
# An archive, so that a test may bring its own of what it does not want from there or from the library.
$(SUPPORT_LIB): $(call object,$(SUPPORT))
	@rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/edge/export_test: $(BUILD)/obj/tests/unit/pack.o
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(SUPPORT_LIB) $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $(filter %.o,$^) $(SUPPORT_LIB) $(LIB) $(LDFLAGS) -lcmocka $(PKG_LIBS) -lpthread -lm -o $@

# Runs on a machine that has nothing for tests.
$(MOCK_KAFKA) $(CLEAR_KAFKA): $(BUILD)/tests/support/kafka/%: $(BUILD)/obj/tests/support/kafka/%.o $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# Kafka and Redis of their own for the tests that need them; without Java or Redis these are skipped.
WITH_OUTSIDE := tools/with-outside.sh --optional

# A program a fuzz target: with our player of corpora, or, where SAN says so, with libFuzzer's search.
FUZZ        := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_PLAYED := $(FUZZ:%=$(BUILD)/tests/fuzz/%_fuzz)
FUZZ_SEARCH := $(FUZZ:%=$(BUILD)/search/%)
FUZZ_SHARED := $(call object,$(filter-out %_test.c,$(wildcard tests/unit/*.c)))
$(FUZZ_PLAYED): $(call object,tests/fuzz/replay.c) $(FUZZ_SHARED)

$(FUZZ_SEARCH): $(BUILD)/search/%: $(call object,tests/fuzz/%_fuzz.c) $(FUZZ_SHARED) $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) -fsanitize=fuzzer $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# The simulation with one of the mistakes of shared/base/bugs.h built in.
BUGS        := $(foreach bug,1 2 3 4 5 6 7 8 9 10 11,$(BUILD)/bugs/flow-$(bug))
BUG_SOURCES := $(shell grep -l 'base/bugs.h' shared/domain/*.c shared/runtime/*.c)
$(BUGS): $(BUILD)/bugs/flow-%: $(BUG_SOURCES) $(BUILD)/tests/simulation/flow_test
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -O1 -DTOCSIN_TEST_BUILD -DTOCSIN_BUG=$* $(LINK) $(BUG_SOURCES) \
		$(call object,tests/simulation/flow_test.c $(filter-out %_test.c,$(wildcard tests/simulation/*.c))) \
		$(SUPPORT_LIB) $(LIB) $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# These read files and call make: with sanitizers they would say the same again.
ONCE := tests/contract/ci_test.py tests/contract/citations_test.py tests/contract/commands_test.py tests/contract/ship_test.py \
	tests/contract/words_test.py

define part
ifneq ($(1),contract)
$(call tests_of,$(1)): $(call object,$(filter-out %_test.c,$(wildcard tests/$(1)/*.c)))
endif
test-$(1): test-deps build $(call tests_of,$(1))
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' $(if $(filter edge,$(1)),$(WITH_OUTSIDE)) tools/run-tests.sh $(1) $(call tests_of,$(1)) \
		$(filter-out $(if $(SAN),$(ONCE)),$(wildcard tests/$(1)/*_test.py tests/$(1)/*_test.sh))
endef
$(foreach name,$(C_TESTS),$(eval $(call part,$(name))))
test-contract: $(patsubst %.c,$(BUILD)/%,$(wildcard tests/contract/*.c))

test: test-deps ## every test there is, plain and with sanitizers; ends with the totals; PARTS="unit edge": those alone
	@BUILD='$(BUILD)' STRICT='$(STRICT)' PARTS='$(PARTS)' FLAVOURS='$(FLAVOURS)' MORE='$(MORE)' tools/test-all.sh

test-checks: build ## layers, purity and sizes of the source
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh checks tools/layers.sh tools/pure.sh tools/sizes.sh

test-model: test-deps ## the protocols as models, searched whole; seeded mistakes must be found
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh model tests/model/run.sh

test-bugs: test-deps $(BUGS) ## mistakes built into the runtime: the simulation must find each
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh bugs tests/simulation/bugs.sh

test-fuzz: test-deps $(FUZZ_PLAYED) ## the corpora of the fuzz targets
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh fuzz tests/fuzz/play.sh

fuzz-deps: deps ## install what fuzzing needs besides, where it is missing
	@tools/deps.sh $(foreach package,$(DEPS_FUZZ),'$(package)')

fuzz: fuzz-deps ## search for inputs that break a reader; FUZZ_SECONDS=60 each, FUZZ="event policy"
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined fuzz-search

fuzz-search: $(FUZZ_SEARCH)
	@BUILD='$(BUILD)' tools/fuzz.sh $(FUZZ_SEARCH)

test-scenario: test-deps build $(MOCK_KAFKA) $(CLEAR_KAFKA) ## the real program, from outside
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' $(WITH_OUTSIDE) tools/run-tests.sh scenario tests/scenario/run.py

test-scenario-distributed: test-deps build $(CLEAR_KAFKA) ## the same scenarios with six programs on Kafka and Redis
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' MODE=distributed $(WITH_OUTSIDE) tools/run-tests.sh scenario-distributed tests/scenario/run.py

test-image: test-deps build ## the image by podman, and the scenarios with tocsin serve in a container of it
	-@tools/deps.sh $(foreach package,$(DEPS_IMAGE),'$(package)')
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh image tests/image/run.sh

test-fresh: test-deps ## README's two commands in an empty container
	-@tools/deps.sh $(foreach package,$(DEPS_IMAGE),'$(package)')
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh fresh tests/fresh/run.sh

test-chaos: test-deps build $(CLEAR_KAFKA) ## the six programs on Kafka and Redis: 60 kills and pauses under load, then judged
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' CHAOS_TURNS=$(or $(CHAOS_TURNS),60) tools/with-outside.sh '$(PYTHON)' tests/scenario/run.py chaos

test-tsan: ## edge and scenarios, both ways, with -fsanitize=thread (a quarter of an hour)
	@$(MAKE) --no-print-directory SAN=thread -j1 test-edge test-scenario test-scenario-distributed

test-unit: ## each module by itself
test-contract: $(BUILD)/tests/contract/dump_tables ## the program and its documents against proto/, and what ships it against the program
test-edge: ## SQLite, HTTP, mail, files, Kafka, Redis: the outside systems
test-simulation: ## all services in one seeded loop with faults and a fake clock

bench-deps: deps ## install what measuring needs besides, where it is missing
	@tools/deps.sh $(foreach package,$(DEPS_BENCH),'$(package)')

$(BENCHES): bench-%: bench-deps build $(CLEAR_KAFKA)
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/bench.sh $*
$(foreach name,$(patsubst tests/bench/%.c,%,$(wildcard tests/bench/*.c)),$(eval bench-$(name): $(BUILD)/tests/bench/$(name)))

# ---- the source ------------------------------------------------------------------------------------------------------
layers: ## who includes whom, against the rules of ARCHITECTURE.md
	@tools/layers.sh

pure: build ## base, domain and cores call nothing impure
	@BUILD='$(BUILD)' tools/pure.sh

sizes: ## lengths of functions and files
	@tools/sizes.sh

map: $(BUILD)/tools/map ## the services and what flows between them, from their tables
	@$(BUILD)/tools/map

SOURCES = $(shell find shared services tests tools -name '*.[ch]')
format: lint-deps ## lay out the C sources as clang-format would, but for what is laid out by hand
	@$(PYTHON) tools/format.py --write $(SOURCES)

format-check: lint-deps ## say what `format` would change
	@$(PYTHON) tools/format.py $(SOURCES)

lint-deps: deps ## install what lint needs besides, where it is missing
	@tools/deps.sh $(foreach package,$(DEPS_LINT),'$(package)')
	@BUILD='$(BUILD)' tools/lint/api.sh need

lint: lint-deps compile_commands.json ## layers, sizes, layout, clang-tidy, cppcheck, and what lints scripts, Python, YAML and the API
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh lint tools/lint/all.sh

install: build ## into DESTDIR and PREFIX
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
	cd $(SHARE) && find . -type f -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/tocsin/{} \;

images: ## the container image, by docker or podman; IMAGE_OPTIONS go to its build
	@tools/images.sh tocsin:$(VERSION) $(IMAGE_OPTIONS)

clean: ## remove what was built
	rm -rf $(BUILD) $(BUILD)-* compile_commands.json
