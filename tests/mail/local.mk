# tests/mail: mail servers and mail programs with the credentials of phones. Not part of "make check": it needs root and the packages of
# contrib/deps mail. MAIL=long for all of it.
EXTRA_DIST += tests/mail/run tests/mail/test_login.py tests/mail/test_message.py tests/mail/test_activesync.py \
	tests/mail/test_directory.py tests/mail/test_sogo.py tests/mail/guide.py tests/mail/servers.py tests/mail/people.py \
	tests/mail/clients.py tests/mail/smime.py tests/mail/activesync.py tests/mail/wbxml.py tests/mail/directory.py tests/mail/sogo.py

check-mail: all
	abs_top_builddir='$(abs_top_builddir)' PYTHON3='$(PYTHON3)' $(SHELL) $(srcdir)/tests/mail/run $(MAIL_TEST)

.PHONY: check-mail
