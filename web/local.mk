# SPDX-License-Identifier: Apache-2.0
# The dashboard. It is built in a copy of its sources in the build folder, where node_modules may be written; without npm it
# is left out and the daemon says so.
WEB_FILES = \
	web/compress.mjs web/index.html web/package.json web/package-lock.json web/svelte.config.js web/tsconfig.json web/vite.config.ts \
	web/public/icon.svg \
	web/src/App.svelte web/src/app.css web/src/main.ts \
	web/src/base/Bar.svelte web/src/base/Chips.svelte web/src/base/Choice.svelte web/src/base/Notice.svelte \
	web/src/base/Player.svelte web/src/base/Slider.svelte web/src/base/State.svelte web/src/base/latest.svelte.ts web/src/base/motion.svelte.ts \
	web/src/base/router.svelte.ts web/src/base/theme.svelte.ts web/src/base/units.ts \
	web/src/api/client.ts web/src/api/events.ts web/src/api/schema.d.ts \
	web/src/charts/Chart.svelte web/src/charts/bars.ts web/src/charts/canvas.ts web/src/charts/curves.ts web/src/charts/echarts.ts web/src/charts/front.ts \
	web/src/charts/heatmap.ts web/src/charts/latency.ts web/src/charts/latent.ts web/src/charts/matrix.ts web/src/charts/numberline.ts web/src/charts/spread.ts web/src/charts/sqnr.ts \
	web/src/charts/NetworkGraph.svelte web/src/charts/layout.worker.ts web/src/charts/network.ts web/src/pages/ModelGraph.svelte web/src/pages/graph.ts \
	web/src/pages/Half.svelte web/src/pages/Histogram.svelte web/src/pages/histogram.ts \
	web/src/charts/pareto.ts \
	web/src/pages/Talk.svelte web/src/pages/expected.ts web/src/pages/talk.ts web/src/pages/talk_claims.ts \
	web/src/charts/stacked.ts web/src/charts/trajectory.ts web/src/charts/walk.ts \
	web/src/pages/Pareto.svelte web/src/pages/pareto.ts \
	web/src/base/scroll.ts web/src/base/scrollable.ts web/src/pages/jobs.ts \
	web/src/base/Copy.svelte web/src/pages/fits.ts web/src/pages/submission.ts \
	web/src/pages/Access.svelte web/src/pages/Answer.svelte web/src/pages/Board.svelte web/src/pages/Compare.svelte web/src/pages/Curves.svelte web/src/pages/Diagnose.svelte web/src/pages/Differences.svelte web/src/pages/differences.ts \
	web/src/pages/Distributions.svelte web/src/pages/Encoding.svelte web/src/pages/Field.svelte \
	web/src/pages/Files.svelte web/src/pages/Formats.svelte web/src/pages/Gallery.svelte \
	web/src/pages/HwUnits.svelte web/src/pages/Job.svelte web/src/pages/JobTraining.svelte web/src/pages/JobLabels.svelte web/src/pages/Jobs.svelte web/src/pages/JobsActions.svelte web/src/pages/JobsNow.svelte web/src/pages/Methods.svelte web/src/pages/JobOutliers.svelte web/src/pages/Outliers.svelte web/src/pages/Model.svelte \
	web/src/pages/Oscillations.svelte web/src/pages/Outcomes.svelte web/src/pages/Profile.svelte web/src/pages/Ptq.svelte web/src/pages/Result.svelte web/src/pages/RunPicker.svelte \
	web/src/pages/SqnrRows.svelte web/src/pages/Submit.svelte web/src/pages/System.svelte \
	web/src/pages/TensorRows.svelte web/src/pages/Toy.svelte web/src/pages/Training.svelte \
	web/src/pages/Trends.svelte web/src/pages/trends.ts web/src/pages/Uploads.svelte web/src/pages/answer.ts web/src/pages/board.ts \
	web/src/pages/distributions.ts web/src/pages/hw.ts web/src/pages/inspection.ts web/src/pages/methods.ts web/src/pages/outliers.ts web/src/pages/oscillations.ts web/src/pages/outcomes.ts \
	web/src/pages/ptq.ts web/src/pages/runs.svelte.ts web/src/pages/schema.ts web/src/pages/starters.ts web/src/pages/toy.ts web/src/pages/training.ts
EXTRA_DIST += $(WEB_FILES) web/tests/answer.test.ts web/tests/charts.test.ts web/tests/inspection.test.ts web/tests/schema.test.ts web/tests/tables.test.ts web/tests/training.test.ts \
	web/tests/outliers.test.ts \
	web/tests/colours.test.ts web/tests/differences.test.ts web/tests/histogram.test.ts web/tests/jobs.test.ts web/tests/network.test.ts web/tests/pareto.test.ts web/tests/talk.test.ts web/tests/submission.test.ts web/tests/trends.test.ts \
	web/tests/units.test.ts web/tests/walk.test.ts

if WEB
all-local: web/.built

web/.installed: web/package.json web/package-lock.json
	@$(MKDIR_P) web/app
	$(AM_V_GEN)cp $(top_srcdir)/web/package.json $(top_srcdir)/web/package-lock.json web/app/ && \
	chmod -R u+w web/app && \
	(cd web/app && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error || \
	{ echo 'npm could not install what the dashboard needs (see above); configure --without-web leaves it out' >&2; exit 1; }) && \
	touch $@

web/.built: web/.installed $(WEB_FILES)
	$(AM_V_GEN)rm -rf web/app/src && for f in $(WEB_FILES); do \
		$(MKDIR_P) web/app/`dirname $${f#web/}` && cp -f $(top_srcdir)/$$f web/app/$${f#web/} && \
		chmod u+w web/app/$${f#web/} || exit 1; done && \
	(cd web/app && $(NPM) run --silent build -- --outDir ../dist --emptyOutDir --logLevel warn && node compress.mjs ../dist) && touch $@

install-data-local: web/.built
	@$(MKDIR_P) '$(DESTDIR)$(pkgdatadir)/web/assets'
	cp -R web/dist/. '$(DESTDIR)$(pkgdatadir)/web/'

uninstall-local:
	rm -rf '$(DESTDIR)$(pkgdatadir)/web'

clean-local:
	rm -rf web/app web/dist web/.built web/.installed web/pictures
endif
