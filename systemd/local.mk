# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += systemd/quantbench.service.in
nodist_systemdsystemunit_DATA = systemd/quantbench.service
CLEANFILES += systemd/quantbench.service
systemd/quantbench.service: systemd/quantbench.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/systemd/quantbench.service.in > $@.tmp && mv $@.tmp $@
