# SPDX-License-Identifier: Apache-2.0
# How the programs get onto machines. `make deb`: a Debian package in the build folder deb/, of this source and this build's
# numerics (libquantbench.a), and with the dashboard where this build has one.
DEBIAN_FILES = packaging/debian/changelog.in packaging/debian/control packaging/debian/copyright packaging/debian/dirs \
	packaging/debian/docs packaging/debian/quantbench.postrm packaging/debian/rules packaging/debian/source/format
EXTRA_DIST += $(DEBIAN_FILES) packaging/check-boot packaging/check-deb packaging/cross-worker packaging/fresh-debian packaging/Containerfile

if WEB
DASHBOARD = web/.built
endif

deb: libquantbench.a $(DASHBOARD)
	@command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null || \
		{ echo 'make deb needs the packages dpkg-dev and debhelper' >&2; exit 1; }
	rm -rf deb && $(MKDIR_P) deb
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=deb/source
	chmod -R u+w deb/source && cp -R deb/source/packaging/debian deb/source/debian && chmod +x deb/source/debian/rules
	sed -e 's/@VERSION[@]/$(VERSION)/' -e "s/@DATE[@]/`date -R`/" deb/source/debian/changelog.in > deb/source/debian/changelog
	rm deb/source/debian/changelog.in
	cp libquantbench.a deb/source/debian/
	test -z '$(DASHBOARD)' || cp -R web/dist deb/source/debian/dashboard
	cd deb/source && CC='$(CC)' dpkg-buildpackage -b -us -uc
	rm -rf deb/source
	@ls deb/*.deb

# Proves the package in a machine that boots.
check-boot: deb
	$(srcdir)/packaging/check-boot $(CHECK_BOOT_FLAGS) deb/quantbench_*.deb

mostlyclean-local: clean-packages
clean-packages:
	rm -rf deb cross-arm64 static-amd64 static-arm64
.PHONY: check-boot deb clean-packages
