// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison, PtqResult} from '../src/api/client';
import type {Ink} from '../src/charts/echarts';
import {paretoChart} from '../src/charts/pareto';
import {boardFront, frontOf, sweepFront} from '../src/pages/pareto';

describe('the front', () => {
	const at = (cost: number, change: number) => ({cost, change});
	it('is what no other beats', () => {
		expect([...frontOf([at(1, -9), at(2, -1), at(3, -2), at(4, 0), at(4, -1)], false)]).toEqual([0, 1, 3]);
		expect([...frontOf([at(1, 9), at(2, 1), at(3, 2), at(4, 0)], true)]).toEqual([0, 1, 3]);
		expect([...frontOf([], false)]).toEqual([]);
	});
	it('holds equals, and of equally good ones the cheaper', () => {
		expect([...frontOf([at(1, 0), at(1, 0), at(2, 0)], false)]).toEqual([0, 1]);
	});
	it('agrees with the definition on random points', () => {
		let seed = 7;
		const random = (n: number): number => { seed = (seed * 48271) % 2147483647; return seed % n; };
		for (let turn = 0; turn < 50; turn++) {
			const points = Array.from({length: 12}, () => at(random(6), random(6)));
			const want = points.flatMap((p, i) => (points.every((o) => !(o.cost <= p.cost && o.change >= p.change) || (o.cost === p.cost && o.change === p.change)) ? [i] : []));
			expect([...frontOf(points, false)]).toEqual(want);
		}
	});
});

const latency = (p50_ns: number, execution: string) => ({execution, p50_ns});
const result = {metric_name: 'top1', model: 'net.onnx', float: {metric: 90, size_bytes: 400, latency: latency(500, 'native')}, schemes: [
	{scheme: 'int8', delta: -0.1, delta_low: -0.4, delta_high: 0.2, size_bytes: 100, latency: latency(200, 'native')}, {scheme: 'E4', delta: -2, size_bytes: 100, latency: latency(9, 'emulated')}, {scheme: 'int2', delta: null, size_bytes: 20}]} as unknown as PtqResult;

describe('a sweep against a cost', () => {
	it('has float, what was measured, intervals where there are some, and no emulated time', () => {
		const size = sweepFront(result, 'size');
		expect(size.points.map((p) => [p.name, p.cost, p.change, p.low, p.front])).toEqual([['float', 400, 0, null, true], ['int8', 100, -0.1, -0.4, true], ['E4', 100, -2, null, false]]);
		expect(size.left).toEqual([]);
		const time = sweepFront(result, 'latency');
		expect(time.points.map((p) => p.name)).toEqual(['float', 'int8']);
		expect(time.left).toEqual(['E4: emulated']);
		expect(sweepFront(result, 'gates').points).toEqual([]);
	});
});

describe('networks against a cost', () => {
	const cell = (scheme: string, delta: number, more: object = {}) => ({scheme, metric: 90 + delta, delta, delta_low: delta - 1, delta_high: delta + 1, weights: {granularity: 'per_channel', range: 'mse'}, activations: null, methods: [], size_bytes: 100, latency_p50_ns: 9, latency_execution: 'emulated', ...more});
	const row = (job: string, model: string, more: object, ...cells: object[]) => ({job, model: {id: model, name: model}, data: {id: 'd', name: 'data'}, metric_name: 'top1', float: 90, samples: 9, float_size_bytes: 400, float_latency_p50_ns: 10, cells, ...more});
	const table = {schemes: [], rows: [row('j1', 'A', {}, cell('int8', -1), cell('int4', -5, {size_bytes: 50})), row('j2', 'B', {float_size_bytes: 1000}, cell('int8', -2, {latency_execution: 'native', latency_p50_ns: 5})),
		row('j3', 'C', {metric_name: 'mse'}, cell('int8', -2)), row('j4', 'D', {float_size_bytes: null}, cell('int8', -2))]} as unknown as Comparison;
	it('are each beside their own float', () => {
		const {points, left} = boardFront(table, 'size');
		expect(points.map((p) => [p.series, p.name, p.cost]).sort()).toEqual([['A', 'int4', 0.125], ['A', 'int8', 0.25], ['B', 'int8', 0.1]]);
		expect(points.every((p) => p.front)).toBe(true);
		expect(left.sort()).toEqual(['C: mean squared error is not in points', 'D: float has no such cost']);
	});
	it('have no emulated time', () => {
		const {points, left} = boardFront(table, 'latency');
		expect(points.map((p) => [p.series, p.cost])).toEqual([['B', 0.5]]);
		expect(left).toContain('int8 of A: emulated');
	});
	it('are told apart by how they were measured where names are not enough', () => {
		const twice = {schemes: [], rows: [row('j1', 'A', {}, cell('int8', -1)), row('j2', 'A', {samples: 20}, cell('int8', -1))]} as unknown as Comparison;
		expect(new Set(boardFront(twice, 'size').points.map((p) => p.series)).size).toBe(2);
	});
});

describe('the chart', () => {
	const ink = new Proxy({}, {get: () => '#000'}) as unknown as Ink;
	const draw = (marks: Parameters<typeof paretoChart>[2]) => paretoChart(sweepFront(result, 'size').points, {cost: 'size', change: 'change', digits: 2, costText: String}, marks)(ink) as {yAxis: {min?: number}; series: {type: string; step?: string; data: unknown[]; markLine?: {data: object[]}}[]};
	it('joins the front by steps and draws the intervals that there are', () => {
		const {series} = draw({cost: null, change: null, lowest: null});
		expect(series.map((s) => [s.type, s.data.length])).toEqual([['line', 2], ['custom', 1], ['scatter', 3]]);
		expect(series[0]).toMatchObject({step: 'end', data: [[100, -0.1], [400, 0]]});
		expect(series[0]?.markLine).toBeUndefined();
	});
	it('marks limits and ends where it is told to', () => {
		const option = draw({cost: 200, change: -1, lowest: -5});
		expect(option.series[0]?.markLine?.data).toMatchObject([{xAxis: 200}, {yAxis: -1}]);
		expect(option.yAxis.min).toBe(-5);
	});
});
