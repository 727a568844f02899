// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison, PtqResult} from '../src/api/client';
import {boardRows, columnsOf, hurt, publishedRows, sortedRows, withoutShortRuns} from '../src/pages/board';
import {bestOf, calibration, profiles, sorted, stayedFloat, type FlatTensor} from '../src/pages/ptq';

describe('the best of a row', () => {
	it('is all of those that look equal', () => {
		expect([...bestOf([87.714, 87.709, 80, null], 1, false)]).toEqual([0, 1]);
		expect([...bestOf([3, 1, undefined, 2], 0, true)]).toEqual([1]);
		expect(bestOf([null, NaN], 1, false).size).toBe(0);
	});
});

describe('the samples that calibrate', () => {
	it('are named as the result tells, and not where it does not', () => {
		expect(calibration({calibration_samples: 100, calibration_spread: true})).toBe(', 100 spread over the data calibrate');
		expect(calibration({calibration_samples: 7, calibration_spread: false})).toBe(", the data's first 7 calibrate");
		expect(calibration({calibration_samples: 100})).toBe('');
	});
});

const tensor = (name: string, sqnr_db: number | null): FlatTensor => ({scheme: 'int8', name, kind: 'weight', sqnr_db} as FlatTensor);

describe('tables of tensors', () => {
	const rows = [tensor('b', 10), tensor('a', null), tensor('c', 30)];
	it('sort by numbers and by names, what is missing last either way', () => {
		expect(sorted(rows, 'sqnr_db', false).map((r) => r.name)).toEqual(['b', 'c', 'a']);
		expect(sorted(rows, 'sqnr_db', true).map((r) => r.name)).toEqual(['c', 'b', 'a']);
		expect(sorted(rows, 'name', true).map((r) => r.name)).toEqual(['c', 'b', 'a']);
		expect(rows.map((r) => r.name)).toEqual(['b', 'a', 'c']);
	});
});

const cell = (scheme: string, metric: number, delta: number, more: object = {}) => ({scheme, metric, delta, delta_low: delta - 1, delta_high: delta + 1, best: false, weights: {granularity: 'per_channel', range: 'mse'}, activations: {granularity: 'per_tensor', range: 'mse'},
	methods: [] as string[], output_sqnr_db: 20, size_bytes: 1000, latency_execution: 'emulated', latency_p50_ns: 5, ...more});
const row = (job: string, model: string, cells: ReturnType<typeof cell>[], more: object = {}) => ({job, model: {id: model, name: model}, data: {id: 'd', name: 'data'}, metric_name: 'top1', float: 90, samples: 500, calibration_samples: 100, calibration_spread: true, cells, ...more});
const comparison = (...rows: ReturnType<typeof row>[]) => ({rows, schemes: []} as unknown as Comparison);
const table = {rows: [row('j1', 'A', [cell('int8', 80, -10), cell('E4', 70, -20)]), row('j2', 'A', [cell('int8', 89, -1)]), row('j3', 'B', [cell('int8', 88, -2)])]} as unknown as Comparison;

describe('the leaderboard', () => {
	it("has the talk's formats first", () => {
		expect(columnsOf(['w4a8', 'E3', 'int8'])).toEqual(['int8', 'E3', 'w4a8']);
	});
	it('takes the latest number of each network', () => {
		const rows = boardRows(table, ['int8', 'E4'], 'delta', 'network');
		expect(rows.map((r) => [r.name, ...r.cells.map((c) => c?.text ?? null)])).toEqual([['B', '−2.00', null], ['A', '−1.00', '−20.00']]);
		expect(rows[1]?.cells.map((c) => c?.best)).toEqual([true, false]);
		expect(publishedRows().every((r) => r.cells.every((c) => c?.best === false))).toBe(true);
		expect(rows[1]?.cells[1]?.href).toBe('#/jobs/j1');
	});
	it('has a row for each job if asked', () => {
		expect(boardRows(table, ['int8'], 'sqnr', 'job').map((r) => r.href)).toEqual(['#/jobs/j3', '#/jobs/j2', '#/jobs/j1']);
	});
	it('has no best among latencies that are emulated', () => {
		const [first] = boardRows(table, ['int8'], 'latency', 'job');
		expect(first?.cells[0]).toMatchObject({best: false, note: 'emul.', number: null});
	});
	it('joins cells that were measured alike, and no others', () => {
		const alike = [row('j1', 'A', [cell('int8', 89, -1)]), row('j2', 'A', [cell('E4', 88, -2)])];
		expect(boardRows(comparison(...alike), ['int8', 'E4'], 'delta', 'network')).toHaveLength(1);
		const others = [{samples: 400}, {calibration_samples: 50}, {calibration_spread: false}, {held_out: true}];
		for (const more of others) {
			expect(boardRows(comparison(alike[0]!, row('j2', 'A', [cell('E4', 88, -2)], more)), ['int8', 'E4'], 'delta', 'network')).toHaveLength(2);
		}
		const made = [{methods: ['adaround']}, {weights: {granularity: 'per_tensor', range: 'mse'}}, {activations: {granularity: 'per_tensor', range: 'minmax'}}];
		for (const more of made) {
			const rows = boardRows(comparison(row('j3', 'A', [cell('int8', 89, -1), cell('E4', 88, -2, more)])), ['int8', 'E4'], 'delta', 'job');
			expect(rows).toHaveLength(2);
			expect(rows[0]?.note).not.toBe(rows[1]?.note);
		}
	});
	it('says in each row how it was measured', () => {
		const [first] = boardRows(comparison(row('j1', 'A', [cell('int8', 89, -1, {methods: ['adaround']})])), ['int8'], 'delta', 'network');
		expect(first?.note).toBe('data, top-1, 500 samples, 100 spread over the data calibrate, weights per channel mse, activations per tensor mse, adaround');
	});
	it('keeps formats of blocks and halves that stay float beside the others of their job', () => {
		const cells = [cell('int8', 89, -1), cell('mxfp4', 80, -10, {weights: {granularity: 'per_block', range: 'mse'}}), cell('w8', 89, -1, {activations: null})];
		const rows = boardRows(comparison(row('j1', 'A', cells)), ['int8', 'mxfp4', 'w8'], 'delta', 'network');
		expect(rows.map((r) => r.cells.filter((c) => c !== null).length)).toEqual([3]);
	});
	it('compares latency of one machine and number of threads only', () => {
		const on = (job: string, cpu: string) => row(job, 'A', [cell('int8', 89, -1, {latency_execution: 'native'})], {cpu, isa: 'avx2', latency_threads: 1});
		expect(boardRows(comparison(on('j1', 'one'), on('j2', 'two')), ['int8'], 'latency', 'network')).toHaveLength(2);
		expect(boardRows(comparison(on('j1', 'one'), on('j2', 'two')), ['int8'], 'delta', 'network')).toHaveLength(1);
	});
	it('stars what is not worse than the best by what samples can tell, and the least cost of those', () => {
		const cells = [cell('int8', 89, -1, {best: true, size_bytes: 1000}), cell('E4', 88.9, -1.1, {best: true, size_bytes: 900}), cell('int2', 0, -89, {size_bytes: 10})];
		const one = comparison(row('j1', 'A', cells));
		const stars = (t: Comparison, view: 'delta' | 'size') => boardRows(t, ['int8', 'E4', 'int2'], view, 'network')[0]?.cells.map((c) => c?.best);
		expect(stars(one, 'delta')).toEqual([true, true, false]);
		expect(stars(one, 'size')).toEqual([false, true, false]);
		expect(boardRows(one, ['int8', 'E4'], 'delta', 'network')[0]?.cells.map((c) => c?.interval)).toEqual(['−2.00 to 0.00', '−2.10 to −0.10']);
		expect(boardRows(one, ['int8', 'E4'], 'size', 'network')[0]?.cells.map((c) => c?.interval)).toEqual(['', '']);
		const two = comparison(row('j1', 'A', [cells[0]!, cells[2]!]), row('j2', 'A', [cell('E4', 87.5, -2.5)]));
		expect(stars(two, 'delta')).toEqual([true, true, false]);
		const old = comparison(row('j1', 'A', [cell('int8', 89, -1, {best: null, delta_low: null, delta_high: null})]));
		expect(boardRows(old, ['int8'], 'delta', 'network')[0]?.cells[0]?.best).toBe(false);
	});
	it('hides short runs and counts them', () => {
		const t = comparison(row('j1', 'A', [cell('int8', 89, -1, {latency_short: true})]), row('j2', 'A', [cell('int8', 80, -10)], {samples: 20}), row('j3', 'B', [cell('int8', 80, -10)], {samples: 20}));
		expect(withoutShortRuns(t, 'delta').hidden).toBe(1);
		expect(withoutShortRuns(t, 'delta').table.rows.map((r) => r.job)).toEqual(['j1', 'j3']);
		expect(withoutShortRuns(t, 'latency').table.rows.map((r) => r.job)).toEqual(['j3']);
	});
	it('sorts by a column, by name and by float', () => {
		const rows = boardRows(table, ['int8', 'E4'], 'delta', 'network');
		expect(sortedRows(rows, 1, true).map((r) => r.name)).toEqual(['A', 'B']);
		expect(sortedRows(rows, -1, false).map((r) => r.name)).toEqual(['A', 'B']);
		expect(sortedRows(publishedRows(), -2, true)[0]?.name).toBe('BERT-base');
	});
	it('marks what a format loses, in per cent only', () => {
		expect([hurt(-0.5, '%'), hurt(-100, '%'), hurt(-5, ''), hurt(null, '%')]).toEqual([0, 1, 0, 0]);
		expect(hurt(-10, '%')).toBeGreaterThan(hurt(-2, '%'));
	});
});

describe('time by operator', () => {
	const types = [...Array.from({length: 11}, (_, i) => ({type: `T${i}`, kind: 'int8', ns: 100 - i, share: 0, steps: 1})), {type: 'Conv', kind: 'float', ns: 5, share: 0, steps: 1},
		{type: 'Conv', kind: 'quantize', ns: 300, share: 0, steps: 1}, {type: 'Add', kind: 'quantize', ns: 1, share: 0, steps: 1}];
	const profile = {types, total_ns: 1000, stayed_float: [{node: 'n', type: 'Conv', why: 'w', ns: 5}]};
	const result = {float: {latency: null}, schemes: [{scheme: 'int8', latency: {profile}}, {scheme: 'E4', latency: null, integer: {float_steps: [{node: 'm', type: 'Add', why: 'x'}]}}]} as unknown as PtqResult;
	it('sums conversions whatever they belong to, and what is short', () => {
		const [first, ...more] = profiles(result);
		expect(more).toEqual([]);
		const parts = first?.parts ?? {};
		expect(Object.keys(parts).slice(0, 2)).toEqual(['quantize', 'T0']);
		expect(parts.quantize).toBe(301);
		expect(Object.keys(parts)).toHaveLength(10);
		expect(Object.values(parts).reduce((a, b) => a + b)).toBe(types.reduce((sum, t) => sum + t.ns, 0));
	});
	it('lists what stayed in float, timed steps first', () => {
		expect(stayedFloat(result)).toEqual([{node: 'n', type: 'Conv', why: 'w', ns: 5, scheme: 'int8', share: 0.005}, {node: 'm', type: 'Add', why: 'x', ns: null, scheme: 'E4', share: null}]);
	});
});
