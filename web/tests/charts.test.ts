// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {EventCutter} from '../src/api/events';
import {shortened, uniqueInOrder} from '../src/charts/heatmap';
import {thinned} from '../src/charts/numberline';
import {ofHistogram} from '../src/charts/spread';
import type {SqnrResult} from '../src/api/client';
import type {Ink} from '../src/charts/echarts';
import {sqnrLines} from '../src/charts/sqnr';
import {between, distribution, NO_CLIP, SHAPES, sweepPoints, sweepSentences, SWEEPS, type Settings} from '../src/pages/distributions';

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
		const stream = 'id: 1\nevent: job\ndata: {"a":1}\n\n: a comment\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\n';
		const want = [{id: '1', name: 'job', data: '{"a":1}'}, {id: '2', name: '', data: 'x\ny'}];
		expect(new EventCutter().push(stream)).toEqual(want);
		for (let at = 1; at < stream.length; at++) {
			const cutter = new EventCutter();
			expect([...cutter.push(stream.slice(0, at)), ...cutter.push(stream.slice(at))]).toEqual(want);
		}
	});
});

describe('a sweep', () => {
	const row = (asked: string, format: string, value: number, best: boolean) => ({asked, format, value, best, sqnr_db: 10, measured_sqnr_db: null});
	const rows = (...list: ReturnType<typeof row>[]) => list as unknown as SqnrResult['rows'];
	const steady = rows(row('int8', 'int4', 4, true), row('E2', 'fp4_e2m1', 4, false), row('int8', 'int5', 5, true), row('E2', 'fp5_e2m2', 5, false));
	it('has a line for each format asked for, whatever its bits are by then', () => {
		expect(sweepPoints(steady).map((p) => `${p.format} ${p.value}`)).toEqual(['int8 4', 'E2 4', 'int8 5', 'E2 5']);
	});
	it('says which format is the best throughout, and only where it is', () => {
		expect(sweepSentences(steady, [], 'bits')).toEqual(['int8 is the best at every point computed.']);
		expect(sweepSentences(rows(row('a', 'a', 1, true), row('b', 'b', 2, true)), [], 'clip')).toEqual(['No format is the best at every point computed.']);
		expect(sweepSentences(rows(), [], 'clip')).toEqual(['No format is the best at every point computed.']);
		expect(sweepSentences(rows(row('a', 'a', 1, true), row('b', 'b', 1, true)), [], 'clip')).toEqual(['a and b are equally good, and the best, at every point computed.']);
	});
	it('names the places where the best format changes', () => {
		const crossings = [{distribution: 'd', from: 1e-7, to: 2e-7, before: 'int8', after: 'E2'}];
		expect(sweepSentences(steady, crossings, 'share of outliers')).toEqual(['Between share of outliers 1e−7 and 2e−7 the best changes from int8 to E2.']);
	});
	it('marks places far below 0.01 where they are', () => {
		const ink = new Proxy({}, {get: () => '#000'}) as unknown as Ink;
		const option = sqnrLines(sweepPoints(steady), [{from: 1e-7, to: 4e-7, before: 'int8', after: 'E2'}], 'share', true, null)(ink) as {series: {markLine?: {precision: number; data: {xAxis: number}[]}}[]};
		const line = option.series[0]?.markLine;
		expect(line?.data[0]?.xAxis).toBeCloseTo(2e-7, 12);
		expect(Number(line?.data[0]?.xAxis.toFixed(line.precision))).toBeCloseTo(2e-7, 9);
	});
});
