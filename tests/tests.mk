# What builds the tests. Each tests/unit/test_NAME.c is a program (check) of its own; each
# tests/plugins/NAME.c is a plugin that the tests load; tests/system/ is run by pytest.

UNIT_TESTS   = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
TEST_PLUGINS = $(patsubst tests/plugins/%.c,$(B)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))

$(B)/tests/unit/%: tests/unit/%.c $(B)/libdrover.a
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(DROVER_SANITIZE) $(shell $(PKG_CONFIG) --cflags check $(CORE_PKGS)) \
		-MMD -MP -MF $@.d -pie -o $@ $< $(B)/libdrover.a $(shell $(PKG_CONFIG) --libs check $(CORE_PKGS)) $(CORE_LIBS)
-include $(UNIT_TESTS:=.d)

$(foreach p,$(wildcard tests/plugins/*.c),$(eval $(call drover_plugin,$(basename $(notdir $(p))),$(p),,$(B)/tests/plugins/,$(B)/obj/,)))

tests: $(UNIT_TESTS) $(TEST_PLUGINS)

.PHONY: tests
