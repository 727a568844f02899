// SPDX-License-Identifier: Apache-2.0
// Another page begins at its top with the focus on its content; on the way back it is where it was left.

const WAIT_MS = 3000; /* for a page to be as long as it was */

const left = new Map<string, number>();

export function keepPlaces(): void {
	let back = false;
	let from = location.hash;
	const navigation = (window as unknown as {navigation?: EventTarget}).navigation;
	navigation?.addEventListener('navigate', (e) => { back = (e as unknown as {navigationType: string}).navigationType === 'traverse'; });
	history.scrollRestoration = 'manual';
	window.addEventListener('scroll', () => { left.set(location.hash, scrollY); }, {passive: true});
	window.addEventListener('hashchange', () => {
		const path = (hash: string): string => hash.split('?')[0] ?? '';
		const another = path(from) !== path(location.hash);
		from = location.hash;
		if (back) {
			restore(left.get(location.hash) ?? 0, location.hash, performance.now());
		} else if (another) {
			window.scrollTo(0, 0);
			document.getElementById('main')?.focus({preventScroll: true});
		}
	});
}

function restore(y: number, hash: string, since: number): void {
	window.scrollTo(0, y);
	if (Math.abs(scrollY - y) > 1 && location.hash === hash && performance.now() - since < WAIT_MS) {
		requestAnimationFrame(() => restore(y, hash, since));
	}
}
