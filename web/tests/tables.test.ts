// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison, PtqResult} from '../src/api/client';
import {boardRows, columnsOf, hurt, publishedRows, sortedRows} from '../src/pages/board';
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

const cell = (scheme: string, metric: number, delta: number) => ({scheme, metric, delta, output_sqnr_db: 20, size_bytes: 1000, latency_execution: 'emulated', latency_p50_ns: 5});
const row = (job: string, model: string, cells: ReturnType<typeof cell>[]) => ({job, model: {id: model, name: model}, data: {id: 'd', name: 'data'}, metric_name: 'top1', float: 90, cells});
const table = {rows: [row('j1', 'A', [cell('int8', 80, -10), cell('E4', 70, -20)]), row('j2', 'A', [cell('int8', 89, -1)]), row('j3', 'B', [cell('int8', 88, -2)])]} as unknown as Comparison;

describe('the leaderboard', () => {
	it("has the talk's formats first", () => {
		expect(columnsOf(['w4a8', 'E3', 'int8'])).toEqual(['int8', 'E3', 'w4a8']);
	});
	it('takes the latest number of each network', () => {
		const rows = boardRows(table, ['int8', 'E4'], 'delta', 'network');
		expect(rows.map((r) => [r.name, ...r.cells.map((c) => c?.text ?? null)])).toEqual([['B', '−2.00', null], ['A', '−1.00', '−20.00']]);
		expect(rows[1]?.cells.map((c) => c?.best)).toEqual([true, false]);
		expect(rows[1]?.cells[1]?.href).toBe('#/jobs/j1');
	});
	it('has a row for each job if asked', () => {
		expect(boardRows(table, ['int8'], 'sqnr', 'job').map((r) => r.key)).toEqual(['j3', 'j2', 'j1']);
	});
	it('has no best among latencies that are emulated', () => {
		const [first] = boardRows(table, ['int8'], 'latency', 'job');
		expect(first?.cells[0]).toMatchObject({best: false, note: 'emul.', number: null});
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
