// SPDX-License-Identifier: Apache-2.0
// What scrolls can be scrolled by key: boxes that hold more than they show are reached by Tab, the others are passed over.

const BOXES = '.scroll, .tall, pre';

function look(): void {
	for (const box of document.querySelectorAll<HTMLElement>(BOXES)) {
		const more = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
		if (more && !box.hasAttribute('tabindex')) {
			box.tabIndex = 0;
		} else if (!more && box.getAttribute('tabindex') === '0') {
			box.removeAttribute('tabindex');
		}
	}
}

export function watchScrollable(): void {
	let due = false;
	const soon = (): void => {
		if (!due) {
			due = true;
			requestAnimationFrame(() => { due = false; look(); });
		}
	};
	new MutationObserver(soon).observe(document.body, {childList: true, subtree: true, characterData: true});
	window.addEventListener('resize', soon);
	document.addEventListener('toggle', soon, true);
	soon();
}
