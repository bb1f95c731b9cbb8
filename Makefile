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
CORE_PKGS = libsystemd json-c yaml-0.1 libsodium zlib
CLI_PKGS = libcurl smartcols

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

all: $(B)/droverd $(B)/drover $(PLUGIN_SO)

$(B)/obj/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) \
		$(shell $(PKG_CONFIG) --cflags $(CORE_PKGS) $(if $(filter core/cli/%,$<),$(CLI_PKGS))) -MMD -MP -c -o $@ $<

$(B)/libdrover.a: $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(B)/droverd: $(DAEMON_OBJ) $(B)/libdrover.a
	$(CC) -pie $(DROVER_LDFLAGS) $(LDFLAGS) $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(CORE_PKGS)) $(CORE_LIBS)

$(B)/drover: $(CLI_OBJ) $(B)/libdrover.a
	$(CC) -pie $(DROVER_LDFLAGS) $(LDFLAGS) $(DROVER_SANITIZE) -o $@ $^ $(shell $(PKG_CONFIG) --libs $(CLI_PKGS) $(CORE_PKGS)) $(CORE_LIBS)

# -------------------------------------------------------------------------------------- plugins
plugin_lib_src = $(foreach lib,$($(1)_LIBS),$(wildcard plugins/lib/$(lib)/*.c))
$(foreach p,$(PLUGINS),$(eval $(call drover_plugin,$(p),$(wildcard plugins/$(p)/*.c) $(call plugin_lib_src,$(p)),$($(p)_PKGS),$(B)/plugins/,$(B)/obj/,-Iplugins/lib)))

-include $(CORE_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(DAEMON_OBJ:.o=.d)

include tests/tests.mk

clean:
	rm -rf build

.PHONY: all clean
