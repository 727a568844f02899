// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {EventCutter} from '../src/api/events';
import {shortened, uniqueInOrder} from '../src/charts/heatmap';
import {thinned} from '../src/charts/numberline';
import {ofHistogram} from '../src/charts/spread';
import {between, distribution, NO_CLIP, SHAPES, SWEEPS, type Settings} from '../src/pages/distributions';

describe('charts', () => {
	it('draw a value once a pixel', () => {
		expect(thinned([0, 0.2, 0.4, 1, 1.1, 2], (x) => x)).toEqual([0, 1, 2]);
		expect(thinned([0, 0.2], (x) => 10 * x)).toEqual([0, 0.2]);
	});
	it('show the end of a long name', () => {
		expect([shortened('short', 8), shortened('layer1.conv2.weight', 8)]).toEqual(['short', '….weight']);
		expect(uniqueInOrder(['b', 'a', 'b'])).toEqual(['b', 'a']);
	});
	it('place the bars of a histogram in the middle of what they count', () => {
		const s = ofHistogram({low: -1, width: 0.5, counts: [1, 2, 1, 0]});
		expect(s.x).toEqual([-0.75, -0.25, 0.25, 0.75]);
	});
});

describe('distributions', () => {
	const start: Settings = {shape: 'uniform', width: 2, nu: 4, clip: NO_CLIP, mass: 0.01, far: 10};
	it('become what a job takes', () => {
		expect(distribution(start)).toEqual({name: 'uniform', low: -2, high: 2});
		expect(distribution({...start, shape: 'student_t', clip: 100})).toEqual({name: 'student_t', nu: 4, scale: 2, clip: 100});
		expect(distribution({...start, shape: 'outliers'})).toEqual({name: 'mixture', parts: [{name: 'gaussian', sigma: 2, weight: 0.99}, {name: 'gaussian', sigma: 20, weight: 0.01}]});
	});
	it('are swept from end to end', () => {
		expect(between(1, 100, 3, true)).toEqual([1, 10, 100]);
		expect(between(4, 12, 9, false)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);
		for (const sweep of Object.values(SWEEPS)) {
			const x = sweep.values(start);
			expect(x).toEqual([...x].sort((a, b) => a - b));
		}
		for (const shape of SHAPES) {
			expect(shape.start.shape).toBe(shape.name);
		}
	});
});

describe('events', () => {
	it('are cut wherever the stream breaks', () => {
		const stream = 'id: 1\ndata: {"a":1}\n\n: a comment\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\n';
		const want = [{id: '1', data: '{"a":1}'}, {id: '2', data: 'x\ny'}];
		expect(new EventCutter().push(stream)).toEqual(want);
		for (let at = 1; at < stream.length; at++) {
			const cutter = new EventCutter();
			expect([...cutter.push(stream.slice(0, at)), ...cutter.push(stream.slice(at))]).toEqual(want);
		}
	});
});
