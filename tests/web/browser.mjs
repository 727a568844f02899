// SPDX-License-Identifier: Apache-2.0
// The dashboard against a server of made-up numbers, for what a real one shows too seldom. Pictures of every page are left in PICTURES.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {browse} from './harness.mjs';
import {start} from './mock.mjs';

const [app, dist, pictures, chromium, kinds] = process.argv.slice(2);
const server = await start(dist, kinds);
const {page, open, has, everywhere, failing, loading, onPaper, onScreen, themed, run} = await browse({app, chromium, pictures, url: server.url});

const tests = {
	async jobs__all_states__are_listed() {
		await open('#/jobs');
		await page.locator('tr[data-job=j1]').waitFor();
		assert.equal(await page.locator('#jobs tbody tr').count(), 4);
		await page.getByLabel('State', {exact: true}).selectOption('failed');
		await page.locator('tr[data-job=j1]').waitFor({state: 'detached'});
		await has('use fewer threads');
		await page.getByRole('button', {name: 'Retry j2'}).click();
		await has('No job matches');
	},
	async jobs__search__asks_the_server_and_stands_in_the_address() {
		await open('#/jobs');
		await page.locator('tr[data-job=j1]').waitFor();
		await page.getByLabel('Filter').fill('resnet8 j3');
		await page.locator('tr[data-job=j1]').waitFor({state: 'detached'});
		assert.equal(await page.locator('#jobs tbody tr').count(), 1);
		assert.match(page.url(), /q=resnet8\+j3/);
		await page.reload();
		await page.locator('tr[data-job=j3]').waitFor();
		assert.equal(await page.getByLabel('Filter').inputValue(), 'resnet8 j3');
	},
	async job__of_a_sweep__shows_the_table_with_the_best_marked() {
		await open('#/jobs/j1');
		await page.locator('#sweep').waitFor();
		assert.match(await page.locator('tr[data-scheme=E2] td.best').first().innerText(), /★ 0\.00[\s\S]*−0\.40 to \+0\.40/);
		assert.match((await page.locator('tr[data-scheme=int8] td.best').allInnerTexts()).join(), /★ −0\.11[\s\S]*,★ 80\.1 kB,★ 5\.74 G,★ 160 µs/);
		assert.match((await page.locator('tr[data-scheme=E2] td.best').allInnerTexts()).join(), /★ 0\.00[^★]*,★ 80\.1 kB$/); // its time is emulated
		assert.equal(await page.locator('tr[data-scheme=int4] td.best').count(), 0); // fewer gates, but not as good
		assert.match(await page.locator('tr[data-scheme=int8]').innerText(), /−0\.11[\s\S]*160 µs[\s\S]*native/);
		assert.match(await page.locator('tr[data-scheme=E4]').innerText(), /emulated/);
		assert.match(await page.locator('tr[data-scheme=int8]').innerText(), /34\.0 dB\s+±0\.5 dB/);
		await page.locator('#look canvas').waitFor();
		assert.equal(await page.locator('canvas').count(), 4);
		await page.getByRole('button', {name: 'weights'}).click();
		await page.getByRole('button', {name: 'in the network', exact: true}).click();
		await has('weights have no error but their own');
		await page.getByRole('button', {name: /^Own SQNR/}).click();
		assert.match(await page.locator('#tensors tbody tr').first().innerText(), /weight\s+int8\s+40\.0 dB\s+–/);
		await page.getByLabel('Filter tensors').fill('stage6/a');
		await page.locator('#tensors tbody tr', {hasText: /34\.0 dB\s*±0\.4 dB\s*29\.0 dB\s*±0\.7 dB/}).waitFor();
		const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: 'CSV'}).click()]);
		assert.equal(file.suggestedFilename(), 'j1.csv');
	},
	async answer__within_a_limit__follows_it_and_stands_in_the_address() {
		await open('#/jobs/j1');
		const said = page.locator('#answer [data-answer]');
		await page.locator('#answer [data-answer=int8]').waitFor();
		assert.equal(await said.innerText(), 'int8 is the smallest of the schemes that lose at most 1 point of top-1.');
		await has(/It takes 80\.1 kB, 26 % of float's 309 kB, and changes top-1 by −0\.11 points \(95 % interval −0\.51 to \+0\.29\)/);
		await has(/The next smaller one, int4 \(41\.5 kB\), fails: it changes top-1 by −16\.51 points .* Its lowest SQNR: <b>layer11<\/b>\/conv \(activation\) 25\.0 ±0\.4 dB, 29\.0 ±0\.4 dB in int8/);
		await page.getByLabel('At most').fill('17');
		await page.getByLabel('At most').press('Enter');
		await page.locator('#answer [data-answer=int4]').waitFor();
		assert.match(page.url(), /limit=points:17/);
		await page.getByLabel('Cheapest by').selectOption('latency');
		await page.locator('#answer [data-answer=int8]').waitFor();
		await has(/Left out: int4, E2, E3, E4 and E5, emulated here/);
		await page.getByLabel('Limit of').selectOption('size');
		assert.equal(await page.getByLabel('At most').inputValue(), '150');
		await page.getByLabel('At most').fill('20');
		await page.getByLabel('At most').press('Tab');
		await has('No scheme of this sweep takes at most 20.0 kB.');
		await page.reload();
		await has('No scheme of this sweep takes at most 20.0 kB.');
		await page.locator('#answer').getByRole('link', {name: 'Repair int4 by QAT'}).waitFor();
	},
	async pareto__of_a_sweep__has_a_table_and_leads_to_rows() {
		await open('#/jobs/j1');
		await page.locator('#pareto canvas').waitFor();
		await page.locator('#pareto summary').click();
		const onFront = async () => (await page.locator('#pareto-table tbody tr', {has: page.getByRole('cell', {name: 'yes', exact: true})}).evaluateAll((all) => all.map((r) => r.dataset.point)));
		assert.deepEqual(await onFront(), ['int4', 'E2']);
		assert.match(await page.locator('#pareto-table tr[data-point=int8]').innerText(), /80\.1 kB\s+−0\.11\s+−0\.51 to \+0\.29\s+no/);
		await page.locator('#pareto').getByRole('button', {name: 'gates'}).click();
		assert.match(page.url(), /by=gates/);
		await page.locator('#pareto-table tr[data-point=int4]', {hasText: '2.14 G gates'}).waitFor();
		assert.deepEqual(await onFront(), ['int4', 'int8', 'E2']);
		await page.locator('#pareto').getByRole('button', {name: 'latency'}).click();
		await has('Left out: int4, E2, E3, E4, E5: emulated');
		assert.equal(await page.locator('#pareto-table tbody tr').count(), 2);
		await page.locator('#pareto').getByRole('button', {name: 'size'}).click();
		await page.locator('#pareto').getByRole('button', {name: 'near float'}).click();
		await has('2 lie further from float');
		await page.locator('#pareto-table').getByRole('button', {name: 'E3'}).click();
		assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-scheme')), 'E3');
		await open('#/compare');
		await page.locator('#pareto summary').click();
		assert.match(await page.locator('#pareto-table tr', {hasText: 'int4'}).innerText(), /13 %\s+−16\.51\s+−16\.91 to −16\.11\s+yes/);
		await has(/a_network_with_quite_a_long_name.*mean squared error is not in points/);
		await page.locator('#pareto-table').getByRole('button', {name: 'int8'}).click();
		await page.waitForURL(/#\/jobs\/j1$/);
	},
	async charts__by_key__tell_each_value_and_lead_to_what_a_click_would() {
		await open('#/jobs/j1');
		const chart = page.locator('#pareto .chart');
		await page.locator('#pareto canvas').waitFor();
		const said = page.locator('#pareto [role=status]').first();
		await chart.focus();
		for (const [key, name] of [['ArrowRight', 'int4'], ['ArrowRight', 'int8'], ['End', 'float'], ['Home', 'int4']]) {
			await chart.press(key);
			assert.match(await said.innerText(), new RegExp(`^${name}, `), key);
		}
		await chart.press('ArrowRight');
		await chart.press('Enter');
		assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-scheme')), 'int8');
		assert.equal(await said.innerText(), ''); // it was left
		const map = page.locator('.chart[aria-label*="SQNR"]').first();
		await map.focus();
		await map.press('ArrowRight');
		await map.press('ArrowRight');
		await map.press('ArrowDown');
		await map.press('Enter');
		await page.waitForURL(/look=/);
		await page.locator('#look canvas').waitFor();
		await open('#/jobs/j20');
		const loss = page.locator('[data-panel=loss] .chart');
		await page.locator('[data-panel=loss] canvas').waitFor();
		await loss.focus();
		await loss.press('ArrowRight');
		await loss.press('ArrowRight');
		await page.locator('[data-panel=loss] [role=status]', {hasText: /8/}).waitFor();
		await loss.press('Escape');
		assert.equal(await page.locator('[data-panel=loss] [role=status]').innerText(), '');
	},
	async row_of_a_sweep__diagnose_repair_export__are_filled_in() {
		await open('#/jobs/j1');
		const [file] = await Promise.all([page.waitForEvent('download'), page.locator('tr[data-scheme=int8]').getByRole('button', {name: 'Export int8: int8.qdq.onnx'}).click()]);
		assert.equal(file.suggestedFilename(), 'int8.qdq.onnx');
		await page.locator('tr[data-scheme=E2]').getByRole('link', {name: 'Export E2'}).click();
		const job = async () => { await page.getByLabel("The job's JSON").waitFor(); return JSON.parse(await page.getByLabel("The job's JSON").inputValue()); };
		assert.deepEqual(await job(), {type: 'ptq', model: 'm1', data: 'd1', schemes: ['E2'], export: ['qdq'], latency: false});
		await open('#/jobs/j1');
		await page.locator('tr[data-scheme=int4]').getByRole('link', {name: 'Repair by QAT: int4'}).click();
		await page.getByLabel('Train', {exact: true}).waitFor();
		assert.deepEqual((({type, model, data, train, scheme, method}) => ({type, model, data, train, scheme, method}))(await job()), {type: 'qat', model: 'm1', data: 'd1', train: 'd1', scheme: 'int4', method: 'lsq'});
		await open('#/jobs/j1');
		await page.locator('tr[data-scheme=int4]').getByRole('link', {name: 'Diagnose int4'}).click();
		await page.getByLabel('Scheme', {exact: true}).first().waitFor();
		assert.equal((await job()).scheme, 'int4');
	},
	async job__that_does_not_exist__says_so() {
		await open('#/jobs/j99');
		await has('there is no job j99');
	},
	async job__failed__tells_why() {
		await open('#/jobs/j3');
		await has('batch 5 of 12');
		await has('calibrating on 100 samples');
		await page.getByRole('button', {name: 'Cancel'}).click();
		await page.locator('[data-state=cancelled]').waitFor();
	},
	async models__upload__is_listed_and_refusal_is_shown() {
		await open('#/models');
		await has('its weight has 3 dimensions');
		await page.setInputFiles('input[type=file]', [{name: 'new.onnx', mimeType: '', buffer: Buffer.from('x')}, {name: 'huge.onnx', mimeType: '', buffer: Buffer.from('x')}]);
		await page.getByRole('link', {name: 'new.onnx', exact: true}).waitFor();
		await has('larger than 1 GB');
		await page.getByRole('button', {name: 'Delete new.onnx'}).click();
		await page.getByRole('link', {name: 'new.onnx', exact: true}).waitFor({state: 'detached'});
		await open('#/models/m1');
		await has('conv8');
	},
	async submit__wrong_scheme__is_told_at_the_field_then_a_good_one_runs_to_its_table() {
		const before = server.lab.submitted.length;
		await open('#/submit?model=m1');
		await page.getByLabel('Schemes: another').fill('nonsense');
		await page.getByLabel('Schemes', {exact: true}).getByRole('button', {name: 'Add', exact: true}).click();
		await page.locator('[data-error=schemes]').waitFor(); // as one types
		assert.equal(server.lab.submitted.length, before);
		await page.getByRole('button', {name: 'Submit', exact: true}).click();
		assert.match(await page.locator('[data-error=schemes]').innerText(), /no format "nonsense"/);
		await page.getByRole('button', {name: 'Remove nonsense'}).click();
		await page.getByLabel('Schemes: another').fill('w4a6 {"weights":"int4","name":"mine"}');
		await page.getByLabel('Schemes: another').press('Enter');
		await page.getByLabel('Mean').fill('0.1, 0.2 0.3');
		await page.getByText('More options').click();
		await page.getByLabel('Granularity').first().selectOption('per_tensor');
		await page.getByRole('button', {name: 'Submit', exact: true}).click();
		await page.locator('#sweep').waitFor();
		const sent = server.lab.submitted.at(-1);
		assert.deepEqual(sent.schemes, ['int8', 'E2', 'E3', 'E4', 'E5', 'w4a6', {weights: 'int4', name: 'mine'}]);
		assert.deepEqual(sent.preprocess, {mean: [0.1, 0.2, 0.3]});
		assert.deepEqual(sent.weights, {granularity: 'per_tensor', range: 'mse'});
		assert.equal(sent.model, 'm1');
	},
	async submit__essentials_first__the_rest_is_folded_with_a_sentence_each() {
		await open('#/submit?model=m1');
		await page.locator('[data-verdict=taken]').waitFor();
		await has(/such jobs? (so far, j1 with 6 schemes, )?took/);
		assert.equal(await page.getByLabel('Seed').isVisible(), false);
		assert.ok(await page.getByLabel('Metric', {exact: true}).isVisible());
		await page.getByText('More options').click();
		assert.ok(await page.getByLabel('Seed').isVisible());
		assert.equal(await page.locator('form [title]').count(), 0);
		await has('evaluate at most this many samples');
	},
	async submit__data_that_do_not_fit__are_not_offered() {
		await open('#/submit?model=m1');
		await has(/Not offered, because the network cannot be fed them: tinyshakespeare\.txt: a text becomes windows of tokens, N × length; digits\.npz: x is 300 × 1 × 16 × 16, the input takes N × 3 × 32 × 32/);
		assert.deepEqual(await page.getByLabel('Data', {exact: true}).locator('option').allInnerTexts(), ['choose', 'test-846.npz (d1)']);
	},
	async submit__options_of_a_scheme__need_no_json() {
		await open('#/submit?model=m1');
		await page.getByLabel('Notes').fill('why this one');
		await page.getByLabel('Notes').press('Tab');
		assert.equal(JSON.parse(await page.getByLabel("The job's JSON").inputValue()).notes, 'why this one');
		await page.getByText('Options of single schemes').click();
		await page.locator('summary', {hasText: /^int8$/}).click();
		const one = page.locator('details', {has: page.locator('summary', {hasText: /^int8$/})}).last();
		await one.getByLabel('Name').fill('mine');
		await one.getByLabel('Name').press('Tab');
		await page.locator('summary', {hasText: /^mine$/}).waitFor();
		const job = async () => JSON.parse(await page.getByLabel("The job's JSON").inputValue());
		assert.deepEqual((await job()).schemes[0], {scheme: 'int8', name: 'mine'});
		await page.getByRole('button', {name: 'Remove mine'}).click();
		assert.deepEqual((await job()).schemes, ['E2', 'E3', 'E4', 'E5']);
	},
	async submit__edited_json__is_what_is_sent_and_fills_the_form() {
		await open('#/submit?from=j1');
		await page.getByRole('button', {name: '✓ E5', exact: true}).waitFor();
		await page.getByLabel("The job's JSON").fill('{"type":"ptq","model":"m1","data":"d1","schemes":["E3"],"threads":2}');
		await page.getByRole('button', {name: '✓ E3', exact: true}).waitFor();
		await page.getByText('More options').click();
		assert.equal(await page.getByLabel('Threads', {exact: true}).first().inputValue(), '2');
		await page.getByRole('button', {name: 'Submit', exact: true}).click();
		await page.waitForURL(/#\/jobs\/j/);
		assert.deepEqual(server.lab.submitted.at(-1), {type: 'ptq', model: 'm1', data: 'd1', schemes: ['E3'], threads: 2});
	},
	async compare__two_networks__one_row_each() {
		await open('#/compare');
		await page.locator('#compare tbody tr').nth(1).waitFor();
		assert.match(await page.locator('#compare tbody tr').first().innerText(), /846 samples[\s\S]*weights per channel mse[\s\S]*87\.71[\s\S]*★ −0\.11[\s\S]*−0\.51 to \+0\.29[\s\S]*★ 0\.00/);
		await has('One short run is hidden');
		assert.equal(await page.locator('#compare tbody tr').count(), 2);
		await page.getByRole('button', {name: 'Show', exact: true}).click();
		await page.locator('#compare tbody tr').nth(2).waitFor();
	},
	async compare__chosen_jobs__stand_side_by_side_with_what_differs() {
		await open('#/compare');
		await page.getByLabel('Compare certain jobs only: add a run').selectOption('j1');
		await page.getByLabel('Add a job: add a run').selectOption('j19');
		await page.waitForURL(/jobs=j1,j19/);
		const lines = (part) => page.locator(`#differences [data-part=${part}] tr[data-line]`).evaluateAll((all) => all.map((r) => r.dataset.line));
		await page.locator('#differences tr[data-line=schemes]').waitFor();
		assert.deepEqual(await lines('settings'), ['model', 'schemes', 'calibration.samples']);
		assert.deepEqual((await lines('results')).slice(0, 2), ['float: top-1', 'int8: change of top-1']);
		assert.match(await page.locator('#differences tr[data-line="int8: change of top-1"]').innerText(), /intervals meet\s+−0\.11 \(−0\.51 to \+0\.29\)\s+−0\.31 \(−0\.71 to \+0\.09\)/);
		await has(/are the same/);
		await page.getByRole('button', {name: 'everything'}).click();
		await page.locator('#differences tr[data-line=data]').waitFor();
		assert.match(page.url(), /same=shown/);
		await page.reload();
		await page.locator('#differences tr[data-line=data]').waitFor();
		await page.getByRole('button', {name: /remove j19$/}).click();
		await page.locator('#differences').waitFor({state: 'detached'});
		await page.getByRole('button', {name: 'All jobs'}).click();
		await page.locator('#compare tbody tr').nth(1).waitFor();
	},
	async compare__versions_of_the_engine__regressions_are_flagged() {
		await open('#/compare');
		await has('All of these are of engine 0.3.0: trends begin with jobs of a second version.');
		await open('#/compare?jobs=j90,j91,j92,j93,j94,j95,j96,j97&view=latency');
		const row = page.locator('#trends tr[data-moved=worse]');
		await row.waitFor();
		assert.match(await row.innerText(), /resnet8\.onnx[^]*int8\s+162 µs\s+4 runs, 160 µs to 163 µs\s+182 µs\s+4 runs, 180 µs to 183 µs\s+\+12\.4 %\s+1\.9 %\s+⚠ worse: p = 0\.029/);
		await has('⚠ One is worse than under the version before.');
		assert.equal(await row.getByRole('link', {name: '182 µs'}).getAttribute('href'), '#/jobs/j97');
		await open('#/compare?jobs=j90,j91,j92,j93,j94,j95,j96,j97');
		await has('None is worse than under the version before');
		assert.equal(await page.locator('#trends tr[data-moved=same]').count(), 6);
	},
	async diagnosis__layers__have_their_intervals() {
		await open('#/jobs/j42');
		assert.match(await page.locator('#layers tr', {hasText: 'conv8'}).first().innerText(), /−2\.00\s+−2\.40 to −1\.60\s+22\.0 dB\s+±0\.3 dB\s+−15\.00\s+−15\.40 to −14\.60\s+10\.0 dB\s+±0\.3 dB/);
		await has(/in int4 \(−16\.51, −16\.91 to −16\.11\)/);
	},
	async talk__tables__hold_what_was_published_and_measured_in_one_cell_with_the_job() {
		await open('#/talk');
		await page.locator('[data-table="1a"] a', {hasText: '459'}).waitFor();
		assert.deepEqual(await page.locator('table[data-table]').evaluateAll((all) => all.map((t) => t.dataset.table)), ['1a', '1b', '1c', '1d', '3', '4']);
		const cells = (table, row) => page.locator(`[data-table="${table}"] [data-row="${row}"] tr`).first().locator('td');
		assert.match(await cells('1a', 'E4').first().innerText(), /^1.150 \(\+53 %\)[^]*509 \(\+11 %\)/);
		assert.match(await cells('1c', 'resnet18').nth(1).innerText(), /^−0\.08[^]*−0\.11[^]*−0\.51 to \+0\.29/);
		assert.match(await page.locator('[data-table="1c"] [data-row=resnet18]').innerText(), /Measured: resnet8\.onnx, test-846\.npz, 846 samples, top-1; [^]*Differs: a network of 77\.4 k parameters, ResNet18 has 11\.7 M; 846 samples of test-846\.npz, published on 50.000 of ImageNet/);
		const link = cells('1c', 'resnet18').nth(1).getByRole('link');
		assert.equal(await link.getAttribute('href'), '#/jobs/j1');
		assert.match(await link.getAttribute('aria-label'), /−0\.11 measured in j1: resnet8\.onnx, test-846\.npz, 846 samples/);
		assert.match(await page.locator('[data-table="3"] [data-row=lsq] td').first().innerText(), /69\.5[^]*85\.40[^]*2 seeds/);
		assert.match(await page.locator('[data-table="4"] [data-row="opt.clipped_softmax"] td').first().innerText(), /16\.29[^]*\d/);
		assert.match(await page.locator('#claims li', {hasText: 'uniform distribution'}).innerText(), /✓ holds[^]*INT8 has the most: 48\.1 dB[^]*j41/);
		assert.match(await page.locator('#claims li', {hasText: 'large outliers'}).innerText(), /not measured/);
		assert.equal(await page.title(), 'The talk · quantbench');
	},
	async talk__empty_cells__open_the_form_of_the_job_that_fills_them_and_say_how_long() {
		await open('#/talk');
		const row = page.locator('[data-table="1a"] [data-row=E4]');
		await row.getByRole('link', {name: 'run this'}).waitFor();
		assert.match(await row.innerText(), /run this: about 1 min|run this: about 72 s/);
		await row.getByRole('link', {name: 'run this'}).click();
		const job = async () => { await page.getByLabel("The job's JSON").waitFor(); return JSON.parse(await page.getByLabel("The job's JSON").inputValue()); };
		assert.deepEqual(await job(), {type: 'hwcost', units: [{operands: 'E4', accumulator: 'fp16'}]});
		await open('#/talk');
		await page.locator('[data-table="1c"] [data-row=hrnet]').getByRole('link', {name: 'run this: HRNet, INT8'}).click();
		assert.deepEqual(await job(), {type: 'ptq', model: '', data: '', metric: 'miou', schemes: ['int8', 'E2', 'E3', 'E4'], latency: false});
		await open('#/talk');
		await page.locator('[data-table="3"] [data-row="lsq+freeze"]').getByRole('link', {name: /W3A3/}).click();
		assert.deepEqual((({type, model, data, train, scheme, method}) => ({type, model, data, train, scheme, method}))(await job()), {type: 'qat', model: 'm4', data: 'd1', train: 'd1', scheme: 'w3a3', method: ['lsq', 'freeze']});
	},
	async talk__another_network__is_put_into_a_row_by_the_reader_and_stands_in_the_address() {
		await open('#/talk');
		const row = page.locator('[data-table="1c"] [data-row=hrnet]');
		await row.locator('select').selectOption({index: 1});
		assert.match(await row.innerText(), /Measured: [^]*is no HRNet by its name/);
		assert.match(page.url(), /1c\.hrnet=/);
		await page.reload();
		await row.getByText('is no HRNet by its name').waitFor();
		await page.locator('[data-table="1c"] [data-row=resnet18] select').selectOption('');
		await page.locator('[data-table="1c"] [data-row=resnet18]').getByRole('link', {name: 'run this: ResNet18, INT8'}).waitFor();
	},
	async graph__of_a_network__is_coloured_by_a_job_and_leads_to_details() {
		await open('#/models/m1');
		await page.getByRole('button', {name: 'graph'}).click();
		await page.locator('[data-laid-out="12"]').waitFor(); // nine convolutions, two additions, the input
		assert.match(page.url(), /view=graph/);
		await page.getByLabel('Job that colours').selectOption('j1');
		await page.getByRole('button', {name: 'SQNR of its own'}).click();
		await page.getByLabel('Scheme that colours').selectOption('E3');
		await page.locator('[data-legend=sqnr]', {hasText: 'low SQNR: 17.0 dB'}).waitFor();
		assert.match(await page.locator('#nodes tr', {hasText: 'conv5'}).innerText(), /17\.0 dB/);
		const graph = page.getByRole('application', {name: 'The network as a graph of 12 nodes, coloured by SQNR of its own'});
		const box = await graph.boundingBox();
		await graph.click({position: {x: box.width / 2, y: 45}});
		await page.locator('#node-details h3', {hasText: /^x$/}).waitFor();
		await graph.press('ArrowDown');
		await page.locator('#node-details h3', {hasText: /^conv0$/}).waitFor();
		assert.match(await page.locator('#node-details').innerText(), /operator\s+Conv[^]*weight[^]*E3 28\.0 dB[^]*in the network/);
		assert.match(page.url(), /node=conv0/);
		await page.reload();
		await page.locator('#node-details h3', {hasText: /^conv0$/}).waitFor();
		await page.getByLabel('Job that colours').selectOption('j42');
		await page.locator('[data-legend=sensitivity]', {hasText: 'much of the noise: 20.0 %'}).waitFor();
		await page.getByLabel('Find nodes').fill('conv8');
		await page.locator('#nodes').getByRole('button', {name: 'conv8'}).click();
		assert.match(await page.locator('#node-details').innerText(), /conv8[^]*share of the noise\s+20\.0 %[^]*only it quantized\s+−2\.00, 22\.0 dB/);
		await open('#/jobs/j1');
		await page.getByRole('link', {name: "On the network's graph"}).click();
		await page.locator('[data-laid-out="12"]').waitFor();
	},
	async graph__of_3000_nodes__is_laid_out_off_the_page_and_moves_by_pointer_and_key() {
		await open('#/models/m4?view=graph');
		await has('Laying out 3001 nodes');
		await page.getByLabel('Find nodes').fill('concat'); // the page answers meanwhile
		await page.locator('#nodes').getByRole('button', {name: 'block12/concat'}).waitFor();
		await page.locator('[data-laid-out="3001"]').waitFor({timeout: 120000});
		const graph = page.getByRole('application');
		const box = page.locator('[data-laid-out]');
		const state = () => box.evaluate((e) => [Number(e.dataset.scale), ...e.dataset.origin.split(',').map(Number)]);
		const [scale, x, y] = await state();
		const at = await graph.boundingBox();
		await page.mouse.move(at.x + 300, at.y + 200);
		await page.mouse.down();
		await page.mouse.move(at.x + 200, at.y + 100, {steps: 4});
		await page.mouse.up();
		const moved = await state();
		assert.ok(Math.abs(moved[1] - x - 100 / scale) < 1 && Math.abs(moved[2] - y - 100 / scale) < 1, `${[scale, x, y]} to ${moved}`);
		await page.getByRole('button', {name: 'Zoom in'}).click();
		assert.ok((await state())[0] > scale);
		await graph.press('0');
		assert.ok((await state())[0] < 0.05);
		await page.locator('#nodes').getByRole('button', {name: 'block12/concat'}).click();
		await page.locator('#node-details h3', {hasText: 'block12/concat'}).waitFor();
		assert.ok((await state())[0] >= 0.5); // brought into view where it can be read
	},
	async histogram__of_a_tensor__has_the_grid_and_range_of_any_format_over_it() {
		await open('#/jobs/j1');
		await page.locator('#look-figures[data-fit=scheme]').waitFor();
		await page.locator('#tensors').getByRole('button', {name: /^<b>layer11<\/b>\/conv: look inside, under E3/}).click();
		await page.locator('#look-figures[data-tensor="<b>layer11</b>/conv"]').waitFor();
		assert.match(page.url(), /look=[^&]*layer11[^&]*&of=E3/);
		await page.getByLabel('Grid of format').selectOption('int8');
		await page.locator('#look-figures[data-fit=best]').waitFor();
		const sqnr = async () => Number((await page.locator('#look-figures b').first().innerText()).replace(' dB', ''));
		const best = await sqnr();
		await page.getByRole('button', {name: 'all elements'}).click();
		await page.locator('#look-figures[data-fit=data]', {hasText: '0.0 %'}).waitFor();
		assert.ok(await sqnr() <= best);
		await page.getByRole('slider', {name: 'Largest magnitude'}).fill('100');
		await page.locator('#look-figures[data-fit=typed]').waitFor();
		assert.ok(await sqnr() < best);
		assert.match(page.url(), /as=int8&range=0\.\d+/);
		await page.getByText('The 256 values, and the share').click();
		assert.equal(await page.locator('#grid-values li').count(), 256);
		await page.reload();
		await page.locator('#look-figures[data-fit=typed][data-tensor="<b>layer11</b>/conv"]').waitFor();
		const wide = await page.locator('#look').evaluate((e) => e.scrollWidth - e.clientWidth);
		assert.ok(wide <= 0);
	},
	async training__of_a_qat_job__shows_start_and_end_and_curves_of_others() {
		await open('#/jobs/j20');
		await page.locator('#outcomes').waitFor();
		assert.match(await page.locator('tr[data-outcome=float]').innerText(), /87\.71\s+–/);
		assert.match(await page.locator('tr[data-outcome=start]').innerText(), /post-training[\s\S]*41\.20\s+−46\.51[\s\S]*−47\.20 to −45\.80/);
		assert.match(await page.locator('tr[data-outcome=final]').innerText(), /w4a4\+lsq[\s\S]*84\.90\s+−2\.81[\s\S]*86\.10/);
		assert.deepEqual(await page.locator('[data-panel]').evaluateAll((all) => all.map((p) => p.dataset.panel)), ['loss', 'metric', 'rate', 'gradient_norm', 'oscillating', 'frozen']);
		await page.getByLabel('Compare with: add a run').selectOption('j21');
		await page.getByRole('button', {name: 'Remove j21'}).waitFor();
		assert.match(page.url(), /#\/jobs\/j20\?with=j21/);
		await page.locator('#outcomes tr[data-outcome=final]').nth(1).waitFor();
		await page.getByText('The curves as tables').click();
		assert.equal(await page.locator('#epochs tbody tr').count(), 12);
		await page.getByRole('button', {name: 'by epoch'}).click();
		await page.reload();
		await page.getByRole('button', {name: 'Remove j21'}).waitFor();
		await open('#/training?jobs=j20,j25,j99,j1');
		await has('j99 cannot be shown');
		await has(/is a ptq job and has no curves/);
		await page.locator('#outcomes tr[data-outcome=start]', {hasText: 'before training'}).waitFor();
		await has(/Without j25 resnet8 float, which tells none/);
	},
	async training__that_runs__is_drawn_as_it_goes_and_one_that_diverged_says_where() {
		await open('#/jobs/j28');
		await page.getByText('The curves as tables').click();
		await page.locator('#steps tbody tr').nth(13).waitFor();
		assert.equal(await page.locator('#epochs tbody tr').count(), 1);
		assert.equal(await page.locator('#outcomes').count(), 0);
		server.lab.more();
		await page.locator('#steps tbody tr').nth(59).waitFor();
		assert.equal(await page.locator('#epochs tbody tr').count(), 6);
		await open('#/jobs/j26');
		await has('The training diverged');
		await has(/the loss of step 24 is not finite/);
		await page.locator('[data-panel=loss]').waitFor();
		assert.equal(await page.locator('[data-panel=metric]').count(), 0);
		await page.getByRole('button', {name: 'by epoch'}).click();
		await has(/Not by epoch yet/);
	},
	async oscillations__of_a_qat_job__are_scrubbed_by_step_and_layer() {
		await open('#/oscillations?job=j20');
		await has('Latent weights around their grid');
		const slider = page.getByRole('slider', {name: 'Step'});
		assert.equal(await slider.getAttribute('aria-valuetext'), 'step 480, 12 of 12');
		await slider.fill('0');
		await page.locator('h3', {hasText: 'At step 40'}).waitFor();
		await has(/Batch norms[\s\S]*at step 40/);
		await page.getByLabel('Layer', {exact: true}).selectOption({label: 'stage1/block0/conv2'});
		await has(/weights of stage1\/block0\/conv2 lie within an eighth/);
		assert.match(await page.locator('#osc-layers tbody tr').first().innerText(), /conv1\s+int8\s+432\s+not tracked/);
		assert.equal(await page.locator('#latent tbody tr').count(), 40);
		assert.equal(await page.locator('#norms tbody tr').count(), 3);
	},
	async methods__measured_and_published__are_told_apart() {
		await open('#/training?view=methods');
		const lsq = page.locator('section[data-group="mobilenetv2_cifar w4a4"] tr[data-method=lsq]');
		await lsq.waitFor();
		assert.match(await lsq.innerText(), /76\.60\s+2 seeds, 71\.30 to 81\.90\s+85\.40\s+2 seeds, 84\.90 to 85\.90\s+5 %\s+0 %\s+20\.0 ms[\s\S]*j20, j22, j23\s+69\.5/);
		assert.match(await page.locator('tr[data-method="lsq+freeze"]').innerText(), /–\s+86\.90[\s\S]*1\.04 × lsq[\s\S]*70\.6/);
		assert.equal(await page.locator('#published-methods tbody tr').count(), 7);
		assert.match(await page.locator('#published-methods tbody tr').nth(1).innerText(), /PACT[\s\S]*61\.4\s+–/);
		assert.match(await page.locator('#published-qat tbody tr', {hasText: 'BERT-base'}).innerText(), /\+0\.20[\s\S]*−1\.86/);
		assert.match(await page.locator('#qat-formats tbody tr').first().innerText(), /mobilenetv2_cifar[\s\S]*\+0\.19/);
		assert.equal(await page.getByText('★').count(), 0);
		await open('#/training?view=methods&jobs=j21,j25');
		await has('Of the chosen runs alone');
		await page.locator('tr[data-method="lsq+freeze"]').waitFor();
		await page.locator('tr[data-method=lsq]').first().waitFor({state: 'detached'});
	},
	async outliers__of_three_attentions__stand_side_by_side_by_layer_map_and_grid() {
		await open('#/outliers');
		await page.locator('#outliers-summary').waitFor();
		assert.equal(await page.locator('#outliers-summary tbody tr').count(), 3);
		assert.match(await page.locator('#outliers-summary tr[data-method=vanilla]').innerText(), /2 seeds\s+6\.000 ± 0\.043\s+6\.004 ± 0\.041\s+\+0\.003\s+22\.08 ± 2\.611[\s\S]*37\.5 %/);
		await has('did not help the published causal model');
		assert.match(await page.locator('table.published tr', {hasText: 'clipped softmax'}).innerText(), /16\.29\s+37\.2\s+63\.2\s+19728/);
		assert.equal(await page.locator('table.published').count(), 1);
		assert.equal(await page.locator('section[aria-labelledby=map-title] canvas').count(), 3);
		assert.equal(await page.locator('section[aria-labelledby=attention-title] canvas').count(), 3);
		await page.selectOption('select[aria-label=Head]', '1.1');
		await has('25.9 % to the first token');
		await page.getByRole('button', {name: 'Kurtosis'}).click();
		await page.selectOption('select[aria-label="Run of tensors"]', 'gated-1');
		await has('gated-1, 33.9 k parameters');
	},
	async outliers__that_train__are_drawn_as_they_go() {
		await open('#/jobs/j31');
		await page.locator('[data-panel=max_inf_norm] canvas').waitFor();
		await page.locator('details', {hasText: 'The curves as tables'}).locator('summary').click();
		assert.equal(await page.locator('#steps tbody tr').count(), 10);
		await page.locator('label.pick select').selectOption('gated');
		assert.match(await page.locator('#steps tbody tr').last().innerText(), /100\s+1\s+10/);
	},
	async jobs__running_and_next__are_on_top_with_their_expected_end() {
		await open('#/jobs');
		await page.locator('tr[data-now=j4]').waitFor();
		const order = await page.locator('#now tr[data-now]').evaluateAll((all) => all.map((r) => r.querySelector('[data-state]').dataset.state));
		const rank = {running: 0, queued: 1};
		assert.deepEqual(order, [...order].sort((x, y) => rank[x] - rank[y]));
		assert.match(await page.locator('tr[data-now=j4]').innerText(), /place 1/);
	},
	async views__title_state_scroll_and_focus__are_kept() {
		await open('#/compare');
		await page.getByRole('button', {name: 'a row a job'}).click();
		await page.getByRole('button', {name: 'output SQNR'}).click();
		assert.match(page.url(), /each=job&view=sqnr/);
		await page.reload();
		assert.equal(await page.getByRole('button', {name: 'output SQNR'}).getAttribute('aria-pressed'), 'true');
		assert.equal(await page.title(), 'Leaderboard · quantbench');
		await open('#/jobs/j1?heat=weight&sort=-min&tensor=layer1');
		await page.locator('#tensors').waitFor();
		assert.equal(await page.title(), 'j1 · Jobs · quantbench');
		assert.equal(await page.getByRole('button', {name: 'weights'}).getAttribute('aria-pressed'), 'true');
		assert.equal(await page.getByLabel('Filter tensors').inputValue(), 'layer1');
		await page.evaluate(() => scrollTo(0, 700));
		await page.waitForTimeout(200);
		await page.evaluate(() => { location.hash = '#/system'; });
		await page.getByRole('heading', {name: 'System'}).first().waitFor();
		assert.deepEqual(await page.evaluate(() => [scrollY, document.activeElement?.id]), [0, 'main']);
		await page.goBack();
		await page.locator('#tensors').waitFor();
		await page.waitForFunction(() => scrollY === 700);
	},
	async print__of_pages__is_light_whole_and_without_what_is_pressed() {
		for (const hash of ['#/jobs', '#/jobs/j1', '#/jobs/j20', '#/jobs/j30', '#/jobs/j42', '#/compare', '#/talk', '#/training?view=methods', '#/oscillations?job=j20', '#/models/m1']) {
			await page.emulateMedia({colorScheme: 'dark'});
			await open(hash);
			await page.locator('h1').first().waitFor();
			await page.waitForTimeout(600);
			const wrong = await onPaper();
			if (hash === '#/jobs/j1') { await page.screenshot({path: join(pictures, 'print-job.png'), fullPage: true}); }
			await onScreen();
			assert.deepEqual(wrong, [], hash);
		}
	},
	async print__of_a_job_in_the_dark__keeps_names_and_headings_and_draws_charts_for_paper() {
		await page.emulateMedia({colorScheme: 'dark'});
		await open('#/jobs/j1');
		await page.locator('#look canvas').waitFor();
		const drawn = () => page.locator('#pareto canvas').first().evaluate((c) => c.toDataURL());
		await themed('dark');
		await page.waitForTimeout(600);
		const dark = await drawn();
		await onPaper();
		for (let turn = 0; await drawn() === dark; turn++) { assert.ok(turn < 50, 'the chart is drawn for the dark'); await page.waitForTimeout(100); }
		for (const part of ['#sweep tr[data-scheme=int8] th', '#tensors th button', '#tensors tbody .link', '#pareto canvas']) { assert.ok(await page.locator(part).first().isVisible(), part); }
		for (const part of ['.go', 'details:not([open]) summary', 'input[type=search]']) { assert.ok(!await page.locator(part).first().isVisible(), part); }
		assert.deepEqual(await page.locator('#pareto [aria-label] button').evaluateAll((all) => all.filter((b) => b.checkVisibility()).map((b) => b.getAttribute('aria-pressed'))), ['true', 'true']);
		await page.emulateMedia({media: null, colorScheme: 'dark'});
		await themed('dark');
		await page.setViewportSize({width: 1280, height: 900});
		await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
		assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
		await page.evaluate(() => dispatchEvent(new Event('afterprint')));
		assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
		await onScreen();
	},
	async every_page__before_the_server_answers__says_that_it_loads() {
		await loading([['jobs', '#/jobs', '#jobs tbody tr'], ['job', '#/jobs/j1', '#sweep tbody tr'], ['models', '#/models', 'main tbody tr'], ['model', '#/models/m1', 'main tbody tr'],
			['graph', '#/models/m1?view=graph', 'main canvas'], ['data', '#/data', 'main tbody tr'], ['submit', '#/submit', 'main form'], ['compare', '#/compare', 'main a[href^="#/jobs/"]'], ['talk', '#/talk', 'table[data-table] a[href^="#/jobs/"]'],
			['training', '#/training?jobs=j20,j21', 'main canvas'], ['oscillations', '#/oscillations?job=j20', 'main canvas'], ['methods', '#/training?view=methods', 'main tr[data-method]'], ['outliers', '#/outliers?job=j30', 'main canvas'],
			['system', '#/system', 'main dl']]);
	},
	async every_page__server_that_fails__says_what_went_wrong() {
		await failing([['jobs', '#/jobs'], ['job', '#/jobs/j1'], ['models', '#/models'], ['model', '#/models/m1'], ['graph', '#/models/m1?view=graph'], ['data', '#/data'], ['submit', '#/submit'], ['compare', '#/compare'], ['talk', '#/talk'], ['formats', '#/formats'],
			['distributions', '#/distributions'], ['tensors', '#/tensors'], ['hardware', '#/hardware'], ['training', '#/training?jobs=j20'], ['methods', '#/training?view=methods'], ['oscillations', '#/oscillations'], ['outliers', '#/outliers'], ['system', '#/system']]);
	},
	async every_page__phone_and_desktop_light_and_dark__fits_its_width() {
		await everywhere([['jobs', '#/jobs'], ['job', '#/jobs/j1'], ['models', '#/models'], ['model', '#/models/m1'], ['graph', '#/models/m1?view=graph&job=j1&node=conv5'], ['graph-3000', '#/models/m4?view=graph'], ['data', '#/data'], ['submit', '#/submit'],
			['compare-two', '#/compare?jobs=j1,j19'], ['compare', '#/compare'], ['talk', '#/talk'], ['training', '#/training?jobs=j20,j21,j25'], ['training-running', '#/jobs/j28'], ['training-qat', '#/jobs/j20?with=j21'], ['training-diverged', '#/jobs/j26'], ['oscillations', '#/oscillations?job=j20'], ['methods', '#/training?view=methods'], ['outliers', '#/outliers?job=j30'], ['outliers-running', '#/jobs/j31'], ['system', '#/system']]);
	},
};

const failed = await run(tests);
server.stop();
process.exit(failed ? 1 : 0);
