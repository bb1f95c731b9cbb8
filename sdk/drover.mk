# drover.mk - the one recipe that builds a plugin, in this tree and out of it.
#
# Out of the tree, a plugin's whole Makefile is
#
#	PLUGIN  = greet
#	SOURCES = greet.c
#	PKGS    =                   # pkg-config names of what it links
#	include /usr/share/drover/drover.mk
#
# which gives greet.so by `make`. DROVER_INCLUDE says where the SDK's headers are, where they are
# not beside this file or in the compiler's path.

DROVER_MK := $(dir $(lastword $(MAKEFILE_LIST)))
DROVER_INCLUDE ?= $(firstword $(wildcard $(DROVER_MK)include $(DROVER_MK)../../include))
DROVER_WARNINGS ?= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
DROVER_CFLAGS ?= -std=gnu11 -O2 -g $(DROVER_WARNINGS) -fstack-protector-strong -D_FORTIFY_SOURCE=2
DROVER_LDFLAGS ?= -Wl,-z,relro,-z,now
PKG_CONFIG ?= pkg-config

# $(call drover_plugin,NAME,SOURCES,PACKAGES,FOLDER OF THE .so,FOLDER OF OBJECTS,MORE INCLUDES,MORE LIBRARIES)
# A plugin shows one symbol and may leave none undefined: it imports nothing from its host.
define drover_plugin
$(4)$(1).so: $$(patsubst %.c,$(5)%.pic.o,$(2))
	@mkdir -p $$(@D)
	$$(CC) -shared $$(DROVER_LDFLAGS) -Wl,--no-undefined $$(DROVER_SANITIZE) -o $$@ $$^ $(7) \
		$$(if $(strip $(3)),$$(shell $$(PKG_CONFIG) --libs $(3)))

$$(patsubst %.c,$(5)%.pic.o,$(2)): DROVER_PLUGIN_CFLAGS = $(6) $$(if $(strip $(3)),$$(shell $$(PKG_CONFIG) --cflags $(3)))
-include $$(patsubst %.c,$(5)%.pic.d,$(2))
endef

# One rule for all objects of plugins; DROVER_OBJ is where the tree wants them.
$(DROVER_OBJ)%.pic.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DROVER_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) -fPIC -fvisibility=hidden -pthread \
		-I$(DROVER_INCLUDE) $(DROVER_PLUGIN_CFLAGS) -MMD -MP -c -o $@ $<

ifdef PLUGIN
all: $(PLUGIN).so
$(eval $(call drover_plugin,$(PLUGIN),$(SOURCES),$(PKGS),,,,))
clean:
	rm -f $(PLUGIN).so $(SOURCES:.c=.pic.o) $(SOURCES:.c=.pic.d)
.PHONY: all clean
endif
