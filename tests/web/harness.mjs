// SPDX-License-Identifier: Apache-2.0
// Runs tests of the dashboard in headless Chromium: a page that complains or fetches from elsewhere fails.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const SWITCHES = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Starts a daemon of a build folder with further options. Its address, and what ends it. */
export async function startDaemon(build, options) {
	const daemon = spawn(join(build, 'quantbenchd'), ['--listen', '127.0.0.1:0', '--worker', join(build, 'quantbench-worker'), ...options],
		{stdio: ['ignore', 'inherit', 'pipe']});
	const url = await new Promise((found, failed) => {
		let text = '';
		daemon.stderr.on('data', (part) => {
			text += part;
			const at = /listens on (http:\S+)/.exec(text);
			if (at) { found(at[1]); }
		});
		daemon.on('exit', () => failed(new Error(`the daemon ended: ${text}`)));
	});
	const stop = async () => {
		daemon.kill('SIGTERM');
		await new Promise((ended) => daemon.on('exit', ended));
	};
	return {url, stop};
}

export async function browse({app, chromium, pictures, url}) {
	const {chromium: browserType} = createRequire(join(app, 'package.json'))('playwright-core');
	mkdirSync(pictures, {recursive: true});
	const profile = mkdtempSync(join(tmpdir(), 'qb-browser-'));
	const context = await browserType.launchPersistentContext(profile, {executablePath: chromium, headless: true, chromiumSandbox: false, args: SWITCHES,
		viewport: {width: 1280, height: 900}, colorScheme: 'light'});
	const page = context.pages()[0] ?? await context.newPage();
	page.setDefaultTimeout(30000);
	const complaints = [];
	const elsewhere = [];
	page.on('pageerror', (e) => complaints.push(String(e)));
	page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) { complaints.push(m.text()); } });
	page.on('request', (r) => { if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) { elsewhere.push(r.url()); } });
	page.on('dialog', (d) => void d.accept());
	const axe = readFileSync(join(app, 'node_modules/axe-core/axe.min.js'), 'utf8');

	/** What axe finds wrong with the page for those who do not see it or use no mouse. */
	async function findings() {
		await page.evaluate(axe);
		return page.evaluate(async () => (await window.axe.run(document, {rules: {'label-content-name-mismatch': {enabled: true}}})).violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' ')}`));
	}
	const open = (hash) => page.goto(`${url}/${hash}`);

	/** Short words of tables that are broken into two lines. */
	const brokenWords = () => page.evaluate(() => {
		const broken = new Set();
		for (const cell of document.querySelectorAll('td, th')) {
			const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
			for (let text = texts.nextNode(); text; text = texts.nextNode()) {
				for (const {0: word, index} of text.data.matchAll(/(?<!\S)[A-Za-z0-9,;:.]{2,12}(?!\S)/g)) {
					const range = new Range();
					range.setStart(text, index);
					range.setEnd(text, index + word.length);
					if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) { broken.add(word); }
				}
			}
		}
		return [...broken].slice(0, 8);
	});

	/** Placeholders of which the field shows but a part; a field to search in keeps room for what clears it. */
	const cutPlaceholders = () => page.evaluate(() => {
		const pen = document.createElement('canvas').getContext('2d');
		return [...document.querySelectorAll('main input[placeholder]')].filter((e) => e.checkVisibility()).filter((e) => {
			const style = getComputedStyle(e);
			pen.font = style.font;
			return pen.measureText(e.placeholder).width > e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - (e.type === 'search' ? 16 : 0) + 1;
		}).map((e) => e.placeholder);
	});

	/** Cells whose text lies over their neighbours. */
	const spilt = () => page.evaluate(() => [...document.querySelectorAll('td, th')].filter((e) => e.checkVisibility() && !e.closest('.visually-hidden'))
		.filter((e) => [...e.querySelectorAll('*')].some((c) => !c.closest('.visually-hidden, select, .chart') && c.getBoundingClientRect().width > 0 && c.getBoundingClientRect().right > e.getBoundingClientRect().right + 1)).map((e) => e.textContent.trim().slice(0, 60)).slice(0, 8));

	/** Tables that are scrolled sideways and lose the column that says what a row is about. */
	const nameless = () => page.evaluate(() => [...document.querySelectorAll('.scroll, .tall')].filter((box) => box.checkVisibility() && box.querySelector(':scope > table') && box.scrollWidth > box.clientWidth + 1).filter((box) => {
		box.scrollLeft = box.scrollWidth;
		const first = [...box.querySelectorAll('tbody tr')].map((row) => row.firstElementChild).filter((e) => e && e.getBoundingClientRect().width > 0 && !e.hasAttribute('colspan'));
		const gone = first.some((e) => e.getBoundingClientRect().left < box.getBoundingClientRect().left - 1);
		box.scrollLeft = 0;
		return gone;
	}).map((box) => box.textContent.trim().slice(0, 60)));

	/** Every page at the width of a desk and of a phone, light and dark: nothing may stick out. */
	async function everywhere(places, prefix = '') {
		for (const [width, scheme] of [[1440, 'light'], [390, 'dark'], [390, 'light'], [1440, 'dark']]) {
			await page.setViewportSize({width, height: 860});
			await page.emulateMedia({colorScheme: scheme});
			for (const [name, hash] of places) {
				await open(hash);
				await page.locator('h1').first().waitFor();
				await page.waitForTimeout(350);
				await page.screenshot({path: join(pictures, `${prefix}${name}-${width}-${scheme}.png`), fullPage: true});
				const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
				assert.ok(over <= 0, `${name} at ${width} is ${over} pixels too wide`);
				assert.deepEqual(await cutPlaceholders(), [], `${name} at ${width}`);
				assert.deepEqual(await brokenWords(), [], `${name} at ${width}`);
				assert.deepEqual(await spilt(), [], `${name} at ${width}`);
				if (width === 390) { assert.deepEqual(await nameless(), [], `${name} at ${width}`); }
				if ((width === 390) === (scheme === 'dark')) {
					assert.deepEqual(await findings(), [], `${name} at ${width}`);
				}
			}
		}
		await page.setViewportSize({width: 1280, height: 900});
		await page.emulateMedia({colorScheme: 'light'});
	}

	/** Each page while the server keeps its answers back: it says that it loads, as a status, and of no error; then shows what is there. */
	async function loading(places) {
		for (const [name, hash, shown] of places) {
			let answer = () => undefined;
			const held = new Promise((go) => { answer = go; });
			const hold = async (route) => { await held; await route.continue().catch(() => undefined); };
			await page.route(/\/v1\//, hold);
			await page.goto('about:blank');
			await open(hash);
			const says = page.locator('main .notice.loading[role=status]');
			const said = says.filter({hasText: /^(Loading|Reading|Computing)(?! the page).*…/});
			try {
				await said.first().waitFor({timeout: 15000}).catch(async () => { throw new Error(`${name} does not say that it loads: ${await page.locator('main').innerText()}`); });
				assert.equal(await page.locator('main [role=alert]').count(), 0, name);
				assert.equal(await page.locator(shown).count(), 0, `${name} shows what was not answered`);
				answer();
				await page.locator(shown).first().waitFor();
				for (let turn = 0; await says.count() > 0; turn++) {
					assert.ok(turn < 200, `${name} still says: ${await says.allInnerTexts()}`);
					await page.waitForTimeout(50);
				}
			} finally {
				answer();
				await page.unroute(/\/v1\//, hold);
			}
		}
	}

	/** Each page at both widths, light and dark, while the server answers every question with an error: it says what went wrong, in the server's words, and neither that it loads nor that there is nothing. */
	async function failing(places) {
		const fail = (route) => route.fulfill({status: 500, contentType: 'application/problem+json', body: JSON.stringify({type: 'about:blank', title: 'Internal Server Error', status: 500, code: 'storage', detail: 'the disk is full: 0 bytes are free'})});
		await page.route(/\/v1\//, fail);
		try {
			for (const [width, scheme] of [[1440, 'light'], [390, 'dark'], [390, 'light'], [1440, 'dark']]) {
				await page.setViewportSize({width, height: 860});
				await page.emulateMedia({colorScheme: scheme});
				for (const [name, hash] of places) {
					await page.goto('about:blank');
					await open(hash);
					await page.locator('main [role=alert]', {hasText: 'the disk is full'}).first().waitFor({timeout: 15000}).catch(async () => { throw new Error(`${name} does not say what went wrong: ${await page.locator('main').innerText()}`); });
					const says = async () => page.locator('main .notice.loading').allInnerTexts();
					for (let turn = 0; (await says()).length > 0; turn++) { assert.ok(turn < 60, `${name} still says: ${await says()}`); await page.waitForTimeout(50); }
					assert.doesNotMatch(await page.locator('main').innerText(), /\bNo \w+ yet\b|Nothing \w+ .*yet/, name);
					const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
					assert.ok(over <= 0, `${name} at ${width} is ${over} pixels too wide`);
					if ((width === 390) === (scheme === 'dark')) { assert.deepEqual(await findings(), [], `${name} at ${width}`); }
				}
			}
		} finally {
			await page.unroute(/\/v1\//, fail);
			complaints.splice(0, Infinity, ...complaints.filter((text) => !/status of 500/.test(text)));
			await page.setViewportSize({width: 1280, height: 900});
			await page.emulateMedia({colorScheme: 'light'});
		}
	}

	/** Waits until scripts have seen the theme, which charts are drawn in. */
	const themed = (theme) => page.locator(`html[data-theme=${theme}]`).waitFor();

	/** What is wrong with the page on paper (A4, 12 mm margins; backgrounds are not printed): of elements that can be seen. */
	async function onPaper() {
		await page.setViewportSize({width: 703, height: 1040});
		await page.emulateMedia({media: 'print', colorScheme: 'dark'});
		if (await page.locator('html[data-theme]').count() > 0) { await themed('light'); }
		await page.waitForTimeout(300);
		return page.evaluate(() => {
			const wrong = [];
			const said = (e) => `${e.tagName} ${e.className} "${e.textContent.trim().slice(0, 40)}"`;
			const light = (c) => { const [r, g, b] = c.map((v) => (v <= 10 ? v / 3294 : ((v / 255 + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
			for (const e of document.querySelectorAll('body *')) {
				const box = e.getBoundingClientRect();
				if (box.width < 2 || box.height < 2 || !e.checkVisibility() || e.closest('.visually-hidden, select')) { continue; }
				const style = getComputedStyle(e);
				if (e.matches('header, nav a, input[type=search], input[type=range]') || (e.matches('button') && !e.matches('.link, .file, th button, [aria-pressed="true"]'))) { wrong.push(`to be used, not read: ${said(e)}`); }
				if (box.right > innerWidth + 1) { wrong.push(`beyond the paper by ${Math.round(box.right - innerWidth)}: ${said(e)}`); }
				if (e.matches('canvas') && e.closest('.card').getBoundingClientRect().bottom < box.bottom) { wrong.push(`over what comes after it: ${said(e.closest('.card'))}`); }
				if (style.overflow !== 'visible' && style.display !== 'inline' && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) && !e.matches('input, textarea, .chart *')) { wrong.push(`cut: ${said(e)}`); }
				if ([...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && style.printColorAdjust !== 'exact') {
					const contrast = 1.05 / (light(style.color.match(/[\d.]+/g).slice(0, 3).map(Number)) + 0.05);
					if (contrast < 4.5) { wrong.push(`pale, ${contrast.toFixed(1)}: ${said(e)}`); }
				}
			}
			return wrong.slice(0, 8);
		});
	}
	async function onScreen() {
		await page.emulateMedia({media: null, colorScheme: 'light'});
		await page.setViewportSize({width: 1280, height: 900});
	}

	/** Returns how many tests failed. QB_ONLY=talk runs those whose names match alone. */
	async function run(tests) {
		let failed = 0;
		const only = new RegExp(process.env.QB_ONLY ?? '');
		for (const [name, test] of Object.entries(tests).filter(([name]) => only.test(name))) {
			try {
				await test();
				assert.deepEqual(complaints.splice(0), [], 'the page complained');
				console.log(`ok ${name}`);
			} catch (e) {
				failed++;
				complaints.splice(0);
				console.log(`not ok ${name}\n${e.stack}`);
				await page.screenshot({path: join(pictures, `failed-${name}.png`)}).catch(() => undefined);
			}
		}
		if (elsewhere.length > 0) {
			failed++;
			console.log(`not ok something was fetched from elsewhere: ${elsewhere.join(' ')}`);
		}
		await context.close();
		rmSync(profile, {recursive: true, force: true});
		return failed;
	}
	return {page, open, everywhere, failing, loading, onPaper, onScreen, themed, run, has: (text) => page.getByText(text).first().waitFor()};
}
