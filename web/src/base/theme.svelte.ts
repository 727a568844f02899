// SPDX-License-Identifier: Apache-2.0
// Light or dark: as the system has it, until someone says otherwise.
type Theme = 'light' | 'dark';

const KEY = 'quantbench-theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

function chosen(): Theme {
	const kept = localStorage.getItem(KEY);
	return kept === 'light' || kept === 'dark' ? kept : system.matches ? 'dark' : 'light';
}

let current = $state<Theme>(chosen());
document.documentElement.dataset.theme = current;

function apply(): void {
	current = chosen();
	document.documentElement.dataset.theme = current;
}

system.addEventListener('change', apply);

export function theme(): Theme {
	return current;
}

export function setTheme(to: Theme): void {
	localStorage.setItem(KEY, to);
	apply();
}
