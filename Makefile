# Drover's build. `make quickstart` and `make check` are all that a newcomer needs; docs/quickstart.md.
#
# Two programs (droverd, drover), one static library of the rooms under core/, and the plugins of
# plugins.mk by the recipe of sdk/drover.mk. B is where everything is made; `make asan` and `make
# tsan` are this same file with another B and DROVER_SANITIZE.

all:

B ?= build
VERSION := 0.1.0
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config
# Installs what is missing, saying so first. `make DEPS=true …` leaves that to you.
DEPS ?= contrib/deps.sh
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SUBMAKE = $(MAKE) --no-print-directory -s -j$(JOBS)
CORE_PKGS = libsystemd json-c yaml-0.1 libsodium zlib
CLI_PKGS = libcurl smartcols

# With the places at which tests have a process killed; sdk/include/drover/crash_point.h. Use a B of its own.
ifdef CRASH_POINTS
CPPFLAGS += -DDROVER_CRASH_POINTS
endif

DROVER_OBJ = $(B)/obj/
include sdk/drover.mk
include plugins.mk

CORE_CFLAGS = $(DROVER_CFLAGS) -fPIE -pthread -Isdk/include -Icore -DDROVER_VERSION='"$(VERSION)"' \
	-DDROVER_PREFIX='"$(PREFIX)"'
CORE_LIBS = -pthread -ldl -lm

# ------------------------------------------------------------------------------------- programs
CLI_SRC    = $(wildcard core/cli/*.c)
DAEMON_SRC = core/daemon/droverd.c
CORE_SRC   = $(filter-out $(CLI_SRC) $(DAEMON_SRC),$(wildcard core/*/*.c))
CORE_OBJ   = $(CORE_SRC:%.c=$(B)/obj/%.o)
CLI_OBJ    = $(CLI_SRC:%.c=$(B)/obj/%.o)
DAEMON_OBJ = $(DAEMON_SRC:%.c=$(B)/obj/%.o)
PLUGIN_SO  = $(PLUGINS:%=$(B)/plugins/%.so)
# What plugins run beside themselves: a folder beside the .so.
ANSIBLE_PY = $(patsubst plugins/lib/ansible/python/%,$(B)/plugins/ansible/%,$(wildcard plugins/lib/ansible/python/*.py plugins/lib/ansible/python/*/*.py))
ANSIBLE_SSH = $(B)/plugins/ansible/ssh

MAN = $(B)/man/drover.1 $(B)/man/droverd.8 $(B)/man/drover.yaml.5
COMPLETION = $(B)/completion/drover.bash

all: $(B)/droverd $(B)/drover $(PLUGIN_SO) $(ANSIBLE_PY) $(ANSIBLE_SSH) $(MAN) $(COMPLETION)

$(B)/obj/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) \
		$(shell $(PKG_CONFIG) --cflags $(CORE_PKGS) $(if $(filter core/cli/%,$<),$(CLI_PKGS))) -MMD -MP -c -o $@ $<

# Where things are installed is compiled in: another PREFIX makes these anew.
$(B)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' > $@
$(B)/obj/core/loader/loader.o $(B)/obj/core/cli/private_files.o: $(B)/prefix

$(B)/libdrover.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(B)/droverd: $(DAEMON_OBJ) $(B)/libdrover.a
	$(CC) -pie $(DROVER_LDFLAGS) $(LDFLAGS) $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(CORE_PKGS)) $(CORE_LIBS)

$(B)/drover: $(CLI_OBJ) $(B)/libdrover.a
	$(CC) -pie $(DROVER_LDFLAGS) $(LDFLAGS) $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(CLI_PKGS) $(CORE_PKGS)) $(CORE_LIBS)

# Made from the programs' own tables of commands and options, so that they say what these read.
made = @mkdir -p $(@D) && $(1) > $@.new && mv $@.new $@
$(B)/man/drover.1: $(B)/drover
	$(call made,$(B)/drover help --man)
$(B)/man/droverd.8: $(B)/droverd
	$(call made,$(B)/droverd --manual)
$(B)/man/drover.yaml.5: $(B)/drover $(PLUGIN_SO)
	$(call made,$(B)/drover config manual $(B)/plugins)
$(COMPLETION): $(B)/drover
	$(call made,$(B)/drover completion bash)

# -------------------------------------------------------------------------------------- plugins
plugin_lib_src = $(foreach lib,$($(1)_LIBS),$(wildcard plugins/lib/$(lib)/*.c))
$(foreach p,$(PLUGINS),$(eval $(call drover_plugin,$(p),$(wildcard plugins/$(p)/*.c) $(call plugin_lib_src,$(p)),$($(p)_PKGS),$(B)/plugins/,$(B)/obj/,-Iplugins/lib)))

$(B)/plugins/ansible/%.py: plugins/lib/ansible/python/%.py
	@mkdir -p $(@D)
	cp $< $@

# Started several times for each step of each host: without libraries to load, but for those of sanitizers.
$(ANSIBLE_SSH): $(wildcard plugins/lib/ansible_ssh/*.c) plugins/lib/ansible_ssh/session.h
	@mkdir -p $(@D)
	$(CC) $(DROVER_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -fPIE $(if $(DROVER_SANITIZE),-pie,-static-pie) \
		$(DROVER_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^)

-include $(CORE_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d)

include tests/tests.mk

# ------------------------------------------------------------------- what a newcomer needs
quickstart:
	@$(DEPS) build
	@echo "Building with $(JOBS) jobs; this takes a minute or two on a small machine."
	@$(SUBMAKE) all
	@printf '\n$$ %s\n' "$(B)/drover demo"
	@$(B)/drover demo
	@printf '\n$$ %s\n' "$(B)/drover run --standalone -H localhost -- uname -a"
	@$(B)/drover run --standalone -H localhost -- uname -a
	@cat docs/next.txt

# -------------------------------------------------------------------------------------- checks
SUITES      = unit fast plugins system model chaos
FAST_SUITES = unit fast

check:
	@$(DEPS) test
	@$(SUBMAKE) all tests
	@$(SUBMAKE) B=$(B)/crash CRASH_POINTS=1 all
	@tests/run.py --build $(B) $(SUITES)

# An hour or two: everything of a cluster is killed and stopped, a thousand times; the larger sizes of the protocol's model;
# outages of a minute.
chaos: export DROVER_CHAOS = long
chaos:
	@$(DEPS) test
	@$(SUBMAKE) all tests
	@$(SUBMAKE) B=$(B)/crash CRASH_POINTS=1 all
	@tests/run.py --build $(B) chaos model outages

# The part that needs no server; VALGRIND=1 runs its programs under valgrind.
check-fast:
	@$(DEPS) test
	@$(SUBMAKE) all tests
	@tests/run.py --build $(B) $(if $(VALGRIND),--valgrind) $(FAST_SUITES)

# The same tests with everything built another way.
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
TSAN = -fsanitize=thread -fno-omit-frame-pointer
asan: export ASAN_OPTIONS = detect_leaks=1:abort_on_error=1:handle_abort=0
asan: export UBSAN_OPTIONS = print_stacktrace=1
asan tsan: export DROVER_SANITIZED = 1
asan tsan: export DROVER_TEST_PATIENCE = 4
asan: ; @$(MAKE) --no-print-directory B=build/asan DROVER_SANITIZE='$(ASAN)' check
tsan: export TSAN_OPTIONS = halt_on_error=1:second_deadlock_stack=1:suppressions=$(CURDIR)/tests/sdk/tsan.supp
tsan: ; @$(MAKE) --no-print-directory B=build/tsan DROVER_SANITIZE='$(TSAN)' check

C_FILES = $(wildcard sdk/include/drover/*.h core/*/*.[ch] plugins/*/*.[ch] plugins/lib/*/*.[ch] tests/*/*.[ch])
LINT_C  = $(filter-out tests/%,$(filter %.c,$(C_FILES)))
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -Isdk/include -Icore -Iplugins/lib -DDROVER_VERSION=__FILE__ -DDROVER_PREFIX=__FILE__
lint:
	@$(DEPS) lint
	tests/lint/includes.py
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability --include=tests/lint/cppcheck.h \
		--suppressions-list=tests/lint/cppcheck.txt -Isdk/include -Icore -Iplugins/lib core plugins
	printf '%s\n' $(LINT_C) | xargs -P $(JOBS) -n 8 sh -c 'clang-tidy --quiet "$$@" -- $(LINT_FLAGS) \
		$(shell $(PKG_CONFIG) --cflags-only-I $(CORE_PKGS) $(CLI_PKGS) libssh libmicrohttpd sqlite3 libmariadb rdkafka 2>/dev/null)' tidy

format:
	@$(DEPS) lint
	clang-format -i $(C_FILES)

# Each tests/fuzz/fuzz_NAME.c for FUZZ_SECONDS; a crash leaves its input in build/fuzz.
FUZZ_SECONDS ?= 60
FUZZERS = $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(B)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -Iplugins/lib $(DROVER_SANITIZE) -fsanitize=fuzzer $(shell $(PKG_CONFIG) --cflags $(CORE_PKGS)) -o $@ $< \
		$(B)/libdrover.a $(shell $(PKG_CONFIG) --libs $(CORE_PKGS)) $(CORE_LIBS)
run-fuzzers: $(FUZZERS)
	@set -e; for f in $(FUZZERS); do \
		seeds=tests/fuzz/corpus/$${f##*/}; [ -d $$seeds ] || seeds=; mkdir -p $$f.corpus; echo "== $${f##*/}"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 -artifact_prefix=$(B)/ \
			$$f.corpus $$seeds 2>$$f.log || { cat $$f.log; exit 1; }; grep number_of_executed $$f.log; \
	done; echo "no fuzzer found anything"
fuzz:
	@$(DEPS) fuzz
	@$(SUBMAKE) B=build/fuzz CC=clang DROVER_WARNINGS=-Wall DROVER_SANITIZE='-fsanitize=address,undefined,fuzzer-no-link' \
		run-fuzzers

bench:
	@$(DEPS) bench
	@$(SUBMAKE) all $(BENCHES)
	@set -e; for b in $(wildcard tests/bench/*.py); do echo "== $$b"; DROVER_BUILD=$(abspath $(B)) /usr/bin/python3 $$b; done

# ------------------------------------------------------------------------------------- install
INSTALL = install
root = $(DESTDIR)$(PREFIX)
install: all
	$(INSTALL) -d $(root)/bin $(root)/sbin $(root)/lib/drover/plugins $(root)/include/drover $(root)/share/drover/conf.d \
		$(root)/share/doc/drover $(root)/lib/systemd/system $(root)/share/bash-completion/completions \
		$(addprefix $(root)/share/man/man,1 5 8)
	$(INSTALL) -m 755 $(B)/drover $(root)/bin/
	$(INSTALL) -m 755 $(B)/droverd $(root)/sbin/
	$(INSTALL) -m 644 $(PLUGIN_SO) $(root)/lib/drover/plugins/
	cd plugins/lib/ansible/python && find . -name '*.py' -exec $(INSTALL) -D -m 644 {} $(root)/lib/drover/plugins/ansible/{} \;
	$(INSTALL) -m 755 $(ANSIBLE_SSH) $(root)/lib/drover/plugins/ansible/
	$(INSTALL) -m 644 $(filter-out %/crash_point.h,$(wildcard sdk/include/drover/*.h)) $(root)/include/drover/
	$(INSTALL) -m 644 sdk/drover.mk sdk/ABI.md $(root)/share/drover/
	$(INSTALL) -m 644 conf.d/*.yaml $(root)/share/drover/conf.d/
	$(INSTALL) -m 644 README.md LICENSE $(wildcard docs/*.md docs/*.yaml) $(root)/share/doc/drover/
	for page in $(MAN); do $(INSTALL) -m 644 $$page $(root)/share/man/man$${page##*.}/; done
	$(INSTALL) -m 644 $(COMPLETION) $(root)/share/bash-completion/completions/drover
	sed 's|@PREFIX@|$(PREFIX)|g' contrib/systemd/droverd.service > $(root)/lib/systemd/system/droverd.service

clean:
	rm -rf build

.PHONY: FORCE all quickstart check check-fast chaos asan tsan lint format fuzz run-fuzzers bench install clean
