// SPDX-License-Identifier: Apache-2.0
// What a number becomes in a format whose values are known: to nearest, ties as docs/formats.md says.

/** The part of a format's description that rounding needs. */
export interface Grid {
	name: string;
	kind?: string;
	mantissa_bits?: number;
	values?: readonly number[];
	codes?: readonly {code: number; value: number | string}[];
}

export interface Rounded {
	value: number;
	code: number | null; /* null: the format is too wide for a table of codes */
	below: number | null; /* the neighbours of what was asked; null beyond the ends */
	above: number | null;
	clipped: boolean;
	error: number;
}

/** Place of the last value that is not above x, or -1. */
export function lastBelow(values: readonly number[], x: number): number {
	let low = 0;
	let high = values.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((values[middle] ?? 0) <= x) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low - 1;
}

export function codeOf(grid: Grid, value: number): number | null {
	return grid.codes?.find((c) => Object.is(c.value, value) || (value === 0 && c.value === 0))?.code ?? null;
}

/** Of two equally near neighbours i and i + 1: the even code; without mantissa bits the larger magnitude. */
function tie(grid: Grid, values: readonly number[], i: number): number {
	const below = values[i] ?? 0;
	const above = values[i + 1] ?? 0;
	if (grid.kind === 'log2' || (grid.kind === 'float' && grid.mantissa_bits === 0)) {
		return Math.abs(below) > Math.abs(above) ? i : i + 1;
	}
	if (grid.kind === 'float' && (below === 0 || above === 0) && !hasSubnormals(grid, values)) {
		return below === 0 ? i : i + 1;
	}
	const code = codeOf(grid, below);
	const zero = grid.kind === 'table' ? 0 : Math.max(0, values.indexOf(0));
	return (code ?? i - zero) % 2 === 0 ? i : i + 1;
}

/** Without subnormals the gap at 0 is wider than the next. */
function hasSubnormals(grid: Grid, values: readonly number[]): boolean {
	const zero = values.indexOf(0);
	const first = values[zero + 1] ?? 0;
	return grid.mantissa_bits === 0 || (values[zero + 2] ?? first * 2) - first >= first;
}

/** Rounds x on the grid times a scale. */
export function nearest(grid: Grid, scale: number, x: number): Rounded | null {
	const values = grid.values ?? [];
	const low = values[0];
	const high = values.at(-1);
	if (low === undefined || high === undefined || !Number.isFinite(x)) {
		return null;
	}
	const u = x / scale;
	const i = lastBelow(values, u);
	const below = values[i];
	const above = below === u ? u : values[i + 1];
	let value: number;
	if (below === undefined) {
		value = low;
	} else if (above === undefined) {
		value = high;
	} else if (u - below === above - u) {
		value = below === above ? below : values[tie(grid, values, i)] ?? below;
	} else {
		value = u - below < above - u ? below : above;
	}
	return {value: value * scale, code: codeOf(grid, value), below: below === undefined ? null : below * scale,
		above: above === undefined ? null : above * scale, clipped: u < low || u > high, error: value * scale - x};
}
