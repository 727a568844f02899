// SPDX-License-Identifier: Apache-2.0
// The list of jobs as a lab has it: ten thousand of them, filtered, sorted, chosen, tagged, and changing while one looks.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {browse} from './harness.mjs';

const [build, source, chromium] = process.argv.slice(2).map((p, i) => (i < 2 ? resolve(p) : p));
const COLD_LOAD_BYTES = 300_000;
const JOBS = 10000;
const folder = mkdtempSync(join(tmpdir(), 'qb-jobs-'));
const state = join(folder, 'state');
execFileSync('python3', ['-c', `import crowd; crowd.people(${JSON.stringify(state)}, ${JOBS}, 3)`], {cwd: join(source, 'tests/api')});
const daemon = spawn(join(build, 'quantbenchd'), ['--listen', '127.0.0.1:0', '--worker', join(source, 'tests/api/fake_worker.py'), '--state', state, '--web', join(build, 'web/dist'), '--jobs', '1'],
	{stdio: ['ignore', 'inherit', 'pipe']});
const url = await new Promise((found, failed) => {
	let text = '';
	daemon.stderr.on('data', (part) => { text += part; const at = /listens on (http:\S+)/.exec(text); if (at) { found(at[1]); } });
	daemon.on('exit', () => failed(new Error(`the daemon ended: ${text}`)));
});
const {page, open, has, everywhere, run} = await browse({app: join(build, 'web/app'), chromium, pictures: join(build, 'web/pictures'), url});
const call = async (method, path, body) => (await fetch(`${url}/v1/${path}`, {method, headers: {'Content-Type': 'application/json'}, body: body ? JSON.stringify(body) : undefined})).json();
const fake = (steps, more = {}) => call('POST', 'jobs', {type: 'fake', do: steps, fresh: true, ...more});
const shown = () => page.locator('#jobs tbody tr[data-job]').evaluateAll((all) => all.map((r) => r.dataset.job));
const listed = async (query) => (await call('GET', `jobs?limit=100&${query}`)).jobs.map((j) => j.id);
const settle = async (expected) => { for (let turn = 0; JSON.stringify(await shown()) !== JSON.stringify(expected); turn++) { assert.ok(turn < 100, `${(await shown()).slice(0, 5)} are shown, not ${expected.slice(0, 5)}`); await page.waitForTimeout(100); } };

const tests = {
	async cold_load__of_the_jobs__is_at_most_300_kB() {
		const client = await page.context().newCDPSession(page);
		await client.send('Network.enable');
		await client.send('Network.clearBrowserCache');
		let bytes = 0;
		const files = [];
		client.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
		client.on('Network.responseReceived', (e) => files.push(new URL(e.response.url).pathname));
		const begun = Date.now();
		await open('#/jobs');
		await page.locator('#jobs tbody tr').first().waitFor();
		const first = Date.now() - begun;
		await page.waitForTimeout(500);
		await client.detach();
		console.log(`# cold load: ${bytes} bytes, ${first} ms to the list, ${[...new Set(files)].join(' ')}`);
		assert.ok(bytes <= COLD_LOAD_BYTES, `${bytes} bytes`);
		assert.ok(files.some((f) => f.endsWith('.js')), 'nothing was loaded');
	},
	async running_and_next__stand_on_top_with_their_places() {
		await open('#/jobs');
		await page.locator('#now tr[data-now]').nth(2).waitFor();
		assert.deepEqual(await page.locator('#now tr[data-now]').evaluateAll((all) => all.map((r) => [r.dataset.now, r.querySelector('[data-state]').dataset.state])),
			[['j9998', 'running'], ['j9999', 'queued'], ['j10000', 'queued']]);
		assert.match(await page.locator('#now tr[data-now=j10000]').innerText(), /place 2/);
		await has('1 runs, 2 wait');
	},
	async list__of_ten_thousand__is_paged_by_the_server_and_the_address() {
		await open('#/jobs');
		await settle(await listed(''));
		assert.equal(await page.locator('[data-total]').innerText(), '10\u2009000 jobs');
		await page.getByRole('link', {name: 'Next page'}).click();
		const second = (await call('GET', 'jobs?limit=100&before=j9901')).jobs.map((j) => j.id);
		await settle(second);
		assert.match(page.url(), /before=j9901/);
		await page.reload();
		await settle(second);
		await page.goBack();
		await settle(await listed(''));
	},
	async filters_and_order__are_asked_of_the_server_and_stand_in_the_address() {
		await open('#/jobs');
		await page.getByLabel('State', {exact: true}).selectOption('failed');
		await page.getByLabel('Type', {exact: true}).selectOption('ptq');
		await settle(await listed('state=failed&type=ptq'));
		assert.equal(await page.locator('#now').count(), 0);
		await page.getByLabel('Scheme', {exact: true}).fill('E4');
		await page.getByLabel('Scheme', {exact: true}).press('Enter');
		await page.getByLabel('Tag', {exact: true}).selectOption('baseline');
		await page.getByRole('button', {name: 'Took'}).click();
		await settle(await listed('state=failed&type=ptq&scheme=E4&tag=baseline&sort=-took'));
		assert.equal(await page.locator('th', {hasText: 'Took'}).getAttribute('aria-sort'), 'descending');
		await page.getByRole('button', {name: 'Took'}).click();
		await settle(await listed('state=failed&type=ptq&scheme=E4&tag=baseline&sort=took'));
		assert.match(page.url(), /state=failed/);
		await page.reload();
		await settle(await listed('state=failed&type=ptq&scheme=E4&tag=baseline&sort=took'));
		await open('#/jobs?sort=-best');
		await settle(await listed('sort=-best'));
		assert.match(await page.locator('#jobs tbody tr').first().innerText(), /int8 \d+\.\d\d %/);
	},
	async search__finds_names_and_tags_as_one_types() {
		await open('#/jobs');
		await page.getByLabel('Filter').fill('sweep net17_');
		await settle(await listed('q=sweep%20net17_'));
		assert.match(page.url(), /q=sweep\+net17_/);
		await page.getByLabel('Filter').fill('sweep nowhere-at-all');
		await has('No job matches');
	},
	async list__changes__without_being_asked() {
		await open('#/jobs');
		await page.locator('#now tr[data-now]').first().waitFor();
		const {id} = await fake([['sleep', 0.1]], {name: 'told of at once', tags: ['live']});
		await page.locator(`#jobs tr[data-job=${id}]`, {hasText: 'told of at once'}).waitFor({timeout: 5000});
		await call('PATCH', `jobs/${id}`, {name: 'called otherwise'});
		await page.locator(`#jobs tr[data-job=${id}]`, {hasText: 'called otherwise'}).waitFor({timeout: 5000});
		await call('POST', `jobs/${id}/cancel`);
		await page.locator(`#jobs tr[data-job=${id}] [data-state=cancelled]`).waitFor({timeout: 5000});
		await fetch(`${url}/v1/jobs/${id}`, {method: 'DELETE'});
		await page.locator(`#jobs tr[data-job=${id}]`).waitFor({state: 'detached', timeout: 5000});
	},
	async chosen__are_tagged_compared_cancelled_and_deleted() {
		const made = [];
		for (let i = 0; i < 3; i++) { made.push((await fake([['sleep', 0.1]], {tags: ['three']})).id); }
		await open('#/jobs?tag=three');
		await settle([...made].reverse());
		await page.getByLabel('Choose all of this page').check();
		await has('3 chosen');
		await page.getByLabel('Tags of the chosen jobs').fill('new-one, other');
		await page.getByRole('button', {name: 'Add tag'}).click();
		await page.locator(`#jobs tr[data-job=${made[0]}]`, {hasText: 'new-one'}).waitFor();
		assert.deepEqual((await call('GET', `jobs/${made[2]}`)).tags, ['new-one', 'other', 'three']);
		await page.getByLabel('Tags of the chosen jobs').fill('other');
		await page.getByRole('button', {name: 'Remove tag'}).click();
		await page.locator(`#jobs tr[data-job=${made[0]}]`, {hasText: 'other'}).waitFor({state: 'detached'});
		await page.getByRole('button', {name: 'Cancel 3'}).click();
		await page.locator('#jobs [data-state=cancelled]').nth(2).waitFor();
		await page.getByRole('button', {name: 'Delete 3'}).click();
		await has('No job matches');
		await open('#/jobs?type=ptq&state=succeeded');
		await page.locator('#jobs tbody input[type=checkbox]').nth(1).waitFor();
		const two = (await shown()).slice(0, 2);
		for (const id of two) { await page.getByLabel(`Choose ${id}`, {exact: true}).check(); }
		assert.equal(await page.getByRole('link', {name: 'Compare', exact: true}).getAttribute('href'), `#/compare?jobs=${two.join(',')}&each=job`);
	},
	async labels__of_a_job__are_changed_on_its_page() {
		const {id} = await fake([['sleep', 0.1]]);
		await open(`#/jobs/${id}`);
		await page.getByRole('button', {name: 'Add name, tags, notes'}).click();
		await page.getByLabel('Name', {exact: true}).fill('the one of the paper');
		await page.getByLabel('Tags, parted by commas').fill('paper, final');
		await page.getByLabel('Notes').fill('line one\nline two');
		await page.getByRole('button', {name: 'Save'}).click();
		await page.locator('h1', {hasText: 'the one of the paper'}).waitFor();
		await page.getByRole('link', {name: 'Jobs with tag final'}).click();
		await settle([id]);
		const {name, tags, notes} = await call('GET', `jobs/${id}`);
		assert.deepEqual([name, tags, notes], ['the one of the paper', ['final', 'paper'], 'line one\nline two']);
		await call('POST', `jobs/${id}/cancel`);
	},
	async charts__are_loaded__when_one_is_drawn() {
		await open('#/formats');
		await page.locator('canvas').first().waitFor();
	},
	async pages__phone_and_desktop__fit() {
		await call('PATCH', 'jobs/j9990', {name: 'a_name_without_any_place_to_break_it_that_goes_on_and_on_and_on_until_it_ends_0123456789', tags: ['a-tag-that-is-rather-long-as-well-and-does-not-end-soon']});
		await everywhere([['jobs-many', '#/jobs'], ['jobs-filtered', '#/jobs?state=succeeded&sort=-best'], ['jobs-labels', '#/jobs/j9990']]);
		await page.setViewportSize({width: 1440, height: 900});
		await open('#/jobs');
		await page.locator('#jobs tbody tr').first().waitFor();
		await page.getByLabel('Choose j9990').check();
		await page.screenshot({path: join(build, 'web/pictures/jobs-chosen-1440.png')});
	},
};

const failed = await run(tests);
daemon.kill('SIGTERM');
await new Promise((ended) => daemon.on('exit', ended));
rmSync(folder, {recursive: true, force: true});
process.exit(failed ? 1 : 0);
