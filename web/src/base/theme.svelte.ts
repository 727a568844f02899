// SPDX-License-Identifier: Apache-2.0
// Light or dark: as the system has it, until someone says otherwise; paper is light.
type Theme = 'light' | 'dark';

const KEY = 'quantbench-theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');
const paper = window.matchMedia('print');
let printing = paper.matches;

function chosen(): Theme {
	if (printing) { return 'light'; }
	const kept = localStorage.getItem(KEY);
	return kept === 'light' || kept === 'dark' ? kept : system.matches ? 'dark' : 'light';
}

let current = $state<Theme>(chosen());
document.documentElement.dataset.theme = current;

function apply(): void {
	current = chosen();
	document.documentElement.dataset.theme = current;
}

function print(on: boolean): void {
	printing = on;
	apply();
}

system.addEventListener('change', apply);
paper.addEventListener('change', () => print(paper.matches));
window.addEventListener('beforeprint', () => print(true));
window.addEventListener('afterprint', () => print(false));

export function theme(): Theme {
	return current;
}

export function setTheme(to: Theme): void {
	localStorage.setItem(KEY, to);
	apply();
}
