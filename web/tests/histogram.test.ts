// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Format} from '../src/api/client';
import {bestRange, clipped, gridOver, rangeOfData, rangeOfScheme, sharesOf, sqnrOf, tensorsFor, typedRange, type Kept, type TensorRow} from '../src/pages/histogram';

const integers = (name: string, low: number, high: number, signed = true): Format => ({name, signed, min: low, max: high, values: Array.from({length: high - low + 1}, (_, i) => low + i)}) as unknown as Format;
const INT8 = integers('int8', -128, 127);
const UINT4 = integers('uint4_asym', 0, 15, false);
/* 1 bit of sign, 2 of exponent, 1 of mantissa. */
const FLOAT: Format = {name: 'fp4_e2m1', signed: true, values: [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]} as unknown as Format;
const kept = (low: number, width: number, counts: number[], more: Partial<Kept> = {}): Kept => ({name: 't', kind: 'weight', layer: 'l', elements: counts.reduce((a, b) => a + b, 0), zeros: 0, min: low, max: low + width * counts.length, low, width, counts, ...more});

/* What rounding does to elements that lie evenly in the bins, one by one. */
function simulated(h: Kept, grid: readonly number[], each = 400): {sqnr: number; shares: number[]} {
	let signal = 0;
	let noise = 0;
	const shares = grid.map(() => 0);
	h.counts.forEach((c, bin) => {
		for (let k = 0; k < each; k++) {
			const x = h.low + (bin + (k + 0.5) / each) * h.width;
			const at = grid.reduce((best, g, i) => (Math.abs(g - x) < Math.abs((grid[best] ?? Infinity) - x) ? i : best), 0);
			signal += (c / each) * x * x;
			noise += (c / each) * (x - (grid[at] ?? 0)) ** 2;
			shares[at] = (shares[at] ?? 0) + c / each / h.elements;
		}
	});
	return {sqnr: 10 * Math.log10(signal / noise), shares};
}
const bell = kept(-4, 0.125, Array.from({length: 64}, (_, i) => Math.round(1e4 * Math.exp(-((-4 + (i + 0.5) / 8) ** 2) / 2))));

describe('a grid over a histogram', () => {
	it('is scaled to its range: the largest value of a symmetric format, both ends of one with a zero point', () => {
		expect(gridOver(FLOAT, {low: -1, high: 3}).at(-1)).toBe(3);
		expect(gridOver(INT8, {low: -1.28, high: 1.27})[0]).toBeCloseTo(-1.28, 12);
		const grid = gridOver(UINT4, {low: -1, high: 2});
		expect([grid[0], grid.at(-1)]).toEqual([-1, 2]);
		expect(grid).toContain(0);
	});
	it('has the error and the shares that rounding evenly spread elements has', () => {
		for (const grid of [gridOver(FLOAT, {low: -4, high: 4}), gridOver(FLOAT, {low: -1, high: 1}), gridOver(integers('int4', -8, 7), {low: -3, high: 3}), gridOver(UINT4, {low: -2, high: 4})]) {
			const s = simulated(bell, grid);
			expect(sqnrOf(bell, grid)).toBeCloseTo(s.sqnr, 2);
			sharesOf(bell, grid).forEach((x, i) => expect(x).toBeCloseTo(s.shares[i] ?? 0, 3));
			expect(sharesOf(bell, grid).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
		}
	});
	it('takes zeros as zeros', () => {
		const h = kept(0, 0.5, [1000, 10], {zeros: 990});
		const grid = [0, 0.25, 0.75];
		expect(sharesOf(h, grid)[0]).toBeCloseTo((990 + 10 * 0.25) / 1010, 9);
		expect(sqnrOf(kept(0, 1, [5], {zeros: 5}), [0, 1])).toBeNull();
	});
	it('has its least error at the best range', () => {
		for (const format of [INT8, FLOAT, UINT4]) {
			const best = bestRange(bell, format);
			const at = sqnrOf(bell, gridOver(format, best)) ?? NaN;
			for (let by = 0.3; by < 2.2; by += 0.01) {
				expect(sqnrOf(bell, gridOver(format, {low: best.low * by, high: best.high * by})) ?? NaN).toBeLessThanOrEqual(at + 0.02);
			}
		}
	});
	it('tells what lies beyond it', () => {
		const h = kept(-2, 1, [10, 80, 80, 10]);
		expect(clipped(h, [-1, 0, 1])).toBeCloseTo(20 / 180, 9);
		expect(clipped(h, [-1.5, 1.5])).toBeCloseTo(10 / 180, 9);
		expect(clipped(h, [-9, 9])).toBe(0);
	});
});

describe('ranges', () => {
	it('are the data\'s with 0, the scheme\'s, or of a largest magnitude', () => {
		expect(rangeOfData(kept(1, 1, [1, 1]))).toEqual({low: 0, high: 3});
		expect(rangeOfScheme({min: -1, max: 2} as TensorRow)).toEqual({low: -1, high: 2});
		expect(rangeOfScheme({min: 0, max: 0} as TensorRow)).toBeNull();
		expect(rangeOfScheme(undefined)).toBeNull();
		expect(typedRange(kept(-1, 1, [1, 1, 1]), 4)).toEqual({low: -2, high: 4});
	});
	it('belong to the network that a scheme ran', () => {
		const [a, b] = [kept(0, 1, [1]), kept(0, 1, [2])];
		const file = {variants: [{schemes: ['int8'], tensors: [a]}, {schemes: ['smooth'], tensors: [b]}]};
		expect([tensorsFor(file, 'smooth'), tensorsFor(file, 'int8'), tensorsFor(file, 'gone')]).toEqual([[b], [a], [a]]);
	});
});
