# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += systemd/quantbench.service.in systemd/quantbench.conf
nodist_systemdsystemunit_DATA = systemd/quantbench.service
CLEANFILES += systemd/quantbench.service
systemd/quantbench.service: systemd/quantbench.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/systemd/quantbench.service.in > $@.tmp && mv $@.tmp $@

# The operator's file is never written over.
install-data-hook:
	@$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/quantbench'
	test -e '$(DESTDIR)$(sysconfdir)/quantbench/quantbench.conf' || \
		$(INSTALL_DATA) $(srcdir)/systemd/quantbench.conf '$(DESTDIR)$(sysconfdir)/quantbench/quantbench.conf'
