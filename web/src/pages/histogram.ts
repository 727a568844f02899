// SPDX-License-Identifier: Apache-2.0
// What a sweep saw of a tensor, under the grid of any format at any range: what the artifact histograms.json holds, the grid
// laid over it, and the error that this makes, elements taken as evenly spread in their bin and zeros as zeros.
import type {Format, PtqResult} from '../api/client';
import {isNumber} from '../base/units';

export interface Kept {
	name: string;
	kind: 'weight' | 'activation';
	layer: string;
	elements: number;
	zeros: number;
	min: number;
	max: number;
	low: number; /* where the first bin begins */
	width: number;
	counts: number[];
}
export interface HistogramFile {
	variants: {schemes: string[]; tensors: Kept[]}[];
}
export const FILE = 'histograms.json';

/** The tensors as a scheme's network has them: of a scheme that rewrites the network its own. */
export function tensorsFor(file: HistogramFile, scheme: string): Kept[] {
	return (file.variants.find((v) => v.schemes.includes(scheme)) ?? file.variants[0])?.tensors ?? [];
}

export type TensorRow = NonNullable<PtqResult['schemes'][number]['tensors']>[number];

/** Ends of what a grid spans. */
export interface Range {
	low: number;
	high: number;
}
export type Fit = 'scheme' | 'data' | 'best' | 'typed';

const isAsymmetric = (f: Format): boolean => /_asym/.test(f.name) || f.signed === false;

/** A format's grid over a range: scaled to its ends, or where it is symmetric and signed by its largest value. */
export function gridOver(format: Format, range: Range): number[] {
	const values = format.values ?? [];
	const [first, last] = [values[0], values.at(-1)];
	if (first === undefined || last === undefined || last <= first) { return []; }
	if (isAsymmetric(format)) {
		const scale = (range.high - range.low) / (last - first);
		const zero = Math.round(first - range.low / scale); /* 0 is on the grid */
		return values.map((v) => (v - zero) * scale);
	}
	const scale = Math.max(Math.abs(range.low) / Math.abs(first), Math.abs(range.high) / last);
	return values.map((v) => v * scale);
}

/** The range that holds all elements, and 0. */
export function rangeOfData(h: Kept): Range {
	return {low: Math.min(h.min, 0), high: Math.max(h.max, 0)};
}

/** What a scheme's own quantizer spans; null where it has one grid a channel, of which the widest is told, or none. */
export function rangeOfScheme(row: TensorRow | undefined): Range | null {
	return row && isNumber(row.min) && isNumber(row.max) && row.max > row.min ? {low: row.min, high: row.max} : null;
}

/* Integral of (x - g)^2 over [a, b]. */
const cubed = (a: number, b: number, g: number): number => ((b - g) ** 3 - (a - g) ** 3) / 3;

interface Parts {
	signal: number;
	noise: number;
	shares: number[]; /* elements that round to each value of the grid, as shares */
}

/* One pass over bins and cells together. */
function parts(h: Kept, grid: readonly number[]): Parts {
	const shares = grid.map(() => 0);
	let signal = 0;
	let noise = 0;
	let cell = 0;
	const zeroBin = Math.floor(-h.low / h.width);
	const nearest = grid.reduce((best, g, i) => (Math.abs(g) < Math.abs(grid[best] ?? Infinity) ? i : best), 0);
	shares[nearest] = (shares[nearest] ?? 0) + h.zeros / h.elements;
	noise += h.zeros * (grid[nearest] ?? 0) ** 2;
	h.counts.forEach((all, bin) => {
		const count = bin === zeroBin ? Math.max(0, all - h.zeros) : all;
		if (count === 0) { return; }
		const from = h.low + bin * h.width;
		const to = from + h.width;
		signal += (count / h.width) * cubed(from, to, 0);
		for (let at = from; at < to;) {
			while (cell < grid.length - 1 && ((grid[cell] ?? 0) + (grid[cell + 1] ?? 0)) / 2 <= at) { cell++; }
			const end = cell < grid.length - 1 ? Math.min(to, ((grid[cell] ?? 0) + (grid[cell + 1] ?? 0)) / 2) : to;
			noise += (count / h.width) * cubed(at, end, grid[cell] ?? 0);
			shares[cell] = (shares[cell] ?? 0) + (count * (end - at)) / h.width / h.elements;
			at = end;
		}
	});
	return {signal, noise, shares};
}

export function sqnrOf(h: Kept, grid: readonly number[]): number | null {
	if (grid.length === 0) { return null; }
	const {signal, noise} = parts(h, grid);
	return signal > 0 && noise > 0 ? 10 * Math.log10(signal / noise) : null;
}

/** The share of the elements that each value of a grid stands for. */
export function sharesOf(h: Kept, grid: readonly number[]): number[] {
	return parts(h, grid).shares;
}

/** The share of the elements beyond a grid's ends. */
export function clipped(h: Kept, grid: readonly number[]): number {
	const [first, last] = [grid[0] ?? 0, grid.at(-1) ?? 0];
	return h.counts.reduce((sum, c, i) => {
		const from = h.low + i * h.width;
		const beyond = Math.max(0, Math.min(from + h.width, first) - from) + Math.max(0, from + h.width - Math.max(from, last));
		return sum + (c * Math.min(h.width, beyond)) / h.width;
	}, 0) / h.elements;
}

const shrunk = (r: Range, by: number): Range => ({low: r.low * by, high: r.high * by});
const STEPS = 72;

/** The range of least error for a format, of those that the data's shrinks or grows to: to an octave above, below which a float's grid repeats. */
export function bestRange(h: Kept, format: Format): Range {
	const data = rangeOfData(h);
	const noise = (by: number): number => { const grid = gridOver(format, shrunk(data, by)); return grid.length === 0 ? Infinity : parts(h, grid).noise; };
	let best = 1;
	let least = Infinity;
	for (let i = 0; i <= STEPS; i++) {
		const by = 2 * 2 ** (-9 * i / STEPS);
		const e = noise(by);
		if (e < least) { least = e; best = by; }
	}
	for (let step = 2 ** (9 / STEPS) - 1; step > 1e-3; step /= 2) {
		for (const by of [best * (1 + step), best / (1 + step)]) {
			const e = noise(by);
			if (e < least) { least = e; best = by; }
		}
	}
	return shrunk(data, best);
}

/** A range out of the address: its largest magnitude; the other end moves along. */
export function typedRange(h: Kept, largest: number): Range {
	const data = rangeOfData(h);
	const most = Math.max(-data.low, data.high);
	return most > 0 ? shrunk(data, largest / most) : {low: -largest, high: largest};
}
