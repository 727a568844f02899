# SPDX-License-Identifier: Apache-2.0
UNITS = systemd/quantbench.service systemd/sysusers.d/quantbench.conf systemd/tmpfiles.d/quantbench.conf
EXTRA_DIST += systemd/quantbench.service.in systemd/sysusers.d/quantbench.conf.in systemd/tmpfiles.d/quantbench.conf.in \
	systemd/quantbench.conf
dist_systemdsystemunit_DATA = systemd/quantbench.socket
nodist_systemdsystemunit_DATA = systemd/quantbench.service
sysusersdir = $(prefix)/lib/sysusers.d
nodist_sysusers_DATA = systemd/sysusers.d/quantbench.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
nodist_tmpfiles_DATA = systemd/tmpfiles.d/quantbench.conf
CLEANFILES += $(UNITS)
$(UNITS): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@localstatedir[@]|$(localstatedir)|g' $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@

# The operator's file is never written over.
install-data-hook:
	@$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/quantbench'
	test -e '$(DESTDIR)$(sysconfdir)/quantbench/quantbench.conf' || \
		$(INSTALL_DATA) $(srcdir)/systemd/quantbench.conf '$(DESTDIR)$(sysconfdir)/quantbench/quantbench.conf'
