// SPDX-License-Identifier: Apache-2.0
// Cold loads of the dashboard's pages and of MLflow's in one headless Chromium, by turns, without throttling: first contentful paint, bytes
// transferred, when the rows (the graph) are there, and when the page is at rest after that. Medians.
//
//	node bench/pages.mjs BUILD FOLDER RUNS [ROUNDS]
//
// FOLDER keeps both databases of RUNS runs, which the first call fills ($MLFLOW_PYTHON: a Python with mlflow; $QB_SHARED: the shared folder
// whose MobileNetV2 is swept); a call on a filled one only measures. CHROMIUM names the browser.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {createServer} from 'node:net';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {startDaemon} from '../tests/web/harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const [build, folder] = process.argv.slice(2, 4).map((p) => resolve(p));
const [runs, rounds] = [process.argv[4] ?? '1000', process.argv[5] ?? '5'].map(Number);
const python = process.env.MLFLOW_PYTHON ?? 'python3';
const shared = process.env.QB_SHARED ?? join(here, '../../shared');
const VIEWPORT = {width: 1440, height: 900};
const QUIET_MS = 1000;
const LIMIT_MS = 60000;
const state = join(folder, 'state');
const database = join(folder, 'mlflow.db');
const filled = join(folder, 'filled.json');

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
const freePort = () => new Promise((found) => { const s = createServer().listen(0, '127.0.0.1', () => { const {port} = s.address(); s.close(() => found(port)); }); });

async function until(what, test) {
	for (const end = Date.now() + 900_000; ;) {
		const got = await test().catch(() => undefined);
		if (got) { return got; }
		assert.ok(Date.now() < end, `waited too long for ${what}`);
		await new Promise((done) => setTimeout(done, 250));
	}
}

const ours = () => startDaemon(build, ['--state', state, '--web', join(build, 'web/dist')]);

async function theirs() {
	const port = await freePort();
	const url = `http://127.0.0.1:${port}`;
	const server = spawn(python, ['-m', 'mlflow', 'server', '--backend-store-uri', `sqlite:///${database}`, '--default-artifact-root', join(folder, 'artifacts'), '--host', '127.0.0.1', '--port', String(port)],
		{stdio: 'ignore', detached: true, env: {...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true'}});
	await until('MLflow', async () => (await fetch(`${url}/health`)).ok);
	return {url, stop: () => process.kill(-server.pid, 'SIGTERM')};
}

/** The crowd of jobs, and after it a sweep of MobileNetV2 by a real worker; then as many runs of MLflow with the same numbers. */
async function fill() {
	mkdirSync(folder, {recursive: true});
	execFileSync('python3', ['-c', `import crowd; crowd.people(${JSON.stringify(state)}, ${runs - 1})`], {cwd: join(here, '../tests/api')});
	const daemon = await ours();
	const job = {type: 'ptq', name: 'MobileNetV2', model: join(shared, 'data/imagenet/mobilenet_v2.onnx'), data: join(shared, 'data/imagenet/sample-500.npz'), metric: 'top1', seed: 1, samples: 30, latency: false,
		preprocess: {scale: 1 / 127.5, mean: 1}, calibration: {samples: 10}, schemes: ['int8', 'int4', 'E3', 'E4', 'w4a8']};
	const file = join(folder, 'job.json');
	writeFileSync(file, JSON.stringify(job));
	const id = execFileSync(join(build, 'quantbench'), ['--server', daemon.url, 'submit', file], {encoding: 'utf8'}).trim();
	const of = async (path) => (await fetch(`${daemon.url}/v1/${path}`)).json();
	await until('the sweep', async () => (await of(`jobs/${id}`)).state === 'succeeded');
	const {schemes} = await of(`jobs/${id}/results`);
	const {spec} = await of(`jobs/${id}`);
	await daemon.stop();
	const numbers = Object.fromEntries(schemes.flatMap((s) => Object.entries(s).filter(([, v]) => typeof v === 'number').map(([k, v]) => [`${s.scheme}.${k}`, v])));
	const run = JSON.parse(execFileSync(python, [join(here, 'mlflow_runs.py'), database, String(runs - 1)], {input: JSON.stringify(numbers), encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore']}));
	writeFileSync(filled, JSON.stringify({job: id, model: spec.model, metrics: Object.keys(numbers).length, ...run}));
}

/** In the page: when `there` first matched something to be seen, and when the last long task ended. */
function watch(there) {
	const seen = {rows: null, busy: 0, paint: null};
	window.seen = seen;
	new PerformanceObserver((list) => { for (const t of list.getEntries()) { seen.busy = t.startTime + t.duration; } }).observe({type: 'longtask', buffered: true});
	new PerformanceObserver((list) => { for (const t of list.getEntries()) { if (t.name === 'first-contentful-paint') { seen.paint = t.startTime; } } }).observe({type: 'paint', buffered: true});
	const look = () => {
		const e = document.querySelector(there);
		if (e && e.getBoundingClientRect().height > 0) { seen.rows = performance.now(); } else { requestAnimationFrame(look); }
	};
	look();
}

async function load(browser, origin, hash, there) {
	const context = await browser.newContext({viewport: VIEWPORT});
	const page = await context.newPage();
	const client = await context.newCDPSession(page);
	await client.send('Network.enable');
	let [bytes, requests, last] = [0, 0, Date.now()];
	const touch = () => { last = Date.now(); };
	client.on('Network.requestWillBeSent', () => { requests++; touch(); });
	client.on('Network.dataReceived', touch);
	client.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; touch(); });
	await page.route((url) => url.origin !== origin, (route) => route.abort());
	await page.addInitScript(watch, there);
	await page.goto(`${origin}/${hash}`, {waitUntil: 'commit'});
	const from = Date.now();
	let seen;
	do {
		assert.ok(Date.now() - from < LIMIT_MS, `${origin}/${hash}: no ${there} within ${LIMIT_MS} ms`);
		await new Promise((done) => setTimeout(done, 200));
		seen = await page.evaluate(() => ({...window.seen, now: performance.now()}));
	} while (seen.rows === null || seen.now - Math.max(seen.busy, seen.rows) < QUIET_MS || Date.now() - last < QUIET_MS);
	await context.close();
	return {paint: seen.paint, rows: seen.rows, rest: Math.max(seen.rows, seen.busy), bytes, requests};
}

if (!existsSync(filled)) { await fill(); }
const known = JSON.parse(readFileSync(filled, 'utf8'));
const [a, b] = [await ours(), await theirs()];
const pages = [
	['quantbench: Jobs', a.url, '#/jobs', '#jobs tbody tr[data-job]'],
	['MLflow: runs', b.url, `#/experiments/${known.experiment}/runs`, '.ag-row'],
	['quantbench: MobileNetV2 job', a.url, `#/jobs/${known.job}`, '#sweep tbody tr'],
	['MLflow: its run', b.url, `#/experiments/${known.experiment}/runs/${known.run}`, '[role=row] [role=cell]'],
	['quantbench: its graph', a.url, `#/models/${known.model}?view=graph&job=${known.job}`, '[data-laid-out]:not([data-laid-out=""])'],
];
const {chromium} = createRequire(join(build, 'web/app/package.json'))('playwright-core');
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu']});
const found = new Map(pages.map(([name]) => [name, []]));
try {
	await load(browser, ...pages[1].slice(1)); // MLflow's workers import what they need at the first request
	for (let round = 0; round < rounds; round++) {
		for (const [name, ...page] of pages) { found.get(name).push(await load(browser, ...page)); }
	}
	console.log(`${runs} runs, ${known.metrics} numbers of the sweep's schemes, Chromium ${browser.version()}, median of ${rounds} (least to most)`);
	for (const [name, all] of found) {
		const ms = (key) => { const v = all.map((x) => x[key]); return `${median(v).toFixed(0)} (${Math.min(...v).toFixed(0)} to ${Math.max(...v).toFixed(0)})`; };
		console.log(`${name.padEnd(30)} paint ${ms('paint')} ms, rows ${ms('rows')} ms, at rest ${ms('rest')} ms, ${(median(all.map((x) => x.bytes)) / 1000).toFixed(0)} kB in ${median(all.map((x) => x.requests))} requests`);
	}
} finally {
	await browser.close();
	await a.stop();
	b.stop();
}
