// SPDX-License-Identifier: Apache-2.0
// Whether somebody has asked their system for less motion: then nothing plays by itself.
const query = window.matchMedia('(prefers-reduced-motion: reduce)');
let current = $state(query.matches);
query.addEventListener('change', () => { current = query.matches; });

export function calm(): boolean {
	return current;
}
