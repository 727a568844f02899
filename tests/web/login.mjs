// SPDX-License-Identifier: Apache-2.0
// A browser that needs a token: it logs in, changes something, makes and revokes a token, and logs out.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {browse, startDaemon} from './harness.mjs';

const [build, app, web, source, chromium] = process.argv.slice(2).map((p, i) => (i < 4 ? resolve(p) : p));
const state = mkdtempSync(join(tmpdir(), 'qb-login-'));
const token = execFileSync(join(build, 'quantbenchd'), ['token', 'create', 'ada', '--role', 'admin', '--state', state], {stdio: ['ignore', 'pipe', 'ignore']}).toString().trim();
const {url, stop} = await startDaemon(build, ['--state', state, '--tokens', 'all', '--web', web]);
const {page, open, has, run} = await browse({app, chromium, pictures: join(build, 'web/pictures'), url});
const logIn = async (secret) => {
	await page.getByLabel('Access token').fill(secret);
	await page.getByRole('button', {name: 'Log in'}).click();
};

const tests = {
	async dashboard__without_a_session__leads_to_the_login_page() {
		await open('#/jobs');
		await page.waitForURL(`${url}/login`);
		await logIn('qb_nonsense');
		await has('That token is not valid');
	},
	async login__with_a_token__opens_the_dashboard_and_its_changes_are_taken() {
		await logIn(token);
		await page.waitForURL(`${url}/`);
		await open('#/models');
		await page.setInputFiles('input[type=file]', [join(source, 'demo/digits.onnx')]);
		await has('N × 1 × 16 × 16');
		await open('#/system');
		await has('ada, with the role admin.');
		await has('POST /v1/models = m1');
	},
	async tokens__made_and_revoked__on_the_page() {
		await page.getByLabel('Name').fill('bob');
		await page.getByLabel('Role').selectOption('read');
		await page.getByRole('button', {name: 'Make a token'}).click();
		assert.match(await page.locator('code').innerText(), /^qb_[0-9a-f]{64}$/);
		await page.getByRole('row', {name: /bob/}).getByRole('button', {name: 'Revoke'}).click();
		await page.getByRole('row', {name: /bob/}).getByText('revoked').waitFor();
	},
	async logout__of_the_session__leads_to_the_login_page() {
		await page.getByRole('button', {name: 'Log out'}).click();
		await page.waitForURL(`${url}/login`);
		await open('#/jobs');
		await page.waitForURL(`${url}/login`);
	},
};

const failed = await run(tests);
await stop();
rmSync(state, {recursive: true, force: true});
process.exit(failed ? 1 : 0);
