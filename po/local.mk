# po: derivctl's texts in other languages. "po/texts check" says what is not translated, "po/texts update" puts it into the .po files.
EXTRA_DIST += po/LINGUAS po/POTFILES po/texts po/names.py po/de.po
CATALOGUES = po/de/LC_MESSAGES/derivd.mo
all-local: $(CATALOGUES)
CLEANFILES += $(CATALOGUES)

po/%/LC_MESSAGES/derivd.mo: po/%.po
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(MSGFMT) --check -o $@ $<

install-data-hook: $(CATALOGUES)
	for mo in $(CATALOGUES); do \
		dir="$(DESTDIR)$(localedir)/$$(dirname "$${mo#po/}")"; \
		$(MKDIR_P) "$$dir" && $(INSTALL_DATA) "$$mo" "$$dir/derivd.mo" || exit 1; \
	done
uninstall-hook:
	for mo in $(CATALOGUES); do rm -f "$(DESTDIR)$(localedir)/$${mo#po/}"; done
