// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Event, Job, OutlierRun, OutliersResult} from '../src/api/client';
import type {Ink} from '../src/charts/echarts';
import {magnitudes, matrix} from '../src/charts/matrix';
import {attentionMap, byLayer, costliest, firstOfEach, GatheredRuns, headsOf, kindsOf, levelsInBulk, levelsOf, MEASURES, publishedFor, residualCurves, sinkiest, spreadText, trainingsOf, type Histogram, type Measure, type Tensor} from '../src/pages/outliers';

const tensor = (name: string, layer: number | null, kind: string, inf_norm: number, sqnr_db: number | null = null) => ({name, layer, kind, inf_norm, kurtosis: 3, beyond_6sd_share: 0, beyond_6sd: 0, measured: true, channels: [], tokens: [], sqnr_db}) as unknown as Tensor;
const run = (id: string, name: string, more: Partial<OutlierRun> = {}) => ({id, name, tensors: [], residual: [], attention: [], maps: {residual: [], attention: []}, histograms: [], training: null, ...more}) as unknown as OutlierRun;
const measure = (key: string) => MEASURES.find((m) => m.key === key) as Measure;

describe('tensors by layer', () => {
	const one = run('a-1', 'a', {tensors: [tensor('n', null, 'layer_norm', 99, 1), tensor('x', 1, 'ffn_out', 4, 20), tensor('y', 1, 'ffn_out', 7, 30), tensor('z', 0, 'ffn_out', 2, null)]});
	it('show the worst of a layer, in the order of layers', () => {
		expect(byLayer([one], 'ffn_out', measure('inf_norm'))).toEqual([{name: 'a-1', look: 0, points: [[0, 2], [1, 7]]}]);
		expect(byLayer([one], 'ffn_out', measure('sqnr_db'))[0]?.points).toEqual([[1, 20]]);
	});
	it('offer only kinds that stand in a layer', () => {
		expect(kindsOf([one])).toEqual(['ffn_out']);
	});
	it('name those with the lowest SQNR first, without those that stay float', () => {
		expect(costliest(one, 2).map((t) => t.name)).toEqual(['n', 'x']);
		expect(costliest(one, 9)).toHaveLength(3);
	});
});

describe('maps', () => {
	const map = (layer: number, head: number) => ({layer, head, positions: [0, 1], values: [[1, 0], [0.5, 0.5]]});
	const a = run('a-1', 'a', {maps: {residual: [], attention: [map(0, 0), map(1, 0)]}, attention: [{layer: 0, head: 0, most: 0.2}, {layer: 1, head: 0, most: 0.9}, {layer: 2, head: 0, most: 1}] as OutlierRun['attention']});
	it('are drawn of one run of each method', () => {
		expect(firstOfEach([a, run('a-2', 'a'), run('b-1', 'b')]).map((r) => r.id)).toEqual(['a-1', 'b-1']);
	});
	it('begin with the head that is most of a sink, among those with a map', () => {
		expect(headsOf([a]).map((h) => h.key)).toEqual(['0.0', '1.0']);
		expect(sinkiest([a])).toBe('1.0');
		expect(sinkiest([run('b', 'b')])).toBe('');
		expect(attentionMap(a, 1, 0)?.values[1]).toEqual([0.5, 0.5]);
		expect(attentionMap(a, 5, 0)).toBeNull();
	});
	it('share one scale, and a logarithm does not meet 0', () => {
		expect(magnitudes([{rows: [0], columns: [0, 1], values: [[-4, 0]]}, {rows: [0], columns: [0], values: [[0.5]]}])).toEqual({most: 4, least: 0.5});
		const option = matrix({rows: [0], columns: [0, 1], values: [[0, -100]]}, {row: 'token', column: 'channel', log: true, most: 100, least: 100})({} as Ink) as {series: {data: {value: number[]; x: number}[]}[]};
		expect(option.series[0]?.data.map((d) => d.value[2])).toEqual([2, 2]);
		expect(option.series[0]?.data[1]?.x).toBe(-100);
	});
});

describe('the grid over a histogram', () => {
	const h = {low: -10, high: 10, counts: [1, 0, 0, 0, 99, 99, 0, 0, 0, 1], grid: {format: 'int8', low: -10, high: 10, levels: 21, step: 1}} as unknown as Histogram;
	it('has a level a step, and its ends alone where steps differ', () => {
		expect(levelsOf(h.grid!)).toHaveLength(21);
		expect(levelsOf({...h.grid!, step: null})).toEqual([-10, 10]);
		expect(levelsOf({...h.grid!, levels: 65536})).toEqual([-10, 10]);
	});
	it('tells how few levels most elements share', () => {
		expect(levelsInBulk(h, 0.01)).toBe(5); /* -2 to 2 */
		expect(levelsInBulk(h, 0)).toBe(21);
		expect(levelsInBulk({...h, grid: null}, 0.01)).toBeNull();
	});
});

describe('trainings of an outliers job', () => {
	const step = (scheme: string, at: number, name: string, value: number) => ({event: 'metric', scope: 'step', scheme, step: at, name, value, time: '2026-01-01T00:00:00Z'}) as unknown as Event;
	const job = {id: 'j1', type: 'outliers', spec: {}} as unknown as Job;
	it('are gathered apart by run', () => {
		const g = new GatheredRuns();
		expect(g.take([step('a-1', 1, 'loss', 2), step('a-1', 1, 'max_inf_norm', 9), step('b-1', 1, 'loss', 3)])).toBe(true);
		expect(g.take([{event: 'log', text: 'x', time: ''} as unknown as Event])).toBe(false);
		expect(g.runs(job).map((r) => [r.name, r.steps])).toEqual([['a-1', [{step: 1, loss: 2, max_inf_norm: 9}]], ['b-1', [{step: 1, loss: 3}]]]);
	});
	it('have the growth of outliers among their steps', () => {
		const result = {metric_name: 'perplexity_causal', runs: [run('a-1', 'a', {training: {steps: [{step: 1, loss: 2}], history: [{epoch: 1, step: 4, metric: 5}]} as unknown as OutlierRun['training'], growth: [{step: 4, epoch: 1, max_inf_norm: 7, avg_kurtosis: 3, sink_share: 0}]}), run('m', 'm')]} as unknown as OutliersResult;
		const all = trainingsOf(job, result);
		expect(all).toHaveLength(1);
		expect(all[0]?.steps).toEqual([{step: 1, loss: 2}, {step: 4, max_inf_norm: 7, avg_kurtosis: 3, sink_share: 0}]);
		expect(all[0]?.stepsPerEpoch).toBe(4);
	});
	it('show the residual stream sum by sum, nothing where a logarithm has none', () => {
		expect(residualCurves([run('a', 'a', {residual: [{peak: 3}, {peak: 0}] as OutlierRun['residual']})], 'peak')[0]?.points).toEqual([[0, 3], [1, null]]);
	});
});

describe('published figures', () => {
	it('are those of the kind of network, or all', () => {
		expect(publishedFor('opt').map((p) => p.network)).toEqual(['opt']);
		expect(publishedFor('MiniLM.onnx')).toHaveLength(3);
	});
	it('stand beside means with a deviation only of several seeds', () => {
		expect(spreadText({mean: 2, sd: null}, (x) => String(x))).toBe('2');
		expect(spreadText({mean: 2, sd: 1}, (x) => String(x))).toBe('2 ± 1');
	});
});
