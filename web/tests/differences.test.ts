// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison, Job} from '../src/api/client';
import {flat, sideBySide} from '../src/pages/differences';

const cell = (scheme: string, delta: number, more: object = {}) => ({scheme, delta, delta_low: delta - 1, delta_high: delta + 1, output_sqnr_db: 30, size_bytes: 1000, latency_execution: 'emulated', latency_p50_ns: 5, ...more});
const job = (id: string, spec: object, more: object = {}): Job => ({id, engine: '0.3.0', model: {id: 'm1', name: 'a.onnx'}, data: {id: 'd1', name: 'x.npz'}, spec: {type: 'ptq', model: 'm1', data: 'd1', ...spec}, ...more} as unknown as Job);
const table = (...rows: object[]): Comparison => ({schemes: ['E4', 'int8', 'int4'], rows} as unknown as Comparison);
const row = (id: string, cells: object[], more: object = {}) => ({job: id, engine: '0.3.0', metric_name: 'top1', float: 90, cells, ...more});

describe('settings', () => {
	it('are named by their path, lists in a line', () => {
		expect(flat({calibration: {samples: 100}, schemes: ['int8', {name: 'mine', methods: ['gptq']}]})).toEqual([['calibration.samples', '100'], ['schemes', 'int8, (name: mine, methods: gptq)']]);
	});
});

describe('jobs side by side', () => {
	const lines = sideBySide([job('j1', {schemes: ['int8', 'int4'], seed: 1}), job('j2', {schemes: ['int8'], seed: 1, calibration: {samples: 9}}, {model: {id: 'm2', name: 'a.onnx'}})],
		table(row('j1', [cell('int8', -0.5), cell('E4', -4), cell('int4', -20)]), row('j2', [cell('int8', 0.2, {size_bytes: 900, latency_execution: 'native'}), cell('E4', -8)], {float: 89})));
	const named = (name: string) => lines.find((l) => l.name === name);
	it('differ in what was asked, by the names of uploads, told apart where they are the same', () => {
		expect(lines.filter((l) => l.part === 'settings' && l.differs).map((l) => [l.name, ...l.texts])).toEqual([['model', 'a.onnx (m1)', 'a.onnx (m2)'], ['schemes', 'int8, int4', 'int8'], ['calibration.samples', '', '9']]);
		expect(named('seed')).toEqual({part: 'settings', name: 'seed', texts: ['1', '1'], differs: false, meet: false});
	});
	it('differ in what was found, and say where intervals meet', () => {
		expect(named('float: top-1')?.texts).toEqual(['90.00', '89.00']);
		expect(named('int8: change of top-1')).toMatchObject({texts: ['−0.50 (−1.50 to +0.50)', '+0.20 (−0.80 to +1.20)'], differs: true, meet: true});
		expect(named('E4: change of top-1')).toMatchObject({differs: true, meet: false});
		expect(named('int8: output SQNR')).toMatchObject({differs: false, meet: false});
		expect(named('int8: size')?.differs).toBe(true);
	});
	it('leave out emulated times and what one of them alone has', () => {
		expect(named('int8: latency')?.texts).toEqual(['', '5.00 ns']);
		expect(named('E4: latency')).toBeUndefined();
		expect(lines.some((l) => l.name.startsWith('int4'))).toBe(false);
	});
	it('with different metrics compare no changes', () => {
		const two = sideBySide([job('j1', {}), job('j2', {})], table(row('j1', [cell('int8', -1)]), row('j2', [cell('int8', -2)], {metric_name: 'mse'})));
		expect(two.some((l) => /change of|float/.test(l.name))).toBe(false);
	});
});
