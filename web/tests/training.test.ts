// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Event, Job, QatResult, ToyResult, TrainResult} from '../src/api/client';
import {extent, threshold, trajectory} from '../src/charts/trajectory';
import {place, placeText} from '../src/charts/latent';
import type {Ink} from '../src/charts/echarts';
import {formatRows, measured, methodGroups, PUBLISHED_METHODS, publishedFor, publishedQat, seedsText, spreadOf, type Measured} from '../src/pages/methods';
import {frequencies, latent, nearThreshold, normSnapshots, sharePoints, snapshotAt, tracked, withoutTail} from '../src/pages/oscillations';
import {ended, outcomes} from '../src/pages/outcomes';
import {ending, frozenAt, settledAt} from '../src/pages/toy';
import {Gathered, idsIn, methodName, panels, runName, runOf, schemeName, secondsPerStep, withoutEpochs} from '../src/pages/training';

/* ---- the toy ---- */

const point = (step: number, quantized: number, frozen = false) => ({step, latent: quantized - 0.01, quantized, loss: 0, frequency: 0, frozen});
const toy = {type: 'toy', format: 'int5', target: 0.7, start: 0.7, scale: 0.1, lr: 0.1, steps: 3, lower: 0.65, upper: 0.75, share_predicted: 0.5, period_predicted: 2, runs: []} as unknown as ToyResult;
const toyRun = (points: ReturnType<typeof point>[], changes = 0) => ({method: 'lsq', share: null, period: null, changes, points});

describe('the toy', () => {
	it('stays where its last levels are, since the first of them', () => {
		expect(settledAt([point(0, 0.65), point(1, 0.75), point(2, 0.75)])).toBe(1);
		expect(ending(toy, toyRun([point(0, 0.65), point(1, 0.75), point(2, 0.75)]))).toBe('stays at the upper level from step 1 on');
		expect(ending(toy, toyRun([point(0, 0.65), point(1, 0.65)]))).toBe('stays at the lower level from the first step on');
		expect(ending(toy, toyRun([point(0, 0.85)]))).toBe('stays at level 0.8500 from the first step on');
	});
	it('says that it changes levels only where it does', () => {
		expect(ending(toy, toyRun([point(0, 0.65), point(1, 0.75)], 3))).toBe('changes its level 3 times in the last quarter of the steps');
		expect(ending(toy, toyRun([], 0))).toBe('has no steps');
	});
	it('is frozen from the step that says so', () => {
		expect(frozenAt([point(0, 0.65), point(1, 0.75, true)])).toBe(1);
		expect(frozenAt([point(0, 0.65)])).toBeNull();
		expect(ending(toy, toyRun([point(0, 0.65), point(1, 0.75, true)]))).toBe('stays at the upper level from step 1 on, frozen at step 1');
	});
	it('is drawn up to a step, on axes that hold every run', () => {
		const points = [point(0, 0.65), point(1, 0.85), point(2, 0.75)];
		const span = extent([points], toy);
		expect(span[0]).toBeLessThan(0.64);
		expect(span[1]).toBeGreaterThan(0.85);
		expect(threshold(toy)).toBeCloseTo(0.7);
		const option = trajectory(points, 1, toy, span)({} as Ink) as {series: {name: string; data: unknown[]}[]};
		expect(option.series.map((s) => [s.name, s.data.length])).toEqual([['latent', 2], ['quantized', 2], ['latent later', 3], ['quantized later', 3], ['now', 2]]);
	});
});

/* ---- runs ---- */

const job = (id: string, spec: object, more: object = {}) => ({id, type: 'qat', state: 'succeeded', spec, model: {id: 'm1', name: 'resnet20.onnx'}, error: null, ...more} as unknown as Job);
const step = (step: number, name: string, value: number | null, seconds = step): Event => ({event: 'metric', scope: 'step', step, name, value, time: new Date(seconds * 1000).toISOString()});

describe('names', () => {
	it('of schemes and methods are as the job gives them', () => {
		expect(schemeName('w4a4')).toBe('w4a4');
		expect(schemeName({name: 'mine', scheme: 'w4a4'})).toBe('mine');
		expect(schemeName({weights: {format: 'int4'}, activations: null})).toBe('int4/float');
		expect(methodName(undefined)).toBe('lsq');
		expect(methodName(['ewgs', {name: 'freeze', threshold: 0.02}])).toBe('ewgs+freeze (threshold 0.02)');
		expect(methodName('dampen')).toBe('lsq+dampen');
		expect(methodName(['lsq_plus', 'freeze'])).toBe('lsq_plus+freeze');
		expect(runName(job('j7', {scheme: 'w3a3', method: 'freeze'}))).toBe('j7 resnet20 w3a3 lsq+freeze');
		expect(runName(job('j8', {network: {name: 'mlp'}}, {type: 'train', model: null}))).toBe('j8 mlp float');
	});
	it('of jobs in an address are each there once', () => {
		expect(idsIn('j3, j5,j3,zork,j7', 'j7')).toEqual(['j3', 'j5']);
		expect(idsIn(null)).toEqual([]);
	});
});

describe('events of steps', () => {
	it('are gathered into rows; what is told again takes the place of what was told', () => {
		const g = new Gathered();
		expect(g.take([{event: 'log', time: ''} as Event])).toBe(false);
		expect(g.take([step(8, 'loss', 1), step(4, 'loss', 2), step(4, 'rate', 0.1), step(8, 'top1', 50), step(8, 'loss', 1.5)])).toBe(true);
		expect(g.steps).toEqual([{step: 4, loss: 2, rate: 0.1}, {step: 8, loss: 1.5}]);
		expect(g.evaluations).toEqual([{step: 8, metric: 50}]);
		expect(g.metricName).toBe('top1');
	});
	it('tell epochs from the first evaluation on', () => {
		const g = new Gathered();
		g.take([step(5, 'loss', 2)]);
		expect(withoutEpochs([runOf(job('j1', {}), null, g)])).toHaveLength(1);
		g.take([step(20, 'top1', 50), step(40, 'top1', 60)]);
		const run = runOf(job('j1', {evaluate_every: 2, epochs: 8}), null, g);
		expect(run.stepsPerEpoch).toBe(10);
		expect(run.epochs.map((e) => e.epoch)).toEqual([2, 4]);
		expect(withoutEpochs([run])).toEqual([]);
	});
	it('time a step by the median, so that evaluations do not count', () => {
		expect(secondsPerStep([{time: 0, step: 0}, {time: 100, step: 1}, {time: 200, step: 2}, {time: 9000, step: 3}, {time: 9100, step: 4}, {time: 9200, step: 5}])).toBeCloseTo(0.1);
		expect(secondsPerStep([{time: 0, step: 0}, {time: 100, step: 1}])).toBeNull();
		expect(secondsPerStep([0, 1, 2, 3, 4, 5, 6].map((s) => ({time: 5, step: s})))).toBeNull();
	});
});

const history = [{epoch: 1, step: 10, loss: 2, rate: 0.1, metric: 40}, {epoch: 2, step: 20, loss: 1, rate: 0.05, metric: null}];
const training = {data: 'd', train: 't', train_samples: 100, samples: 50, metric_name: 'top1', epochs: 2, ended: 'epochs', steps_done: 20, best: {epoch: 1, metric: 40}, history, steps: [{step: 5, loss: 2, rate: 0.1, gradient_norm: 0, oscillating: 0.1}, {step: 10, loss: 1, rate: 0.1, gradient_norm: 3, oscillating: 0.2}]};
const quantized = (metric: number) => ({scheme: 'w4a4', metric, delta: metric - 90, delta_low: metric - 91, delta_high: metric - 89, output_sqnr_db: 10});
const layer = (name: string, tracked: boolean, more: object = {}) => ({layer: name, weight: name, format: tracked ? 'int4' : 'int8', weights: 100, scales: 1, tracked, ...more});
const qat = {...training, type: 'qat', model: 'resnet20', scheme: 'w4a4', methods: ['lsq'], float: {metric: 90}, start: quantized(60), final: quantized(88), oscillating: 0.2, frozen: 0,
	layers: [layer('first', false), layer('a', true, {oscillating: 0.1, frozen: 0, mean_frequency: 0.01, frequencies: [90, 10]}), layer('b', true, {oscillating: 0.3, frozen: 0, mean_frequency: 0.02, frequencies: [50, 50]})],
	snapshots: [{step: 10, epoch: 1, oscillating: 0.1, frozen: 0, layers: [null, {oscillating: 1, frozen: 0, mean_frequency: 0, latent: [1, 1, 1, 1, 0, 0, 0, 0]}, {oscillating: 1, frozen: 0, mean_frequency: 0, latent: [0, 0, 0, 0, 1, 1, 1, 1]}], batch_norms: []},
		{step: 20, epoch: 2, oscillating: 0.1, frozen: 0, layers: [null, {oscillating: 1, frozen: 0, mean_frequency: 0, latent: [4, 0, 0, 0, 0, 0, 0, 4]}, null], batch_norms: [{layer: 'bn', channels: 8, divergence: 0.1, most: 1, most_channel: 2}]}]} as unknown as QatResult;

describe('panels of curves', () => {
	const run = runOf(job('j1', {}), qat, new Gathered());
	const other = runOf(job('j2', {}, {type: 'train', model: {id: 'm', name: 'x'}}), {...training, type: 'train', steps: [{step: 5, loss: 1, rate: 1, gradient_norm: 1}], start: {metric: 10}, float: {metric: 40, size_bytes: 1}, final: {metric: 40}} as unknown as TrainResult, new Gathered());
	it('are by step or by epoch, and hold what the runs tell', () => {
		const found = panels([run, other], 'epoch', 'Top-1');
		expect(found.map((p) => p.key)).toEqual(['loss', 'metric', 'rate', 'gradient_norm', 'oscillating']);
		expect(found[0]?.series[0]?.points).toEqual([[0.5, 2], [1, 1]]);
		expect(found.at(-1)?.without).toEqual([other.name]);
		expect(found[1]?.series[0]?.points).toEqual([[1, 40]]);
	});
	it('leave a gap where a logarithm has nothing to show', () => {
		expect(panels([run], 'step', '').find((p) => p.key === 'gradient_norm')?.series[0]?.points).toEqual([[5, null], [10, 3]]);
	});
	it('are logarithmic where a loss diverges, and only there', () => {
		const loss = (...all: number[]) => panels([{...run, steps: all.map((loss, i) => ({step: i, loss}))}], 'step', '').find((p) => p.key === 'loss')?.log;
		expect([loss(2, 1), loss(2, 1e9), loss(0, 1e9)]).toEqual([false, true, false]);
	});
	it('show what else steps tell, last', () => {
		const more = {...run, steps: [{step: 5, penalty: 0.5}]};
		expect(panels([more], 'step', '').map((p) => p.title)).toEqual(['', 'Penalty']);
	});
	it('of nothing are none', () => {
		expect(panels([runOf(job('j1', {}), null, new Gathered())], 'step', '')).toEqual([]);
	});
});

describe('outcomes', () => {
	it('of qat go from float by the start to the end', () => {
		const rows = outcomes(runOf(job('j1', {}), qat, new Gathered()));
		expect(rows.map((r) => [r.kind, r.metric, r.delta ?? null, r.low ?? null])).toEqual([['float', 90, null, null], ['start', 60, -30, -31], ['final', 88, -2, -3]]);
	});
	it('of a run without a result are none', () => {
		const run = runOf(job('j1', {}), null, new Gathered());
		expect(outcomes(run)).toEqual([]);
		expect(ended(run)).toBe('');
	});
	it('say which network is kept only where there is a best', () => {
		expect(ended(runOf(job('j1', {}), qat, new Gathered()))).toMatch(/20 steps, 2 epochs, 100 training samples\. Kept is the network after epoch 1/);
		const more = {...qat, history: [...history, {epoch: 3, step: 30, loss: 1, rate: 0.05, metric: 39}]} as QatResult;
		expect(ended(runOf(job('j1', {}), more, new Gathered()))).toMatch(/40\.00\. It is the best of 2 on the same samples, and so optimistic; after the last epoch it was 39\.00\.$/);
		expect(ended(runOf(job('j1', {}), qat, new Gathered()))).not.toMatch(/optimistic/);
		expect(ended(runOf(job('j1', {}), {...more, validation_samples: 25}, new Gathered()))).toMatch(/best of 2 on 25 samples that were held out of the training data\.$/);
		const stage = {scheme: 'w8a8', start: {metric: 80}, final: {metric: 89}, epochs: 3, ended: 'epochs', steps_done: 30, best: null, history: []};
		expect(ended(runOf(job('j1', {}), {...qat, stages: [stage, {...stage, scheme: 'w5a5'}]} as QatResult, new Gathered()))).toMatch(/ Before, it was trained for w8a8 \(.* 89\.00 after 3 epochs\), then for w5a5 \(.*\)\.$/);
		expect(ended(runOf(job('j1', {}), {...qat, best: null, ended: 'early_stop'}, new Gathered()))).toBe('20 steps, 2 epochs, stopped early: no better evaluation came, 100 training samples.');
	});
});

describe('oscillations', () => {
	it('add up latent weights of tracked layers, as shares', () => {
		expect(latent(qat, -1)).toEqual({steps: [10, 20], share: [Array(8).fill(0.125), [0.5, 0, 0, 0, 0, 0, 0, 0.5]]});
		expect(latent(qat, 2)).toEqual({steps: [10], share: [[0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25]]});
		expect(latent({...qat, snapshots: []}, -1).steps).toEqual([]);
	});
	it('count what lies next to a threshold', () => {
		expect(nearThreshold([0.5, 0, 0, 0, 0, 0, 0, 0.5])).toBe(1);
		expect(nearThreshold([0, 0, 0, 0.5, 0.5, 0, 0, 0])).toBe(0);
		expect(nearThreshold([])).toBeNull();
		expect(place(20, 40)).toBeCloseTo(0.0125);
		expect(placeText(place(0, 40))).toBe('−0.4875');
	});
	it('have rows of tracked layers, and bins of frequencies of which the last is open', () => {
		expect(tracked(qat).map((t) => t.layer.layer)).toEqual(['a', 'b']);
		expect(frequencies(qat, -1)).toEqual([{low: 0, high: 0.1, weights: 140}, {low: 0.1, high: null, weights: 60}]);
		expect(frequencies(qat, 0)).toEqual([]);
		expect(withoutTail([2, 0, 1, 0].map((weights) => ({low: 0, high: 1, weights})))).toHaveLength(3);
		expect(withoutTail(frequencies({...qat, layers: []}, -1))).toEqual([]);
	});
	it('have shares by step, of snapshots where steps tell none', () => {
		expect(sharePoints(qat).map((p) => p.oscillating)).toEqual([0.1, 0.2]);
		expect(sharePoints({...qat, steps: []}).map((p) => p.step)).toEqual([10, 20]);
	});
	it('compare batch norms where they were re-estimated', () => {
		const at = normSnapshots(qat);
		expect(at.map((s) => s.step)).toEqual([20]);
		expect(at[0]?.batch_norms).toEqual([{layer: 'bn', channels: 8, divergence: 0.1, most: 1, most_channel: 2}]);
		expect([snapshotAt([10, 20], 5), snapshotAt([10, 20], 20), snapshotAt([10, 20], 30), snapshotAt([], 3)]).toEqual([0, 1, 1, -1]);
	});
});

describe('the table of methods', () => {
	const one = (id: string, spec: object, metric: number, seconds: number | null = null, model = 'mobilenetv2'): Measured => measured(job(id, {scheme: 'w4a4', ...spec}, {model: {id: model, name: `${model}.onnx`}}), {...qat, final: quantized(metric)} as QatResult, seconds);
	it('has the mean over seeds, apart with and without re-estimated batch norms', () => {
		const [group] = methodGroups([one('j1', {seed: 1}, 80, 1), one('j2', {seed: 2}, 84, 1), one('j3', {seed: 1, batch_norm: {reestimate: 0}}, 70), one('j4', {method: ['lsq', 'freeze']}, 88, 1.2)]);
		expect(group?.rows.map((r) => [r.method, r.without?.mean ?? null, r.with?.mean ?? null])).toEqual([['lsq', 70, 82], ['lsq+freeze', null, 88]]);
		expect(seedsText(group?.rows[0]?.with ?? null, 1)).toBe('2 seeds, 80.0 to 84.0');
		expect(group?.rows[1]?.ratio).toBeCloseTo(1.2);
		expect(group?.rows.map((r) => r.published)).toEqual([69.5, 70.6]);
	});
	it('has both kinds of batch norms of one job, and those of a job that was run so where there is one', () => {
		const both = (id: string, spec: object, running: number, reestimated: number): Measured => {
			const j = one(id, spec, 0);
			return {...j, metrics: {running, reestimated}};
		};
		const ran = {batch_norm: {reestimate: 0}};
		expect(methodGroups([both('j1', {}, 60, 80)])[0]?.rows[0]).toMatchObject({without: {mean: 60, count: 1}, with: {mean: 80, count: 1}});
		expect(methodGroups([both('j1', {}, 60, 80), both('j2', ran, 70, 78)])[0]?.rows[0]).toMatchObject({without: {mean: 70}, with: {mean: 80}});
		const told = measured(job('j1', {scheme: 'w4a4'}), {...qat, final: {...quantized(80), running_metric: 60, reestimated_metric: 80}} as QatResult, null);
		expect(told.metrics).toEqual({running: 60, reestimated: 80});
	});
	it('has the time of a step from a profile where there is one', () => {
		const profile = {steps: 9, seconds: 3, seconds_per_step: 0.25, samples_per_second: 100, threads: 1, plan: {}};
		expect(measured(job('j1', {}), {...qat, profile} as QatResult, 0.5).secondsPerStep).toBe(0.25);
		expect(measured(job('j1', {}), qat, 0.5).secondsPerStep).toBe(0.5);
	});
	it('takes the latest job of a seed', () => {
		expect(methodGroups([one('j9', {}, 80), one('j10', {}, 84)])[0]?.rows[0]?.with?.mean).toBe(84);
	});
	it('keeps apart what was trained otherwise, and other schemes and networks', () => {
		expect(methodGroups([one('j1', {epochs: 3}, 80), one('j2', {epochs: 4}, 80), one('j3', {epochs: 3, scheme: 'w3a3'}, 80), one('j4', {epochs: 3}, 80, null, 'resnet20')])).toHaveLength(4);
	});
	it('has published numbers beside MobileNetV2 alone', () => {
		expect(methodGroups([one('j1', {}, 80, null, 'resnet20')])[0]?.rows[0]?.published).toBeNull();
		expect(publishedFor('lsq+dampen (lambda 0.1)', 'w3a3')).toBe(67.8);
		expect(publishedFor('pact', 'w3a3')).toBeNull();
		expect(publishedFor('lsq', 'w2a2')).toBeNull();
		expect(PUBLISHED_METHODS).toHaveLength(7);
	});
	it('says what no job measured', () => {
		expect(spreadOf([null, undefined])).toBeNull();
		expect(methodGroups([one('j1', {}, 80)])[0]?.rows[0]).toMatchObject({without: null, seconds: null, ratio: null});
	});
	it('has 8-bit formats as changes against float, and none of them is a best', () => {
		const [row] = formatRows([one('j1', {scheme: 'int8'}, 91), one('j2', {scheme: 'E4'}, 89), one('j3', {}, 50)]);
		expect(row?.cells.map((c) => c?.text ?? null)).toEqual(['+1.00', null, null, '−1.00']);
		expect([...publishedQat(), row].every((r) => r?.cells.every((c) => !c?.best))).toBe(true);
		expect(publishedQat().find((r) => r.name === 'BERT-base')?.cells.map((c) => c?.text)).toEqual(['+0.20', '−1.86', '+0.68', '+0.85']);
	});
});
