// SPDX-License-Identifier: Apache-2.0
// The dashboard as a person uses it: uploads, submits and reads, with a real daemon and a real worker behind.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {promisify} from 'node:util';
import {browse, startDaemon} from './harness.mjs';

const [build, source, chromium] = process.argv.slice(2).map((p, i) => (i < 2 ? resolve(p) : p));
const state = mkdtempSync(join(tmpdir(), 'qb-lab-'));
const {url, stop} = await startDaemon(build, ['--state', state, '--web', join(build, 'web/dist')]);
const {page, open, has, everywhere, loading, onPaper, onScreen, run} = await browse({app: join(build, 'web/app'), chromium, pictures: join(build, 'web/pictures'), url});
const row = (table, name) => page.locator(`${table} tbody tr`, {has: page.getByRole('rowheader', {name, exact: true})});
const submit = () => page.getByRole('button', {name: 'Submit', exact: true}).click();
const asJson = async (change) => {
	const box = page.getByLabel("The job's JSON");
	await box.waitFor();
	await box.fill(JSON.stringify({...JSON.parse(await box.inputValue()), ...change}));
};

const tests = {
	async empty_lab__every_list__says_what_to_do() {
		for (const [hash, text] of [['#/jobs', 'No job yet'], ['#/models', 'No model yet'], ['#/data', 'No data yet'], ['#/compare', 'Nothing to compare yet'], ['#/hardware', 'No unit has been built yet'], ['#/oscillations', 'Nothing has oscillated yet'], ['#/training', 'No run chosen'], ['#/training?view=methods', 'Nothing was measured yet'],
			['#/submit', 'This job needs a model']]) {
			await open(hash);
			await has(text);
		}
		await everywhere(['jobs', 'models', 'data', 'compare', 'talk', 'tensors', 'hardware', 'oscillations', 'outliers', 'training', 'submit', 'system'].map((place) => [place, `#/${place}`]), 'empty-');
	},
	async upload__demo_network_and_data__are_inspected() {
		await open('#/models');
		await page.setInputFiles('input[type=file]', [join(source, 'demo/digits.onnx'), join(source, 'demo/README.md')]);
		await has('N × 1 × 16 × 16');
		await page.getByText('✕').first().waitFor();
		await page.getByRole('button', {name: 'Delete README.md'}).click();
		await page.getByText('README.md').first().waitFor({state: 'detached'});
		await open('#/data');
		await page.setInputFiles('input[type=file]', join(source, 'demo/digits-test.npz'));
		await has('uint8');
		await page.getByRole('link', {name: 'digits.onnx', exact: true}).waitFor({state: 'detached'});
	},
	async submit__impossible_scheme__is_told_at_its_field() {
		await open('#/submit');
		await page.getByLabel('Schemes: another').fill('int99');
		await page.getByLabel('Schemes: another').press('Enter');
		await submit();
		await page.getByRole('alert').first().waitFor();
		assert.match(await page.getByRole('alert').first().innerText(), /int99/);
		await page.reload(); // a refused job stays in the form
	},
	async submit__methods__are_those_of_the_server_with_their_parameters() {
		await open('#/submit');
		await page.getByText('More options').click();
		await page.getByRole('button', {name: 'Add method'}).click();
		await page.getByLabel('1', {exact: true}).selectOption('gptq');
		assert.equal(await page.getByLabel('Block', {exact: true}).getAttribute('placeholder'), '128');
		assert.equal(await page.getByLabel('Damping', {exact: true}).getAttribute('max'), '1');
		for (const [method, said] of [[{name: 'bias_correction', mode: 'zork'}, /must be one of empirical, analytic/], [{name: 'gptq', zork: 1}, /the fields are name, damping, block/], [{name: 'zork'}, /there is no method "zork"/]]) {
			await asJson({methods: [method]});
			await submit();
			await has(said);
		}
		await asJson({methods: undefined});
	},
	async submit__as_one_types__the_server_is_asked_whether_it_would_take_the_job() {
		await open('#/submit');
		await page.locator('[data-verdict=taken]').waitFor();
		await asJson({schemes: ['int8', 'int99']});
		await page.locator('[data-error=schemes]', {hasText: 'int99'}).waitFor();
		await asJson({schemes: ['int8'], seed: -1});
		await page.locator('[data-error=seed]').waitFor(); // its fold opens
		await asJson({seed: 1});
		await page.locator('[data-verdict=taken]').waitFor();
		await page.reload();
	},
	async sweep__of_the_demo__runs_to_its_table() {
		await open('#/submit');
		await page.getByRole('button', {name: 'No latency'}).click();
		await asJson({samples: 200});
		await submit();
		await page.locator('#sweep').waitFor({timeout: 120000});
		for (const scheme of ['int8', 'E2', 'E3', 'E4', 'E5']) {
			assert.match(await page.locator(`tr[data-scheme=${scheme}]`).innerText(), /[−+]?\d+\.\d\d[\s\S]*dB/);
		}
		assert.ok(await page.locator('#sweep td.best').count() >= 1);
	},
	async answer__of_the_demo__is_a_scheme_within_the_limit_and_the_form_of_a_row_is_taken() {
		await open('#/jobs/j1?limit=points:100&cost=gates');
		await page.locator('#answer [data-answer=E2]').waitFor(); // all qualify, and E2 has the fewest gates
		await has(/E2 is the cheapest in gates of the schemes that lose at most 100 points of top-1/);
		await has(/No scheme of this sweep is cheaper in gates/);
		await open('#/jobs/j1?limit=size:1');
		await has('No scheme of this sweep takes at most 1 B.');
		await page.locator('#pareto summary').click();
		await page.locator('#pareto').getByRole('button', {name: 'gates'}).click();
		assert.equal(await page.locator('#pareto-table tbody tr').count(), 6);
		assert.match(await page.locator('#pareto-table tr[data-point=E2]').innerText(), /G gates|M gates[\s\S]*yes/);
		await page.locator('tr[data-scheme=int8]').getByRole('link', {name: 'Export int8'}).click();
		await asJson({samples: 50});
		await submit();
		await page.locator('#sweep tr[data-scheme=int8]').waitFor({timeout: 120000});
		await page.locator('tr[data-scheme=int8]').getByRole('button', {name: /^Export int8: .*\.onnx/}).waitFor();
	},
	async talk__run_this__fills_the_cells_and_a_network_is_put_into_a_row() {
		await open('#/talk');
		const row = page.locator('[data-table="1c"] [data-row=mobilenetv2]');
		const option = row.locator('select option', {hasText: '200 samples'});
		await option.first().waitFor({state: 'attached'});
		await row.locator('select').selectOption(await option.first().getAttribute('value'));
		await row.getByText(/Measured: digits\.onnx, digits-test\.npz, 200 samples, top-1;/).waitFor();
		assert.match(await row.innerText(), /digits\.onnx is no MobileNetV2 by its name; 200 samples of digits-test\.npz/);
		assert.match(await row.locator('td').nth(1).getByRole('link').getAttribute('href'), /^#\/jobs\/j\d+$/);
		await page.locator('[data-table="1b"] [data-row=uniform]').getByRole('link', {name: 'run this: Uniform, INT8'}).click();
		await page.locator('[data-verdict=taken]').waitFor();
		await submit();
		await page.locator('[data-state=succeeded]').waitFor({timeout: 120000});
		await open('#/talk');
		await page.locator('[data-table="1b"] [data-row=uniform]', {hasText: '★ 48.1 dB'}).waitFor();
		for (const claim of ['A uniform distribution is best in INT8', 'With outliers FP8 wins', 'FP8-E4 is best only with large outliers']) {
			assert.equal(await page.locator('#claims li', {hasText: claim}).getAttribute('data-verdict'), 'holds', claim);
		}
	},
	async look_inside__of_the_demo__is_its_graph_and_the_histogram_of_a_tensor() {
		await open('#/jobs/j1');
		await page.locator('#look-figures[data-fit=scheme]').waitFor();
		const own = async () => Number((await page.locator('#look-figures b').first().innerText()).replace(' dB', ''));
		assert.ok(await own() > 20);
		await page.getByRole('link', {name: "On the network's graph"}).click();
		await page.locator('[data-laid-out]:not([data-laid-out=""])').waitFor({timeout: 60000});
		await page.locator('[data-legend=sqnr]').waitFor();
		assert.ok(await page.locator('#nodes tbody tr', {hasText: 'dB'}).count() > 30); // names of a sweep's layers are those of the graph
	},
	async formats__number_typed__is_rounded_as_the_format_does() {
		await open('#/formats?names=int8,e4m3fn,E4,nf4');
		await page.getByRole('button', {name: 'as encoded'}).click();
		for (const [typed, name, becomes, code] of [['0.3', 'e4m3fn', '0.3125', '0x2a 0010 1010'], ['17', 'e4m3fn', '16', '0x58'], ['19', 'e4m3fn', '20', '0x5a'], ['-17', 'e4m3fn', '−16', '0xd8'],
			['1000', 'e4m3fn', '448', 'clipped'], ['1000', 'E4', '480', '0x7f'], ['2.5', 'int8', '2', '0x02'], ['3.5', 'int8', '4', '0x04'], ['-200', 'int8', '−128', '0x80']]) {
			await page.getByLabel('A number to round').fill(typed);
			const cells = new RegExp(`\\t(★ )?${becomes}\\t.*${code}`);
			for (let turn = 0; !cells.test(await row('#rounded', name).innerText()); turn++) {
				assert.ok(turn < 50, `${typed} in ${name}: ${await row('#rounded', name).innerText()}`);
				await page.waitForTimeout(100);
			}
		}
		await page.getByLabel('Formats: another').fill('fp6_e3m2 zork');
		await page.getByLabel('Formats: another').press('Enter');
		await row('#facts', 'fp6_e3m2').waitFor();
		assert.match(await row('#facts', 'fp6_e3m2').innerText(), /63\t−28\t28\t0\.0625/);
		await has(/"zork" is no number format/);
		await page.getByRole('button', {name: 'logarithmic'}).click();
	},
	async hardware__units_of_the_talk__stand_beside_the_published() {
		await open('#/hardware');
		await page.getByRole('button', {name: "Build the talk's units"}).click();
		await page.locator('#units').waitFor({timeout: 180000});
		await open('#/hardware');
		await row('#units', 'int8').first().waitFor();
		assert.equal(await page.locator('#units tbody tr').count(), 18);
		assert.match(await page.locator('tr[data-unit="E4 + fixed"]').innerText(), /1\s150\t\+53 %/);
		assert.match(await page.locator('tr[data-unit="E4 + fp32"]').innerText(), /2\s125\t\+183 %[\s\S]*✓ 65\s536/);
		const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'Verilog of E4 + fixed'}).click()]);
		assert.equal(file.suggestedFilename(), 'mac_E4_E4_fixed.v');
	},
	async toy__submitted_from_the_form__is_a_trajectory_that_can_be_scrubbed() {
		await open('#/submit?type=toy');
		await page.getByRole('button', {name: 'Remove Methods 3'}).waitFor();
		await page.getByRole('button', {name: 'Add method'}).click(); // another freeze, to be changed into two methods together
		await page.getByLabel('4', {exact: true}).first().selectOption({label: 'several together'});
		await asJson({methods: ['lsq', {name: 'dampen', lambda: 1}, 'freeze', ['ewgs', {name: 'freeze', threshold: 0.02}]]});
		assert.equal(await page.getByLabel('Lambda').inputValue(), '1');
		await submit();
		await page.locator('#toy').waitFor({timeout: 60000});
		assert.match(await page.locator('#toy tr[data-method=predicted]').innerText(), /65\.7 %\s+2\.92|65\.8 %\s+2\.92/);
		assert.match(await page.locator('#toy tr[data-method=lsq]').innerText(), /65\.9 %\s+2\.93\s+11[\s\S]*changes its level 11 times/);
		assert.match(await page.locator('#toy tr[data-method="lsq+dampen"]').innerText(), /stays at the upper level from step \d+ on/);
		assert.match(await page.locator('#toy tr[data-method="lsq+freeze"]').innerText(), /frozen at step \d+/);
		assert.equal(await page.locator('canvas').count(), 4);
		const slider = page.getByRole('slider', {name: 'Step'});
		assert.equal(await slider.getAttribute('aria-valuetext'), 'step 60 of 60');
		await slider.fill('0');
		await has(/step 0: latent 0\.7370, level 0\.7333/);
		await slider.press('ArrowRight');
		assert.equal(await slider.getAttribute('aria-valuetext'), 'step 1 of 60');
		await page.getByRole('button', {name: 'Play'}).click();
		for (let turn = 0; Number(await slider.inputValue()) < 4; turn++) {
			assert.ok(turn < 100, `it stands at ${await slider.inputValue()}`);
			await page.waitForTimeout(100);
		}
		await page.getByRole('button', {name: 'Pause'}).click();
		const stopped = await slider.inputValue();
		await page.waitForTimeout(500);
		assert.equal(await slider.inputValue(), stopped);
		await page.getByText('Every step as a table').click();
		assert.match(await page.locator('#toy-steps tbody tr').first().innerText(), /^0\s+0\.73700\s+0\.73333/);
		assert.equal(await page.locator('#toy-steps tbody tr').count(), 61);
		await page.emulateMedia({reducedMotion: 'reduce'});
		await has(/asks for less motion/);
		assert.equal(await page.getByRole('button', {name: 'Play'}).count(), 0);
		await page.getByRole('button', {name: 'Back'}).click();
		await page.emulateMedia({reducedMotion: null});
		await open('#/oscillations');
		await page.locator('#toy').waitFor();
	},
	async distributions__sliders__are_computed_by_the_server() {
		await open('#/distributions');
		await page.getByRole('button', {name: 'uniform'}).click();
		await page.locator('#sqnr tr[data-format=int8] td.best').waitFor();
		assert.match(await page.locator('#sqnr tr[data-format=int8]').innerText(), /★ 48\.1 dB\t52\.[89] dB/);
		await page.locator('#crossings', {hasText: 'the best changes from int8 to'}).waitFor();
		await page.getByRole('button', {name: 'Gaussian', exact: true}).click();
		await page.locator('#sqnr tr[data-format=E2]', {hasText: /42\.[67] dB/}).waitFor();
		await page.getByRole('button', {name: 'Student-t'}).click();
		await page.locator('#sqnr tr[data-format=E2] td.best').waitFor();
		await page.getByRole('slider', {name: 'Degrees of freedom ν'}).fill('60');
		await page.locator('#sqnr tr[data-format=E3] td.best').waitFor();
		await page.getByLabel('Formats: another').fill('zork');
		await page.getByLabel('Formats: another').press('Enter');
		await has(/"zork"/);
	},
	async sqnr_job__of_the_talk__shows_each_distribution() {
		await open('#/submit?type=sqnr');
		await page.getByRole('button', {name: 'Heavier tails'}).click();
		await submit();
		await page.locator('#sqnr').waitFor({timeout: 60000});
		await has(/the best changes from/);
	},
	async submit__copied_commands__hand_in_what_the_form_shows() {
		await open('#/submit?type=sqnr');
		for (const [i, [name, shell]] of [['curl', 'bash'], ['command line', 'bash'], ['Python', 'python3']].entries()) {
			await asJson({distributions: [{name: 'uniform', low: -1, high: 1}], formats: [`int${4 + i}`], samples: 1000});
			const shown = page.locator(`[data-copy="${name}"]`, {hasText: `int${4 + i}`});
			await shown.waitFor({state: 'attached'});
			const {stdout} = await promisify(execFile)(shell, ['-c', await shown.textContent()], {env: {...process.env, PATH: `${build}:${process.env.PATH}`}});
			assert.match(stdout, /j\d+|int5/);
			const {jobs} = await (await fetch(`${url}/v1/jobs?type=sqnr&limit=1`)).json();
			assert.deepEqual(jobs[0].spec.formats, [`int${4 + i}`]);
			await fetch(`${url}/v1/jobs/${jobs[0].id}/cancel`, {method: 'POST'});
		}
	},
	async leaderboard__pareto__holds_gates_and_size_as_shares_of_float() {
		await open('#/compare?by=gates');
		await page.locator('#pareto summary').click();
		const [{float_size_bytes, float_gates, cells}] = (await (await fetch(`${url}/v1/compare?jobs=j1`)).json()).rows;
		const {size_bytes, gates} = cells.find((c) => c.scheme === 'E2');
		const e2 = (text) => page.locator('#pareto-table tr', {has: page.getByRole('rowheader', {name: 'E2', exact: true}), hasText: text}).first().waitFor();
		await e2(`${((100 * gates) / float_gates).toFixed(0)} %`);
		await page.locator('#pareto').getByRole('button', {name: 'size'}).click();
		await e2(`${((100 * size_bytes) / float_size_bytes).toFixed(0)} %`);
	},
	async leaderboard__of_the_sweep__marks_the_best_and_sorts() {
		await open('#/compare');
		await page.locator('#compare tbody tr').first().waitFor();
		assert.match(await page.locator('#compare thead').innerText(), /float\s+int8\s+E2\s+E3\s+E4\s+E5/);
		assert.ok(await page.locator('#compare td.best').count() >= 1);
		assert.match(await page.locator('#published tbody tr', {hasText: 'DeepLabV3'}).innerText(), /▼\s*−34\.98/);
		await page.locator('#published').getByRole('button', {name: 'E4'}).click();
		assert.match(await page.locator('#published tbody tr').first().innerText(), /DeepLabV3/);
		await page.getByRole('button', {name: 'a row a job'}).click();
		await has(/top-1, .* samples, .*, j\d+/);
	},
	async tensors__weights_of_the_demo__are_surveyed_and_drawn() {
		await open('#/tensors');
		await has('No tensor has been surveyed yet');
		const {models} = await (await fetch(`${url}/v1/models`)).json();
		await open(`#/submit?type=tensor&model=${models.find((m) => m.name === 'digits.onnx').id}`);
		await page.getByLabel('Model').waitFor();
		await submit();
		await page.locator('#surveyed').waitFor({timeout: 60000});
		assert.ok(await page.locator('#surveyed tbody tr').count() >= 3);
		assert.match(await page.locator('#totals td.best').first().innerText(), /★ \d+\.\d dB/);
		await page.locator('#surveyed button').last().click();
		await page.getByRole('button', {name: 'per channel'}).click();
		await page.getByLabel('Grid of').selectOption('E4');
		await has(/Each tick is a value of E4/);
	},
	async diagnose__int4__says_where_it_loses_and_suggests_a_mix() {
		const {types} = await (await fetch(`${url}/v1/job-types`)).json();
		if (!types.some((t) => t.type === 'diagnose')) { return console.log('skipped: this worker knows no diagnose job'); }
		await open('#/submit?type=diagnose&from=j1&scheme=E5');
		await asJson({scheme: 'int4', samples: 64});
		await submit();
		await page.locator('#layers').waitFor({timeout: 120000});
		assert.match(await page.locator('#layers tbody tr').first().innerText(), /%/);
		await page.getByRole('button', {name: 'Submit it as a job'}).click();
		return page.locator('#sweep tr[data-scheme=mixed]').waitFor({timeout: 120000});
	},
	async train_and_qat__submitted_from_forms__are_followed_to_their_curves_and_outcomes() {
		await open('#/data');
		await page.setInputFiles('input[type=file]', join(source, 'demo/digits-train.npz'));
		await has('1197 × 1 × 16 × 16');
		const preprocess = {scale: 1 / 255};
		await open('#/submit?type=train');
		assert.match(await page.getByLabel('Train', {exact: true}).locator('option:checked').innerText(), /digits-train/);
		assert.match(await page.getByLabel('Data', {exact: true}).locator('option:checked').innerText(), /digits-test/);
		await asJson({network: {name: 'mlp', layers: [16]}, epochs: 2, samples: 200, preprocess, augment: undefined});
		await submit();
		await page.locator('#outcomes tr[data-outcome=final]').waitFor({timeout: 120000});
		const trained = /#\/jobs\/(j\d+)/.exec(page.url())[1];
		await page.getByText('The curves as tables').click();
		assert.equal(await page.locator('#epochs tbody tr').count(), 2);
		const {models} = await (await fetch(`${url}/v1/models`)).json();
		await open(`#/submit?type=qat&model=${models.find((m) => m.name === 'digits.onnx').id}`);
		await page.getByRole('button', {name: 'Frozen'}).click();
		await asJson({epochs: 2, samples: 200, preprocess});
		await submit();
		await page.locator('[data-panel=oscillating]').waitFor({timeout: 120000});
		await page.locator('#outcomes tr[data-outcome=final]').waitFor({timeout: 120000});
		assert.match(await page.locator('tr[data-outcome=final]').innerText(), /w4a4\+lsq\+freeze[\s\S]*\d+\.\d\d\s+[−+]?\d+\.\d\d/);
		await page.locator('#osc-layers').waitFor();
		await page.getByLabel('Compare with: add a run').selectOption(trained);
		await has(new RegExp(`Without ${trained} mlp float, which tells none`));
		await open('#/training?view=methods');
		await page.locator('section[data-group="digits w4a4"] tr[data-method="lsq+freeze"]').waitFor();
		assert.match(await page.locator('tr[data-method="lsq+freeze"]').innerText(), /\d+\.\d\d\s+\d+\.\d\d\s+[\d.]+ %/);
		await open('#/oscillations');
		await page.locator('#osc-layers').waitFor();
	},
	async report__on_paper_and_on_a_phone__says_what_the_page_says_and_holds_its_tables_and_the_shades_of_its_cells() {
		const call = async (path, body) => (await fetch(`${url}/v1/jobs${path}`, body ? {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)} : {})).json();
		const {spec} = await call('/j1');
		const {id} = await call('', {...spec, schemes: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5', 'w4a8'], samples: 20, calibration: {samples: 10}, latency: false, export: ['report']});
		await open(`#/jobs/${id}`);
		await page.locator('[data-state=succeeded]').waitFor({timeout: 120000});
		const said = await page.locator('#answer [aria-live] p').allInnerTexts();
		const report = await (await fetch(`${url}/v1/jobs/${id}/artifacts/report.html`)).text();
		await page.goto('about:blank');
		await page.setContent(report);
		assert.deepEqual([await page.locator('h2').first().innerText(), ...(await page.locator('h2 ~ p').allInnerTexts()).slice(0, said.length - 1)], said);
		const wrong = await onPaper();
		const shaded = await page.locator('td[style*=background]').first().evaluate((e) => getComputedStyle(e).printColorAdjust);
		await onScreen();
		await page.setViewportSize({width: 390, height: 844});
		const wide = await page.evaluate(() => document.documentElement.scrollWidth);
		await page.setViewportSize({width: 1280, height: 900});
		assert.deepEqual([wrong, shaded, wide], [[], 'exact', 390]);
	},
	async pages_that_compute__before_the_server_answers__say_that_they_load() {
		await loading([['formats', '#/formats', 'main canvas'], ['distributions', '#/distributions', 'main canvas'], ['hardware', '#/hardware', 'main canvas'], ['tensors', '#/tensors', 'main canvas']]);
	},
	async every_page__phone_and_desktop_light_and_dark__fits_its_width() {
		await everywhere([['job', '#/jobs/j1'], ['formats', '#/formats'], ['distributions', '#/distributions'], ['hardware', '#/hardware'], ['compare', '#/compare'], ['tensors', '#/tensors'], ['oscillations', '#/oscillations'], ['training', '#/training'], ['methods', '#/training?view=methods'], ['submit-toy', '#/submit?type=toy'], ['submit-sqnr', '#/submit?type=sqnr'], ['submit-hwcost', '#/submit?type=hwcost']], 'lab-');
	},
};

const failed = await run(tests);
await stop();
rmSync(state, {recursive: true, force: true});
process.exit(failed ? 1 : 0);
