// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Comparison, Dataset, HwcostResult, Job, Model, OutliersResult, QatResult, SqnrResult} from '../src/api/client';
import {expected, expectedText, samplesOf, workOf} from '../src/pages/expected';
import {attentionOf, columnOf, DISTRIBUTIONS, filled, formatName, gates, NOTHING, outliersTable, placeOf, ptq, qat, sqnrs, SQNR_COLUMNS, standsFor, stepSeconds, tables, trainedTable, type Cell, type Table, type TalkData} from '../src/pages/talk';
import {claims, type Claim} from '../src/pages/talk_claims';

const RESNET = {Conv: 9, Add: 3, Gemm: 1};
const model = (id: string, name: string, parameters: number, operators: Record<string, number>, macs = 1e7) => ({id, name, inspection: {state: 'ok', error: null, result: {kind: 'model', inputs: [], outputs: [], parameters, macs, operators}}}) as unknown as Model;
const data = (id: string, name: string, n: number) => ({id, name, inspection: {state: 'ok', error: null, result: {kind: 'data', arrays: [{name: 'x', type: 'uint8', shape: [n, 3, 4, 4]}, {name: 'y', type: 'int64', shape: [n]}]}}}) as unknown as Dataset;
const job = (id: string, type: string, spec: object, more: object = {}) => ({id, type, state: 'succeeded', spec: {type, ...spec}, model: null, data: null, cached: false, started: '2026-01-05T10:00:00Z', finished: '2026-01-05T10:01:00Z', ...more}) as unknown as Job;
const lab = (more: Partial<TalkData> = {}): TalkData => ({...NOTHING, ...more});
const hw = (id: string, rows: [string, string, number][], adders = 'ripple') => ({job: job(id, 'hwcost', {}), result: {type: 'hwcost', adders, terms: 1024, rows: rows.map(([operands, accumulator, gates]) => ({operands, accumulator, gates}))} as unknown as HwcostResult});
const cells = (t: Table, key: string): Cell[] => t.rows.find((r) => r.key === key)?.cells ?? [];
const found = (t: Table, key: string): (string | null)[] => cells(t, key).map((c) => c.found?.text ?? null);
const formOf = (c: Cell | undefined): Record<string, unknown> => JSON.parse(new URLSearchParams(c?.run?.href.split('?')[1]).get('job') ?? '{}') as Record<string, unknown>;
const claim = (all: Claim[], text: string): Claim => all.find((c) => c.claim.includes(text)) as Claim;
const said = (d: TalkData): Claim[] => claims(tables(d, {}), d, {});

describe('which network an upload stands for', () => {
	it('goes by its name and its operators', () => {
		expect(standsFor('mobilenet_v2.onnx', 3489167, {Conv: 53, Add: 10})?.network.key).toBe('mobilenetv2');
		expect(standsFor('deeplabv3_mobilenet_v2.onnx', 2097081, {Conv: 55})?.network.key).toBe('deeplabv3');
		expect(standsFor('all-minilm-l6.onnx', 22e6, {MatMul: 30, Softmax: 6})?.network.key).toBe('bert');
		expect(standsFor('vit_small.onnx', null, null)?.network.key).toBe('vit');
		expect(standsFor('digits.onnx', 71434, {Conv: 53, Add: 10})).toBeNull();
		expect(standsFor('vitamin.onnx', null, null)).toBeNull();
	});
	it('is none where the operators say that the name lies', () => {
		expect(standsFor('resnet18.onnx', 100, {Gemm: 3})).toBeNull();
		expect(standsFor('bert.onnx', 100, {Conv: 3, Add: 2})).toBeNull();
	});
	it('is one alone, of one name the nearest in size, and says how it differs', () => {
		expect(standsFor('resnet50.onnx', 25557032, RESNET)).toMatchObject({network: {key: 'resnet50'}, differs: ''});
		expect(standsFor('resnet18.onnx', 11600000, RESNET)).toMatchObject({network: {key: 'resnet18'}, differs: ''});
		expect(standsFor('resnet8.onnx', 78666, RESNET)).toMatchObject({network: {key: 'resnet18'}, differs: 'a network of 78.7 k parameters, ResNet18 has 11.7 M'});
		expect(standsFor('resnet18.onnx', null, null)?.differs).toMatch(/not known/);
	});
});

describe('formats by their names', () => {
	it('have one name each', () => {
		expect(['E4', 'fp8_e4m3', 'fp8_e2m5', 'int8', 'uint8_asym', 'int8_asym', 'e4m3fn', 'mxfp4'].map(formatName)).toEqual(['E4', 'E4', 'E2', 'int8', 'int8', 'int8', 'e4m3fn', 'mxfp4']);
	});
	it('make a cell of the table where both halves have it and no method was used', () => {
		const part = (format: string) => ({format, bits: 8}) as never;
		const of = (w: string, a: string, methods: string[] = []) => columnOf({scheme: 'x', weights: part(w), activations: part(a), methods});
		expect([of('int8', 'uint8_asym'), of('fp8_e4m3', 'fp8_e4m3'), of('int4', 'int8'), of('int8', 'int8', ['adaround']), of('fp8_e5m2', 'fp8_e5m2')]).toEqual(['int8', 'E4', null, null, null]);
		expect(columnOf({scheme: 'E3', methods: []})).toBe('E3');
		expect(columnOf({scheme: 'E3', weights: part('E3'), activations: null, methods: []})).toBeNull();
	});
});

describe('table 1a', () => {
	const t = gates(lab({hwcost: [hw('j2', [['int8', 'fixed', 459], ['fp8_e4m3', 'fixed', 509]]), hw('j1', [['int8', 'fp32', 2384], ['E4', 'fp16', 1]]), hw('j0', [['int8', 'fp16', 9]], 'prefix')]}));
	it('takes each unit from the latest job that has it, with the change against INT8', () => {
		expect(found(t, 'int8')).toEqual(['459', null, '2\u2009384 (+419 %)']);
		expect(found(t, 'E4')).toEqual(['509 (+11 %)', '1 (−100 %)', null]);
		expect(cells(t, 'int8').map((c) => c.published)).toEqual(['750', '1\u2009450 (+93 %)', '2\u2009350 (+213 %)']);
		expect(cells(t, 'int8')[2]?.found).toMatchObject({job: 'j1'});
	});
	it('leaves out units of other adders, and asks for what is missing', () => {
		expect(formOf(cells(t, 'int8')[1])).toEqual({type: 'hwcost', units: [{operands: 'int8', accumulator: 'fp16'}, {operands: 'E4', accumulator: 'fp32'}]});
		expect(cells(t, 'E4')[2]?.run?.time).toBe('about 2 s, a guess: no such job ran here yet');
	});
	it('is claimed to be 53 to 183 % dearer', () => {
		expect(claim(said(lab()), '53 %')).toMatchObject({verdict: 'not measured', says: 'Units are missing in table 1a.'});
		const full = (e4: number[]) => claim(said(lab({hwcost: [hw('j1', [['int8', 'fixed', 100], ['E4', 'fixed', e4[0] ?? 0], ['E4', 'fp16', 1], ['E4', 'fp32', e4[1] ?? 0]])]})), '53 %');
		expect(full([153, 283])).toMatchObject({verdict: 'holds', jobs: ['j1']});
		expect(full([111, 416])).toMatchObject({verdict: 'in part', says: 'Ours: +11 % with a fixed-point accumulator, +316 % with FP32\'s. E4 is the larger one, by another factor than published; docs/hardware.md says what of it we can explain.'});
		expect(full([99, 416]).verdict).toBe('does not hold');
	});
});

describe('table 1b', () => {
	const specs = DISTRIBUTIONS.map((d) => d.spec);
	const result = (db: number[][]) => ({type: 'sqnr', distributions: db.map((_, i) => ({label: `d${i}`})), rows: db.flatMap((row, i) => row.map((x, k) => ({distribution: `d${i}`, asked: SQNR_COLUMNS[k], format: SQNR_COLUMNS[k], sqnr_db: x})))}) as unknown as SqnrResult;
	it('takes a distribution from jobs that ask for just that one', () => {
		expect(placeOf({distributions: [{name: 'uniform', low: 0, high: 1}, {label: 'u', high: 1, low: -1, name: 'uniform'}]}, specs[0] ?? {})).toBe(1);
		expect(placeOf({distributions: [{name: 'gaussian', mean: 0, sigma: 1, clip: 10}]}, specs[1] ?? {})).toBe(0);
		expect(placeOf({distributions: [{name: 'gaussian', sigma: 1}]}, specs[1] ?? {})).toBe(-1);
		expect(placeOf({distributions: specs, range: 3}, specs[0] ?? {})).toBe(-1);
		expect(placeOf({distributions: specs, sweep: {parameter: 'nu', values: [1]}}, specs[0] ?? {})).toBe(-1);
	});
	it('marks the best of a row and asks for the other rows', () => {
		const t = sqnrs(lab({sqnr: [{job: job('j1', 'sqnr', {distributions: [specs[0]]}), result: result([[48.1, 44.5, 38.7, 32.7, 26.9]])}]}));
		expect(found(t, 'uniform')).toEqual(['★ 48.1 dB', '44.5 dB', '38.7 dB', '32.7 dB', '26.9 dB']);
		expect(formOf(cells(t, 'gaussian')[0])).toEqual({type: 'sqnr', distributions: specs.slice(1), formats: SQNR_COLUMNS});
	});
	it('bears the claims out, or not', () => {
		const of = (db: number[][]) => said(lab({sqnr: [{job: job('j1', 'sqnr', {distributions: specs}), result: result(db)}]}));
		const good = of([[48, 44, 38, 32, 26], [40, 42, 37, 31, 25], [34, 38, 37, 31, 25], [20, 20, 26, 31, 25]]);
		expect(['uniform', 'FP8 wins', 'large outliers'].map((c) => claim(good, c).verdict)).toEqual(['holds', 'holds', 'holds']);
		expect(claim(good, 'uniform').says).toBe('INT8 has the most: 48.0 dB; the next best 44.0 dB.');
		const bad = of([[40, 44, 38, 32, 26], [40, 42, 37, 51, 25], [44, 38, 37, 31, 25], [20, 20, 26, 31, 25]]);
		expect(['uniform', 'FP8 wins', 'large outliers'].map((c) => claim(bad, c).verdict)).toEqual(['does not hold', 'does not hold', 'does not hold']);
	});
});

/* ---- networks ---- */

const MODELS = [model('m1', 'resnet8.onnx', 78666, RESNET, 12501632), model('m2', 'mobilenet_v2.onnx', 3489167, {Conv: 53, Add: 10}, 3e8), model('m3', 'digits.onnx', 71434, {Conv: 53, Add: 10})];
const DATA = [data('d1', 'test-846.npz', 846), data('d2', 'train-4660.npz', 4660)];
const part = (format: string, granularity = 'per_tensor') => ({format, bits: 8, granularity, range: 'mse', scale: 'real'});
const cell = (scheme: string, delta: number, more: object = {}) => ({scheme, metric: 87.71 + delta, delta, delta_low: delta - 0.4, delta_high: delta + 0.4, best: false, output_sqnr_db: 20, weights: part(scheme, 'per_channel'), activations: part(scheme), methods: [], ...more});
const sweep = (id: string, m: string, schemes: object[], more: object = {}) => ({job: id, model: {id: m, name: MODELS.find((x) => x.id === m)?.name}, data: {id: 'd1', name: 'test-846.npz'}, metric_name: 'top1', float: 87.71, samples: 846, calibration_samples: 100, calibration_spread: true, held_out: false, cells: schemes, ...more});
const compared = (...rows: object[]): Partial<TalkData> => ({models: MODELS, datasets: DATA, ptq: {schemes: [], rows} as unknown as Comparison});

describe('table 1c', () => {
	it('fills a row from jobs alike of a network that stands for it, and says of what and how it differs', () => {
		const t = ptq(lab(compared(sweep('j1', 'm1', [cell('int8', -0.11), cell('E2', 0)]), sweep('j2', 'm1', [cell('E3', -0.36), cell('E4', -1.8, {methods: ['adaround']})]))), {});
		expect(found(t, 'resnet18')).toEqual(['87.71', '−0.11', '0.00', '−0.36', null]);
		expect(cells(t, 'resnet18').map((c) => c.published)).toEqual(['69.72', '−0.08', '−0.06', '−0.27', '−1.15']);
		expect(cells(t, 'resnet18')[3]?.found).toMatchObject({job: 'j2', note: '−0.76 to +0.04', of: 'resnet8.onnx, test-846.npz, 846 samples'});
		const r = t.rows.find((x) => x.key === 'resnet18');
		expect(r?.of).toMatch(/^resnet8\.onnx, test-846\.npz, 846 samples, top-1; 846 samples, 100 spread over the data calibrate, weights per channel mse, activations per tensor mse/);
		expect(r?.differs).toEqual(['a network of 78.7 k parameters, ResNet18 has 11.7 M', '846 samples of test-846.npz, published on 50\u2009000 of ImageNet']);
		expect(found(t, 'resnet50')).toEqual([null, null, null, null, null]);
		expect(found(t, 'mobilenetv2')).toEqual([null, null, null, null, null]);
	});
	it('asks for what a row lacks as the job that filled the rest', () => {
		const before = job('j1', 'ptq', {model: 'm1', data: 'd1', metric: 'top1', schemes: ['int8'], calibration: {samples: 100}}, {model: {id: 'm1'}, data: {id: 'd1'}});
		const t = ptq(lab({...compared(sweep('j1', 'm1', [cell('int8', -0.11)])), past: [before]}), {});
		expect(formOf(cells(t, 'resnet18')[2])).toEqual({type: 'ptq', model: 'm1', data: 'd1', metric: 'top1', schemes: ['E2', 'E3', 'E4'], calibration: {samples: 100}, latency: false});
		expect(cells(t, 'resnet18')[2]?.run?.time).toBe('about 2 min, by the one such job here');
		expect(formOf(cells(t, 'mobilenetv2')[0])).toMatchObject({type: 'ptq', model: 'm2', metric: 'top1', schemes: ['int8', 'E2', 'E3', 'E4']});
		expect(formOf(cells(t, 'hrnet')[0])).toMatchObject({model: '', metric: 'miou'});
		expect(cells(t, 'hrnet')[0]?.run?.time).toBe('about 3 h 56 min for each 10⁹ multiply-accumulates of its network and 1000 samples');
	});
	it('takes what the reader puts in, which is no network of the row by its name', () => {
		const d = lab(compared(sweep('j1', 'm1', [cell('int8', -0.11)]), sweep('j3', 'm3', [cell('int8', -3)], {float: 96.58})));
		const r = ptq(d, {}).rows.find((x) => x.key === 'mobilenetv2');
		expect(r?.chosen).toBe('');
		const key = r?.choices.find((c) => c.text.startsWith('digits.onnx'))?.key ?? '';
		const chosen = ptq(d, {'1c.mobilenetv2': key}).rows.find((x) => x.key === 'mobilenetv2');
		expect(chosen?.cells[1]?.found).toMatchObject({text: '−3.00', job: 'j3'});
		expect(chosen?.differs[0]).toBe('digits.onnx is no MobileNetV2 by its name');
		expect(ptq(d, {'1c.resnet18': 'none'}).rows.find((x) => x.key === 'resnet18')).toMatchObject({chosen: '', of: ''});
	});
	it('prefers the network of the same size, then the fullest and largest', () => {
		const small = sweep('j9', 'm1', [cell('int8', -0.5)], {samples: 20});
		expect(found(ptq(lab(compared(small, sweep('j1', 'm1', [cell('int8', -0.11)]))), {}), 'resnet18')[1]).toBe('−0.11');
		const tiny = {...MODELS[1], id: 'm4', name: 'mobilenetv2_cifar.onnx', inspection: {state: 'ok', result: {kind: 'model', parameters: 2.2e6, operators: {Conv: 53, Add: 10}}}} as unknown as Model;
		const d = compared(sweep('j5', 'm4', [cell('int8', -5), cell('E2', -6)], {model: {id: 'm4', name: 'mobilenetv2_cifar.onnx'}}), sweep('j4', 'm2', [cell('int8', -0.7)]));
		expect(found(ptq(lab({...d, models: [...MODELS, tiny]}), {}), 'mobilenetv2')[1]).toBe('−0.70');
	});
	it('leaves metrics out that are in no points', () => {
		expect(found(ptq(lab(compared(sweep('j1', 'm1', [cell('int8', 0.3)], {metric_name: 'perplexity'}))), {}), 'resnet18')[1]).toBeNull();
	});
	it('is claimed to have no FP8 format that wins everywhere', () => {
		const four = (e2: number, e3: number, e4: number) => [cell('int8', -1), cell('E2', e2), cell('E3', e3), cell('E4', e4)];
		expect(claim(said(lab(compared(sweep('j1', 'm1', four(-1, -2, -3))))), 'everywhere')).toMatchObject({verdict: 'not measured', says: 'A second network is missing in table 1c.'});
		expect(claim(said(lab(compared(sweep('j1', 'm1', four(-1, -2, -3)), sweep('j2', 'm2', four(-3, -1, -2))))), 'everywhere')).toMatchObject({verdict: 'holds', jobs: ['j1', 'j2']});
		expect(claim(said(lab(compared(sweep('j1', 'm1', four(-1, -2, -3)), sweep('j2', 'm2', four(-1, -3, -2))))), 'everywhere').verdict).toBe('does not hold');
	});
});

/* ---- trainings ---- */

const trained = (id: string, scheme: string, method: unknown, final: number, more: object = {}) => ({job: job(id, 'qat', {model: 'm4', train: 'd2', data: 'd1', scheme, method, epochs: 5, metric: 'top1'}, {model: {id: 'm4', name: 'mobilenetv2_cifar.onnx'}, data: {id: 'd1', name: 'test-846.npz'}, ...more}),
	result: {type: 'qat', scheme, methods: [], data: 'test-846.npz', train: 'train-4660.npz', train_samples: 4660, samples: 846, metric_name: 'top1', float: {metric: 87.71}, start: {metric: 1}, final: {metric: final, delta: final - 87.71, delta_low: final - 88.4, delta_high: final - 87}, epochs: 5, steps_done: 100, steps: [], history: [], layers: []} as unknown as QatResult});
const CIFAR = model('m4', 'mobilenetv2_cifar.onnx', 2.2e6, {Conv: 53, Add: 10});
const trainings = (...all: ReturnType<typeof trained>[]) => lab({models: [...MODELS, CIFAR], datasets: DATA, qat: all});

describe('table 1d', () => {
	it('holds trainings alike, with the job of each, and asks for the formats that are missing', () => {
		const t = qat(trainings(trained('j2', 'E4', 'lsq', 87), trained('j1', 'int8', 'lsq', 88)), {});
		expect(found(t, 'mobilenetv2')).toEqual(['87.71', '+0.29', null, null, '−0.71']);
		expect(cells(t, 'mobilenetv2')[4]?.found).toMatchObject({job: 'j2', of: 'mobilenetv2_cifar, test-846.npz, 846 samples', note: '−1.40 to 0.00'});
		expect(t.rows.find((r) => r.key === 'mobilenetv2')?.differs).toContain('a network of 2.20 M parameters, MobileNetV2 has 3.50 M');
		expect(formOf(cells(t, 'mobilenetv2')[2])).toMatchObject({type: 'qat', model: 'm4', train: 'd2', data: 'd1', scheme: 'E2', method: 'lsq', epochs: 5});
	});
	it('does not mix methods', () => {
		const t = qat(trainings(trained('j2', 'E4', ['lsq', 'freeze'], 87), trained('j3', 'E3', 'lsq', 87), trained('j1', 'int8', 'lsq', 88)), {});
		expect(found(t, 'mobilenetv2')).toEqual(['87.71', '+0.29', null, '−0.71', null]);
	});
	it('is claimed to have INT8 best or competitive', () => {
		const of = (...final: number[]) => claim(said(trainings(...['int8', 'E2', 'E3', 'E4'].map((s, i) => trained(`j${i + 1}`, s, 'lsq', final[i] ?? 0)))), 'competitive');
		expect(of(88, 87, 87, 87)).toMatchObject({verdict: 'holds', says: 'MobileNetV2: INT8 is best, by 1.00. Competitive here: within 0.5 points.'});
		expect(of(87, 87.4, 87, 87).verdict).toBe('holds');
		expect(of(80, 87.4, 87, 87).verdict).toBe('does not hold');
	});
});

describe('table 3', () => {
	const d = trainings(trained('j5', 'w4a4', ['lsq', {name: 'dampen', lambda: 0.1}], 85, {finished: '2026-01-05T10:01:18Z'}), trained('j3', 'w4a4', ['lsq', 'freeze'], 86), trained('j2', 'int4', 'lsq', 84.5), trained('j1', 'w3a3', 'lsq', 60));
	it('has methods by bits, with their parameters, and the same network in float', () => {
		const t = trainedTable(d, {});
		expect(found(t, 'mobilenetv2')).toEqual(['87.71', '87.71']);
		expect(found(t, 'lsq')).toEqual(['84.50', '60.00']);
		expect(found(t, 'lsq+freeze')).toEqual(['86.00', null]);
		expect(cells(t, 'lsq+dampen')[0]).toMatchObject({published: '70.5', found: {text: '85.00', note: '(lambda 0.1)', job: 'j5'}});
		expect(formOf(cells(t, 'lsq+freeze')[1])).toMatchObject({type: 'qat', model: 'm4', scheme: 'w3a3', method: ['lsq', 'freeze']});
		expect(cells(t, 'pact')[1]?.published).toBe('–');
	});
	it('is claimed to show freezing faster than dampening, and both better than LSQ', () => {
		expect(stepSeconds(d, {}, 'lsq+freeze')).toEqual({seconds: 0.6, jobs: ['j3']});
		expect(claim(said(d), '30 %')).toMatchObject({verdict: 'holds', says: 'Freezing makes +30 % steps a second here (whole jobs, evaluations included).'});
		expect(claim(said(d), 'LSQ alone')).toMatchObject({verdict: 'holds', says: 'W4A4: dampening +0.50, freezing +1.50 points against LSQ.'});
	});
});

describe('table 4', () => {
	const spread = (mean: number) => ({mean, sd: null, low: mean, high: mean});
	const summary = (name: string, float: number, norm: number, eight: number) => ({name, runs: 1, float: spread(float), loss: null, max_inf_norm: spread(norm), avg_kurtosis: spread(10), sink_share: null, schemes: [{scheme: 'w8a8', metric: spread(eight), delta: spread(eight - float)}]});
	const report = (id: string, name: string, rows: object[]) => ({job: job(id, 'outliers', {network: name}), result: {type: 'outliers', model: name, data: 'book.txt', train: 'book.txt', metric_name: 'perplexity', samples: 256, schemes: ['w8a8'], runs: [{model: name, parameters: 12900}], summary: rows} as unknown as OutliersResult});
	const d = lab({outliers: [report('j1', 'opt', [summary('vanilla', 5.15, 40, 9.8), summary('clipped_softmax (alpha 4)', 5.2, 20, 6), summary('gated', 5.1, 9, 5.2)])]});
	it('has a row for each attention, with the job', () => {
		const t = outliersTable(d, {});
		expect(found(t, 'opt')).toEqual(['5.150', '40', '10', '9.800']);
		expect(found(t, 'opt.clipped_softmax')).toEqual(['5.200', '20', '10', '6.000']);
		expect(found(t, 'bert')).toEqual([null, null, null, null]);
		expect(t.rows.find((r) => r.key === 'opt')?.differs[0]).toBe('a network of 12\u2009900 parameters, OPT-125m has 125 M'.replace('12\u2009900', '12.9 k'));
		expect(formOf(cells(t, 'vit')[0])).toMatchObject({type: 'outliers', network: {name: 'vit'}});
		expect(attentionOf('vanilla-1.onnx')).toBe('vanilla');
		expect(attentionOf('opt.onnx')).toBeNull();
	});
	it('is claimed to lose its outliers', () => {
		expect(claim(said(d), 'outliers away')).toMatchObject({verdict: 'holds', jobs: ['j1']});
	});
});

describe('the page', () => {
	it('has every table of the talk and every cell either measured or to be run', () => {
		const all = tables(lab(), {});
		expect(all.map((t) => [t.key, t.rows.length, t.columns.length])).toEqual([['1a', 2, 3], ['1b', 4, 5], ['1c', 8, 5], ['1d', 6, 5], ['3', 8, 2], ['4', 9, 4]]);
		expect(all.flatMap((t) => t.rows.flatMap((r) => r.cells)).every((c) => c.run !== null && c.found === null)).toBe(true);
		expect(filled(all)).toEqual({measured: 0, cells: 6 + 20 + 40 + 30 + 16 + 36});
		expect(said(lab()).every((c) => c.verdict === 'not measured')).toBe(true);
	});
});

describe('how long a job will take', () => {
	const l = {models: MODELS, datasets: DATA, past: [] as Job[]};
	const spec = {type: 'ptq', model: 'm1', data: 'd1', schemes: ['int8', 'E2', 'E3']};
	it('is its work at the rate of earlier ones', () => {
		expect(samplesOf(DATA[0])).toBe(846);
		expect(workOf(spec, l)).toBe(12501632 * 846 * 4);
		expect(workOf({...spec, samples: 10}, l)).toBe(12501632 * 10 * 4);
		expect(workOf({...spec, model: ''}, l)).toBeNull();
		const past = [job('j1', 'ptq', {...spec, schemes: ['int8']}, {model: {id: 'm1'}, data: {id: 'd1'}})];
		expect(expected(spec, {...l, past})).toEqual({seconds: 120, unknown: '', jobs: 1});
		expect(expectedText(expected(spec, {...l, past}))).toBe('about 2 min, by the one such job here');
	});
	it('is a guess where none ran, and unknown without a network', () => {
		expect(expectedText(expected(spec, l))).toBe('about 9 s, a guess: no such job ran here yet');
		expect(expectedText(expected({...spec, model: ''}, l))).toBe('about 11 min for each 10⁹ multiply-accumulates of its network, a guess');
		expect(expectedText(expected({type: 'sqnr'}, l))).toMatch(/^about 1 s, a guess/);
	});
});
