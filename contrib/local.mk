# contrib: what this folder builds, tests and installs.

EXTRA_DIST += .clang-tidy .ci/run \
	contrib/check contrib/check-layers contrib/demo contrib/demo-story contrib/deps contrib/lint \
	contrib/package contrib/spelling tests/lib/kiosk.py tests/lib/spawned.py tests/lib/units.py
EXTRA_DIST += contrib/debian/changelog contrib/debian/control contrib/debian/copyright contrib/debian/rules \
	contrib/debian/derivctl.install contrib/debian/derivd-device.install contrib/debian/derivd-gateway.install \
	contrib/debian/derivd-gateway.postrm contrib/debian/derivd.dirs \
	contrib/debian/derivd.install contrib/debian/derivd.lintian-overrides contrib/debian/derivd.postinst contrib/debian/derivd.postrm \
	contrib/debian/derivd.templates contrib/debian/libderivd-device-dev.install \
	contrib/debian/libderivd-device0.install contrib/debian/libderivd-device0.symbols contrib/debian/po/POTFILES.in contrib/debian/po/templates.pot \
	contrib/debian/source/format

# Completions; zsh of Debian looks for those of packages in vendor-completions.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = contrib/completions/_derivctl
EXTRA_DIST += contrib/completions/derivctl.bash
install-data-local: install-completion
install-completion:
	$(MKDIR_P) "$(DESTDIR)$(bashcompletiondir)"
	$(INSTALL_DATA) $(srcdir)/contrib/completions/derivctl.bash "$(DESTDIR)$(bashcompletiondir)/derivctl"
uninstall-local: uninstall-completion
uninstall-completion:
	rm -f "$(DESTDIR)$(bashcompletiondir)/derivctl"
.PHONY: install-completion uninstall-completion

# For Prometheus and Grafana.
metricsdir = $(pkgdatadir)/metrics
dist_metrics_DATA = contrib/metrics/alerts.yml contrib/metrics/dashboard.json
EXTRA_DIST += contrib/metrics/alerts_test.yml

# Where pcscd asks polkit.
polkitdir = $(datadir)/polkit-1/rules.d
dist_polkit_DATA = contrib/polkit/60-derivd-card.rules

# All preprocessor flags of all folders: one set for tools that look at every file.
LINT_CPPFLAGS = $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(P11KIT_CFLAGS) $(PCSCLITE_CFLAGS) \
	$(CURL_CFLAGS) $(CMOCKA_CFLAGS) $(JANSSON_CFLAGS) $(NSS_CFLAGS)

# What the headers include that is generated must be there. compile_flags.txt is where clang's tools look for flags.
lint: $(BUILT_SOURCES) base/build-id.h
	@printf '%s\n' -std=gnu11 $(LINT_CPPFLAGS) >compile_flags.txt
	@$(SHELL) $(srcdir)/contrib/lint $(LINT_PARTS)
CLEANFILES += compile_flags.txt

check-layers:
	$(PYTHON3) $(srcdir)/contrib/check-layers --self-test
	$(PYTHON3) $(srcdir)/contrib/check-layers

# Shows what is not formatted; "make format FIX=1" formats in place.
format:
	@cd $(srcdir) && find . -name '_*' -type d -prune -o -name '*.[ch]' ! -name '*.pb-c.[ch]' -print | \
		xargs clang-format $(if $(FIX),-i,--dry-run -Werror)

# The tests in a build with the address and undefined-behaviour sanitizers, kept in _asan for the next time.
check-asan:
	$(MKDIR_P) _asan
	cd _asan && { test -f Makefile || $(abs_top_srcdir)/configure -q --enable-sanitizers $(if $(findstring -Werror,$(WARN_CFLAGS)),--enable-werror); }
	cd _asan && $(MAKE) $(AM_MAKEFLAGS) && $(MAKE) $(AM_MAKEFLAGS) check

# The unit tests under valgrind: leaks and reads of uninitialized memory.
VALGRIND = valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect \
	--trace-children=no --child-silent-after-fork=yes
# Not those that look at what valgrind itself changes: descriptors, limits, how a child ends.
VALGRIND_TESTS = $(filter-out %/test_proc %/test_worker,$(UNIT_TESTS))
check-valgrind: $(check_PROGRAMS) $(BUILT_SOURCES)
	UNIT_UNDER='$(VALGRIND)' $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(VALGRIND_TESTS)'

.PHONY: lint check-layers format check-asan check-valgrind
