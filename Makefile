# Tocsin. `make help` lists the targets. One non-recursive Makefile: wildcards find new files, tests and services, so that adding one
# needs no change here.

BUILD   ?= build
PREFIX  ?= /usr/local
VERSION := 0.1.0
CC      ?= cc
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
,       := ,
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- packages and compiler flags -------------------------------------------------------------------------------------
DEPS_BUILD := gcc make pkg-config libjansson-dev libsqlite3-dev libssl-dev libmicrohttpd-dev \
              libcurl4-gnutls-dev|libcurl4-openssl-dev|libcurl4-nss-dev libyaml-dev libpcre2-dev librdkafka-dev libhiredis-dev
DEPS_TEST  := libcmocka-dev curl binutils openssl python3 python3-aiosmtpd python3-jsonschema python3-yaml python3-pip \
              kafkacat|kcat redis-server maven openjdk-17-jre-headless|openjdk-17-jre|openjdk-21-jre-headless spin
DEPS_LINT  := clang-format clang-tidy cppcheck shellcheck yamllint python3-pyflakes
DEPS_FUZZ  := clang libclang-rt-dev
DEPS_IMAGE := podman runc debootstrap
DEPS_BENCH := wrk curl python3 libulfius-dev

# pkg-config runs only when the first file is compiled, because the target `deps` may install pkg-config first.
PACKAGES     := jansson sqlite3 libcrypto libmicrohttpd libcurl yaml-0.1 libpcre2-8 rdkafka hiredis
PKG_CFLAGS    = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS      = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wimplicit-fallthrough \
            -Wconversion -Werror=implicit-function-declaration -Werror=int-conversion \
            -Werror=incompatible-pointer-types -Werror=format-security
# Threads have stacks of 512 KiB (shared/program/process.c): a frame may hold one buffer for a path (4 KiB), not two. Tests and
# builds with sanitizers have larger frames, so they have no limit.
FRAME    := -Wframe-larger-than=6144
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fno-strict-overflow -fno-delete-null-pointer-checks -fPIE
LINK     := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
OPTIMISE := -O2 -g
ifdef SAN
FRAME    :=
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

# ---- sources and programs --------------------------------------------------------------------------------------------
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
# The tocsin command, and a program for each service that has a main.c.
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
        lint-deps $(BENCHES) layers pure sizes contracts map format format-check lint install images clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-26s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@for name in $(BENCHES); do printf '  make %-26s %s\n' $$name 'measure'; done
	@echo '  SAN=address,undefined or SAN=thread builds with sanitizers, in a separate directory'
	@echo '  STRICT=1 fails on skipped tests, except in the parts of MAY_SKIP, and on a run over tests/budget'
	@echo '  WERROR=1 fails on compiler warnings; BUILD=DIR builds in another directory'

# ---- progress: a dry run counts the steps; each step then prints its number ------------------------------------------
QUICK := help images fuzz-deps lint-deps deps test-deps bench-deps clean format format-check lint layers sizes
ifeq ($(STEPS)$(filter-out $(QUICK),$(MAKECMDGOALS)),)
STEPS := 0
else ifndef STEPS
STEPS := $(shell MAKEFLAGS= $(MAKE) -n --no-print-directory STEPS=1 BUILD=$(BUILD) $(MAKECMDGOALS) 2>/dev/null | grep -c "^printf '.%d/%d. ")
endif
step = @$(eval TAKEN += x)printf '[%d/%d] %s\n' $(words $(TAKEN)) $(STEPS) '$(1)'

# ---- programs --------------------------------------------------------------------------------------------------------
deps: ## install the missing packages for building (Debian, Ubuntu)
	@tools/deps.sh $(foreach package,$(DEPS_BUILD),'$(package)')

test-deps: deps ## install the missing packages for tests
	@tools/deps.sh $(foreach package,$(DEPS_TEST),'$(package)')

$(BUILD)/obj/%.o: %.c | deps
	$(call step,$<)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(if $(filter tests/%,$<),,$(FRAME)) -MMD -MP -c $< -o $@

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

# The object includes proto/openapi.yaml by .incbin; the .d files do not record this dependency.
$(BUILD)/obj/services/gateway/description.o: proto/openapi.yaml

build: $(PROGRAMS) $(SHARED_FILES) compile_commands.json ## build the programs, in build/bin

run: build ## build, and serve on 127.0.0.1:8080 with state in ./var
	@exec $(PROGRAM) serve

run-distributed: build $(if $(filter mock,$(KAFKA)),$(MOCK_KAFKA)) ## run the six programs on Kafka and Redis; KAFKA=mock needs no Java
	@BUILD='$(BUILD)' KAFKA='$(KAFKA)' exec tools/run-distributed.sh

demo: build ## start a separate server, send it an hour of alerts and show the incidents
	@exec $(PROGRAM) demo

compile_commands.json: $(LIB_SOURCES) $(CLI_SOURCES) $(TOOL_SOURCES) $(wildcard tests/*/*.c) Makefile | deps
	@tools/compile-commands.sh '$(subst ','\'',$(CC) $(CFLAGS))' $(filter %.c,$^) > $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests: tests/PART/NAME_test.c is one cmocka program, linked with the other sources of its directory; the
# scripts NAME_test.py and NAME_test.sh are tests, too ------------------------------------------------------------
# The support code is an archive, so that a test may define its own version of any function of this archive or of the library.
$(SUPPORT_LIB): $(call object,$(SUPPORT))
	@rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/edge/export_test: $(BUILD)/obj/tests/unit/pack.o
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(SUPPORT_LIB) $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $(filter %.o,$^) $(SUPPORT_LIB) $(LIB) $(LDFLAGS) -lcmocka $(PKG_LIBS) -lpthread -lm -o $@

# Linked without the test packages, which `make run-distributed KAFKA=mock` does not install.
$(MOCK_KAFKA) $(CLEAR_KAFKA): $(BUILD)/tests/support/kafka/%: $(BUILD)/obj/tests/support/kafka/%.o $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# Starts Kafka and Redis for the tests that need them. Without Java or Redis those tests are skipped.
WITH_SERVERS := tools/with-outside.sh --optional

# One program for each fuzz target: linked with replay.c, which plays the corpus, or with libFuzzer, which searches.
FUZZ        := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_PLAYED := $(FUZZ:%=$(BUILD)/tests/fuzz/%_fuzz)
FUZZ_SEARCH := $(FUZZ:%=$(BUILD)/search/%)
FUZZ_SHARED := $(call object,$(filter-out %_test.c,$(wildcard tests/unit/*.c)))
$(FUZZ_PLAYED): $(call object,tests/fuzz/replay.c) $(FUZZ_SHARED)

$(FUZZ_SEARCH): $(BUILD)/search/%: $(call object,tests/fuzz/%_fuzz.c) $(FUZZ_SHARED) $(SUPPORT_LIB) $(LIB)
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(LINK) -fsanitize=fuzzer $^ $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# One simulation program for each bug of shared/base/bugs.h, built with this bug.
BUGS        := $(foreach bug,1 2 3 4 5 6 7 8 9 10 11,$(BUILD)/bugs/flow-$(bug))
BUG_SOURCES := $(shell grep -l 'base/bugs.h' shared/domain/*.c shared/runtime/*.c)
$(BUGS): $(BUILD)/bugs/flow-%: $(BUG_SOURCES) $(BUILD)/tests/simulation/flow_test
	$(call step,$@)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -O1 -DTOCSIN_TEST_BUILD -DTOCSIN_BUG=$* $(LINK) $(BUG_SOURCES) \
		$(call object,tests/simulation/flow_test.c $(filter-out %_test.c,$(wildcard tests/simulation/*.c))) \
		$(SUPPORT_LIB) $(LIB) $(LDFLAGS) $(PKG_LIBS) -lpthread -lm -o $@

# These tests check files and scripts, not C code, so a sanitizer would find nothing: they run without sanitizers only.
ONCE := tests/contract/calls_test.py tests/contract/ci_test.py tests/contract/citations_test.py tests/contract/commands_test.py \
	tests/contract/ship_test.py tests/contract/words_test.py

define part
ifneq ($(1),contract)
$(call tests_of,$(1)): $(call object,$(filter-out %_test.c,$(wildcard tests/$(1)/*.c)))
endif
test-$(1): test-deps build $(call tests_of,$(1))
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' $(if $(filter edge,$(1)),$(WITH_SERVERS)) tools/run-tests.sh $(1) $(call tests_of,$(1)) \
		$(filter-out $(if $(SAN),$(ONCE)),$(wildcard tests/$(1)/*_test.py tests/$(1)/*_test.sh))
endef
$(foreach name,$(C_TESTS),$(eval $(call part,$(name))))
test-contract: $(patsubst %.c,$(BUILD)/%,$(wildcard tests/contract/*.c))

test: test-deps ## run every test, plain and with sanitizers, and print the totals; PARTS="unit edge" FLAVOURS=plain restrict it
	@BUILD='$(BUILD)' STRICT='$(STRICT)' PARTS='$(PARTS)' FLAVOURS='$(FLAVOURS)' MORE='$(MORE)' tools/test-all.sh

test-checks: build ## check layers, purity and function sizes of the sources
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh checks tools/layers.sh tools/pure.sh tools/sizes.sh

test-model: test-deps ## search the protocol models completely; each seeded bug must be found
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh model tests/model/run.sh

test-bugs: test-deps $(BUGS) ## check that the simulation finds each bug that can be built into the runtime
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh bugs tests/simulation/bugs.sh

test-fuzz: test-deps $(FUZZ_PLAYED) ## play the corpora of the fuzz targets
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh fuzz tests/fuzz/play.sh

fuzz-deps: deps ## install the missing packages for fuzzing
	@tools/deps.sh $(foreach package,$(DEPS_FUZZ),'$(package)')

fuzz: fuzz-deps ## search for inputs that break a parser or stop a service; FUZZ="event policy" selects targets, FUZZ_SECONDS=60 is the time of each
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined fuzz-search

fuzz-search: $(FUZZ_SEARCH)
	@BUILD='$(BUILD)' tools/fuzz.sh $(FUZZ_SEARCH)

test-scenario: test-deps build $(MOCK_KAFKA) $(CLEAR_KAFKA) ## test tocsin serve from outside
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' $(WITH_SERVERS) tools/run-tests.sh scenario tests/scenario/run.py

test-scenario-distributed: test-deps build $(CLEAR_KAFKA) ## play the same scenarios to six programs on Kafka and Redis
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' MODE=distributed $(WITH_SERVERS) tools/run-tests.sh scenario-distributed tests/scenario/run.py

test-image: test-deps build ## build the image by podman and play the scenarios to tocsin serve in a container
	-@tools/deps.sh $(foreach package,$(DEPS_IMAGE),'$(package)')
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh image tests/image/run.sh

test-fresh: test-deps ## run README's two commands in an empty container
	-@tools/deps.sh $(foreach package,$(DEPS_IMAGE),'$(package)')
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh fresh tests/fresh/run.sh

test-chaos: test-deps build $(CLEAR_KAFKA) ## kill and pause the six programs under load; CHAOS_TURNS=60 kills and pauses, CHAOS_SEED=1, CHAOS_STANDBY=all or none
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' CHAOS_TURNS=$(or $(CHAOS_TURNS),60) tools/with-outside.sh '$(PYTHON)' tests/scenario/run.py chaos

test-tsan: ## test edge and the scenarios of both modes with -fsanitize=thread (15 minutes)
	@$(MAKE) --no-print-directory SAN=thread -j1 test-edge test-scenario test-scenario-distributed

test-unit: ## test each module in isolation
test-contract: $(BUILD)/tools/dump_tables ## compare programs, pages and packaging with proto/ and with each other
test-edge: ## test the modules for SQLite, HTTP, mail, files, Kafka and Redis
test-simulation: ## run all services in one seeded loop with faults and a simulated clock

bench-deps: deps ## install the missing packages for measurements
	@tools/deps.sh $(foreach package,$(DEPS_BENCH),'$(package)')

$(BENCHES): bench-%: bench-deps build $(CLEAR_KAFKA)
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/bench.sh $*
$(foreach name,$(patsubst tests/bench/%.c,%,$(wildcard tests/bench/*.c)),$(eval bench-$(name): $(BUILD)/tests/bench/$(name)))

# ---- the sources -----------------------------------------------------------------------------------------------------
layers: ## check every #include against the rules of ARCHITECTURE.md
	@tools/layers.sh

pure: build ## check that base, domain and cores call no impure function
	@BUILD='$(BUILD)' tools/pure.sh

sizes: ## check the lengths of functions
	@tools/sizes.sh

contracts: $(BUILD)/tools/dump_tables ## write proto/schemas and the marked blocks of proto/openapi.yaml from the field tables
	@$(BUILD)/tools/dump_tables >$(BUILD)/tables.json
	@$(PYTHON) tools/contracts.py --tables $(BUILD)/tables.json --proto $(or $(PROTO),proto)

map: $(BUILD)/tools/map ## print the services and the topics between them, from their tables
	@$(BUILD)/tools/map

SOURCES = $(shell find shared services tests tools -name '*.[ch]')
format: lint-deps ## lay out the C sources by clang-format, except tables, broken statements and macros
	@$(PYTHON) tools/format.py --write $(SOURCES)

format-check: lint-deps ## print what `format` would change
	@$(PYTHON) tools/format.py $(SOURCES)

lint-deps: deps ## install the missing packages for lint
	@tools/deps.sh $(foreach package,$(DEPS_LINT),'$(package)')
	@BUILD='$(BUILD)' tools/lint/api.sh need

lint: lint-deps compile_commands.json ## check layers, sizes, layout, C, calls, scripts, Python, YAML, words and the API descriptions
	@PYTHON='$(PYTHON)' BUILD='$(BUILD)' tools/run-tests.sh lint tools/lint/all.sh

install: build ## install into DESTDIR and PREFIX
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
	cd $(SHARE) && find . -type f -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/tocsin/{} \;

images: ## build the container image by docker or podman, with IMAGE_OPTIONS
	@tools/images.sh tocsin:$(VERSION) $(IMAGE_OPTIONS)

clean: ## remove the build directories
	rm -rf $(BUILD) $(BUILD)-* compile_commands.json
