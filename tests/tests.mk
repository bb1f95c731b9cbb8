# What builds the tests. Each tests/unit/test_NAME.c is a program (check) of its own; each
# tests/plugins/NAME.c is a plugin that the tests load; tests/system/ is run by pytest.

UNIT_TESTS   = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
TEST_PLUGINS = $(patsubst tests/plugins/%.c,$(B)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))

TEST_HOST    = $(B)/obj/tests/sdk/fake_host.o
LIGHT_SSHD   = $(B)/tests/light_sshd
BENCHES      = $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c)) $(LIGHT_SSHD) $(B)/tests/unit_runner

$(TEST_HOST): tests/sdk/fake_host.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -MMD -MP -c -o $@ $<
-include $(TEST_HOST:.o=.d)

$(B)/tests/unit/%: tests/unit/%.c $(TEST_HOST) $(B)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags check $(CORE_PKGS)) \
		-Itests -Iplugins/lib -MMD -MP -MF $@.d -pie -o $@ $< $(TEST_OBJ) $(TEST_HOST) $(B)/libdrover.a $(shell $(PKG_CONFIG) --libs check $(CORE_PKGS) $(TEST_PKGS)) $(CORE_LIBS)
$(B)/tests/unit/test_sqlite_file $(B)/tests/unit/test_sqlite_plans: TEST_PKGS = sqlite3
$(B)/tests/unit/test_kafka $(B)/tests/unit/test_kafka_source: TEST_PKGS = rdkafka
CLI_PARTS = $(filter-out %/drover.o,$(CLI_OBJ))
$(B)/tests/unit/test_cli_parts: $(CLI_PARTS)
$(B)/tests/unit/test_cli_parts: TEST_OBJ = $(CLI_PARTS)
$(B)/tests/unit/test_cli_parts: TEST_PKGS = $(CLI_PKGS)
PRINCIPALS_PARTS = $(patsubst %.c,$(B)/obj/%.pic.o,plugins/http/tokens.c plugins/kafka/signers.c $(wildcard plugins/lib/principals/*.c))
$(B)/tests/unit/test_principals: $(PRINCIPALS_PARTS)
$(B)/tests/unit/test_principals: TEST_OBJ = $(PRINCIPALS_PARTS)
-include $(UNIT_TESTS:=.d)

# Each fuzz target without its engine, to be run on its seeds.
REPLAYS = $(patsubst tests/fuzz/%.c,$(B)/tests/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/tests/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(B)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -Iplugins/lib $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags $(CORE_PKGS)) \
		-MMD -MP -MF $@.d -pie -o $@ $< tests/fuzz/replay.c $(B)/libdrover.a $(shell $(PKG_CONFIG) --libs $(CORE_PKGS)) $(CORE_LIBS)
-include $(REPLAYS:=.d)

# A core for the tests of sources.
FAKE_CORE_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/sdk/fake_core*.c))
$(FAKE_CORE_OBJ): $(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags json-c) -MMD -MP -c -o $@ $<
$(B)/tests/fake_core: $(FAKE_CORE_OBJ) $(TEST_HOST)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(DROVER_SANITIZE) -pie -o $@ $^ $(shell $(PKG_CONFIG) --libs json-c) $(CORE_LIBS)
-include $(FAKE_CORE_OBJ:.o=.d)

# A light SSH server that stands for thousands of hosts.
LIGHT_SRC = $(wildcard tests/fleet/light*.c)
$(LIGHT_SSHD): $(LIGHT_SRC) tests/fleet/light.h
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -D_GNU_SOURCE \
		$(shell $(PKG_CONFIG) --cflags libssh libsystemd json-c) -pie -o $@ $(LIGHT_SRC) \
		$(shell $(PKG_CONFIG) --libs libssh libsystemd json-c) $(CORE_LIBS)

# Each tests/bench/NAME.c is a program that measures.
$(B)/tests/bench/%: tests/bench/%.c $(TEST_HOST)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -Itests $(shell $(PKG_CONFIG) --cflags $(BENCH_PKGS)) \
		-MMD -MP -MF $@.d -pie -o $@ $< $(TEST_HOST) $(shell $(PKG_CONFIG) --libs $(BENCH_PKGS)) $(CORE_LIBS)
$(B)/tests/bench/%: BENCH_PKGS = sqlite3
$(B)/tests/bench/bare_ssh: BENCH_PKGS = libssh
$(B)/tests/bench/bare_mysql: BENCH_PKGS = libmariadb
-include $(BENCHES:=.d)

$(foreach p,$(wildcard tests/plugins/*.c),$(eval $(call drover_plugin,$(basename $(notdir $(p))),$(p),,$(B)/tests/plugins/,$(B)/obj/,)))

# Runs one unit of an executor plugin by itself; tests/plugins/test_*.py drive it.
UNIT_RUNNER_SRC = tests/sdk/unit_runner.c tests/sdk/fake_unit.c
$(B)/tests/unit_runner: $(UNIT_RUNNER_SRC) tests/sdk/fake_unit.h $(wildcard sdk/include/drover/*.h)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -pie -o $@ $(UNIT_RUNNER_SRC) $(CORE_LIBS)

# The node-set and folding code behind a pipe, to be held against ClusterShell's.
PARITY_SRC = tests/unit/parity.c $(CLI_PARTS) $(B)/libdrover.a
$(B)/tests/parity: $(PARITY_SRC)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags $(CORE_PKGS)) -MMD -MP -MF $@.d \
		-pie -o $@ $(PARITY_SRC) $(shell $(PKG_CONFIG) --libs $(CLI_PKGS) $(CORE_PKGS)) $(CORE_LIBS)
-include $(B)/tests/parity.d

# The thread sanitizer knows no C11 threads, as librdkafka has them: tests/run.py preloads this.
TSAN_THREADS = $(if $(findstring thread,$(DROVER_SANITIZE)),$(B)/tests/tsan_threads.so)
$(B)/tests/tsan_threads.so: tests/sdk/tsan_threads.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -fPIC -shared -o $@ $<

# The next version, for the tests of an upgrade: the same but for its name, the version of its messages and a column
# more in the tables. What differs comes before the library, which has the rest.
NEXT = $(B)/tests/next
NEXT_OBJ = $(patsubst %.c,$(NEXT)/obj/%.o,tests/next/envelope.c core/daemon/startup.c core/daemon/core_engines.c \
	core/daemon/services.c core/proc/supervisor.c core/daemon/droverd.c)
MYSQL_OBJ = $(patsubst %.c,$(B)/obj/%.pic.o,$(wildcard plugins/mysql/*.c) $(call plugin_lib_src,mysql))
$(NEXT)/obj/%.o: private VERSION := $(VERSION)+next
$(NEXT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags $(CORE_PKGS)) -MMD -MP -c -o $@ $<
$(NEXT)/droverd: $(NEXT_OBJ) $(B)/libdrover.a
	$(CC) -pie $(DROVER_LDFLAGS) $(LDFLAGS) $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(CORE_PKGS)) $(CORE_LIBS)
$(NEXT)/obj/mysql_schema.pic.o: tests/next/mysql_schema.c
	@mkdir -p $(@D)
	$(CC) $(DROVER_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -fPIC -fvisibility=hidden -pthread -Isdk/include -Iplugins/lib \
		$(shell $(PKG_CONFIG) --cflags $(mysql_PKGS)) -MMD -MP -c -o $@ $<
$(NEXT)/plugins/mysql.so: $(NEXT)/obj/mysql_schema.pic.o $(filter-out %/mysql/schema.pic.o,$(MYSQL_OBJ))
	@mkdir -p $(@D)
	$(CC) -shared $(DROVER_LDFLAGS) -Wl,--no-undefined $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(mysql_PKGS))
-include $(NEXT_OBJ:.o=.d) $(NEXT)/obj/mysql_schema.pic.d

tests: $(NEXT)/droverd $(NEXT)/plugins/mysql.so $(TSAN_THREADS) $(B)/tests/parity $(UNIT_TESTS) $(TEST_PLUGINS) $(B)/tests/unit_runner $(B)/tests/fake_core $(LIGHT_SSHD) $(REPLAYS)

.PHONY: tests
