# systemd: units, users, directories, the journal's catalogue.
SYSTEMD_UNITS_IN = systemd/derivd.service.in systemd/derivd-gateway.service.in systemd/derivd-card@.service.in \
	systemd/derivd-ca@.service.in systemd/derivd-ca-officer@.service.in systemd/derivd-courier@.service.in systemd/derivd-notice@.service.in \
	systemd/derivd-metrics@.service.in systemd/derivd-metrics.service.in
SYSTEMD_UNITS = $(SYSTEMD_UNITS_IN:.in=)
systemdsystemunit_DATA = $(SYSTEMD_UNITS) systemd/derivd.socket systemd/derivd-uplink.socket \
	systemd/derivd-gateway.socket systemd/derivd-card.socket systemd/derivd-ca.socket systemd/derivd-ca-officer.socket systemd/derivd-courier.socket \
	systemd/derivd-notice.socket systemd/derivd-metrics.socket systemd/derivd-metrics.timer
EXTRA_DIST += $(SYSTEMD_UNITS_IN) systemd/derivd.socket systemd/derivd-uplink.socket \
	systemd/derivd-gateway.socket systemd/derivd-card.socket systemd/derivd-ca.socket systemd/derivd-ca-officer.socket systemd/derivd-courier.socket \
	systemd/derivd-notice.socket systemd/derivd-metrics.socket systemd/derivd-metrics.timer \
	systemd/sysusers.conf systemd/tmpfiles.conf systemd/derivd.catalog
CLEANFILES += $(SYSTEMD_UNITS)

$(SYSTEMD_UNITS): %: %.in
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's,[@]sbindir[@],$(sbindir),g' $< >$@.tmp && mv $@.tmp $@

sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
catalogdir = $(prefix)/lib/systemd/catalog
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(tmpfilesdir)" "$(DESTDIR)$(catalogdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/sysusers.conf "$(DESTDIR)$(sysusersdir)/derivd.conf"
	$(INSTALL_DATA) $(srcdir)/systemd/derivd.catalog "$(DESTDIR)$(catalogdir)/derivd.catalog"
	$(INSTALL_DATA) $(srcdir)/systemd/tmpfiles.conf "$(DESTDIR)$(tmpfilesdir)/derivd.conf"
uninstall-local:
	rm -f "$(DESTDIR)$(sysusersdir)/derivd.conf" "$(DESTDIR)$(tmpfilesdir)/derivd.conf" \
		"$(DESTDIR)$(catalogdir)/derivd.catalog"
