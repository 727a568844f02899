// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison} from '../src/api/client';
import {byVersion, leastP, mannWhitney, median, trends, verdict} from '../src/pages/trends';

/* All ways to choose which of the values are a's. */
function enumerated(a: readonly number[], b: readonly number[]): number {
	const all = [...a, ...b];
	const rank = all.map((x) => all.filter((y) => y < x).length + (all.filter((y) => y === x).length + 1) / 2);
	const mean = (a.length * (all.length + 1)) / 2;
	const observed = Math.abs(rank.slice(0, a.length).reduce((x, y) => x + y, 0) - mean);
	let ways = 0;
	let far = 0;
	for (let set = 0; set < 1 << all.length; set++) {
		const chosen = rank.filter((_, i) => (set >> i) & 1);
		if (chosen.length === a.length) {
			ways++;
			far += Math.abs(chosen.reduce((x, y) => x + y, 0) - mean) >= observed - 1e-9 ? 1 : 0;
		}
	}
	return far / ways;
}

describe('the Mann-Whitney U test', () => {
	it('is exact for few values, with ties too', () => {
		for (const [a, b] of [[[1, 2, 3], [4, 5, 6]], [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3, 5]], [[1, 1, 1, 2], [1, 2, 2, 2, 2, 2]], [[7], [7]], [[1, 5, 9], [2]], [[10, 20, 30, 40, 50, 60, 70], [11, 22, 33, 44, 55, 66, 77]]] as const) {
			expect(mannWhitney(a, b)).toBeCloseTo(enumerated(a, b), 12);
			expect(mannWhitney(b, a)).toBeCloseTo(enumerated(a, b), 12);
		}
	});
	it("equals scipy's, exact and approximate", () => {
		const of = (n: number, k: number, m: number, more = 0) => Array.from({length: n}, (_, i) => ((i * k) % m) + more);
		expect(mannWhitney([1.1, 2.2, 3.3, 4.4], [5.5, 6.6, 7.7, 8.8])).toBeCloseTo(0.02857142857142857, 12);
		expect(mannWhitney([3, 1, 4, 15, 9], [2, 6, 5, 35, 8.5, 7])).toBeCloseTo(0.6623376623376623, 12);
		expect(mannWhitney(of(18, 37, 101), of(21, 53, 97, 30.5))).toBeCloseTo(0.005078121727437139, 10);
		expect(mannWhitney(of(30, 37, 101), of(25, 53, 97, 12))).toBeCloseTo(0.48294157907703184, 6);
		expect(mannWhitney(of(30, 37, 11), of(25, 53, 9, 3))).toBeCloseTo(0.008109993082273599, 6);
	});
	it('cannot be small with few values', () => {
		expect(leastP(3, 3)).toBeCloseTo(0.1, 12);
		expect(leastP(4, 4)).toBeCloseTo(2 / 70, 12);
		expect(leastP(1, 1)).toBe(1);
		expect(mannWhitney([1, 2, 3], [4, 5, 6])).toBeCloseTo(leastP(3, 3), 12);
		expect(mannWhitney([], [1])).toBe(1);
	});
});

describe('a median and versions', () => {
	it('are in the middle and in order', () => {
		expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([])]).toEqual([2, 2.5, NaN]);
		expect(['0.10.0', '0.9.1', '0.9.0'].sort(byVersion)).toEqual(['0.9.0', '0.9.1', '0.10.0']);
	});
});

const half = {granularity: 'per_channel', range: 'mse'};
let jobs = 0;
const run = (engine: string, value: object, more: object = {}) => ({job: `j${++jobs}`, engine, model: {id: 'm1', name: 'net'}, data: {id: 'd1', name: 'data'}, metric_name: 'top1', float: 90, samples: 500, cpu: 'one', isa: 'avx2', latency_threads: 1,
	cells: [{scheme: 'int8', metric: 89, delta: -1, delta_low: -1.5, delta_high: -0.5, weights: half, activations: half, methods: [], output_sqnr_db: 20, size_bytes: 1000, latency_execution: 'native', latency_p50_ns: 1000, ...value}], ...more});
const table = (...rows: object[]) => ({schemes: ['int8'], rows} as unknown as Comparison);
const timed = (engine: string, ...ns: number[]) => ns.map((latency_p50_ns) => run(engine, {latency_p50_ns}));

describe('trends by version', () => {
	it('flag a latency that rose more than its runs differ, and say the noise', () => {
		const [t] = trends(table(...timed('0.9.0', 100e3, 101e3, 102e3, 103e3), ...timed('0.10.0', 120e3, 121e3, 122e3, 123e3)), 'latency');
		expect(t).toMatchObject({moved: 'worse', by: 'ranks', noise: 3e3, change: 20e3});
		expect(t?.versions.map((v) => [v.engine, v.middle])).toEqual([['0.9.0', 101.5e3], ['0.10.0', 121.5e3]]);
		expect(verdict(t!)).toBe('⚠ worse: p = 0.029');
		expect(t?.changeText(t.change)).toBe('+19.7 %');
	});
	it('praise what fell, and see no change in noise', () => {
		expect(trends(table(...timed('1', 120, 121, 122, 123), ...timed('2', 100, 101, 102, 103)), 'latency')[0]?.moved).toBe('better');
		expect(trends(table(...timed('1', 100, 104, 102, 106), ...timed('2', 101, 103, 105, 107)), 'latency')[0]).toMatchObject({moved: 'not seen'});
	});
	it('do not tell from three runs each', () => {
		const [t] = trends(table(...timed('1', 100, 101, 102), ...timed('2', 200, 201, 202)), 'latency');
		expect(t?.moved).toBe('too few');
		expect(verdict(t!)).toBe('too few runs to tell (3 and 3 cannot reach p < 0.05)');
	});
	it('take the intervals over samples where a metric was measured once', () => {
		const once = (engine: string, delta: number) => run(engine, {metric: 90 + delta, delta, delta_low: delta - 0.5, delta_high: delta + 0.5});
		expect(trends(table(once('1', -1), once('2', -3)), 'delta')[0]).toMatchObject({moved: 'worse', by: 'intervals', noise: null});
		expect(trends(table(once('1', -3), once('2', -1)), 'delta')[0]).toMatchObject({moved: 'better'});
		expect(trends(table(once('1', -1), once('2', -1.6)), 'delta')[0]).toMatchObject({moved: 'too few'});
		expect(trends(table(once('1', -1), once('2', -1)), 'delta')[0]).toMatchObject({moved: 'same'});
	});
	it('compare only what was measured alike, under two versions', () => {
		expect(trends(table(run('1', {}), run('2', {}, {samples: 400})), 'delta')).toEqual([]);
		expect(trends(table(run('1', {}), run('1', {})), 'delta')).toEqual([]);
		expect(trends(table(run('1', {}), run('2', {}, {cpu: 'two'})), 'latency')).toEqual([]);
		expect(trends(table(run('1', {latency_execution: 'emulated'}), run('2', {latency_execution: 'emulated'})), 'latency')).toEqual([]);
	});
	it('list what became worse first', () => {
		const other = (engine: string, n: number) => run(engine, {latency_p50_ns: n}, {model: {id: 'm2', name: 'other'}});
		const all = trends(table(...timed('1', 1, 2, 3, 4), ...timed('2', 1, 2, 3, 4), ...[11, 12, 13, 14].map((n) => other('1', n)), ...[21, 22, 23, 24].map((n) => other('2', n))), 'latency');
		expect(all.map((t) => [t.name, t.moved])).toEqual([['other', 'worse'], ['net', 'not seen']]);
	});
});
