// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {PtqResult} from '../src/api/client';
import {answer, costOf, costsKnown, lowest, question, startAt, type Question} from '../src/pages/answer';
import {schemeForms} from '../src/pages/ptq';
import {derivedJob} from '../src/pages/starters';

type Maybe = number | null;
const latency = (p50_ns: number, execution = 'native') => ({execution, threads: 1, p50_ns, p90_ns: p50_ns, p99_ns: p50_ns, count: 9});
const scheme = (name: string, delta: Maybe, size_bytes: number, more: object = {}) => ({scheme: name, metric: delta === null ? null : 90 + delta, delta, delta_low: delta === null ? null : delta - 0.4, delta_high: delta === null ? null : delta + 0.4,
	best: false, output_sqnr_db: 20, size_bytes, gates: {unit: 1, network: size_bytes * 10}, latency: latency(size_bytes), ...more});
const sweep = (schemes: ReturnType<typeof scheme>[], more: object = {}) => ({job: 'j1', type: 'ptq', metric_name: 'top1', samples: 500,
	float: {metric: 90, size_bytes: 400, gates: {unit: 9, network: 9000}, latency: latency(500)}, schemes, ...more}) as unknown as PtqResult;
const tensors = (...db: [string, Maybe][]) => ({tensors: db.map(([name, sqnr_db]) => ({name, kind: 'weight', sqnr_db, exact: sqnr_db === null, min: 0, max: 1}))});
const points = (at: number, cost: Question['cost'] = 'size'): Question => ({limit: 'points', at, cost});
const said = (r: PtqResult, q: Question): string => { const a = answer(r, q); return [a.headline, ...a.text, ...a.why].join(' '); };

const usual = sweep([scheme('int8', -0.1, 100, {best: true, ...tensors(['conv1', 40], ['conv2', null], ['fc', 38])}), scheme('E4', -0.5, 100), scheme('int4', -16, 50, tensors(['conv1', 8.26], ['conv2', 20], ['fc', 12])), scheme('int2', -80, 25)]);

describe('the answer within points', () => {
	it('is the cheapest scheme that loses no more, with what it costs and its interval', () => {
		const a = answer(usual, points(1));
		expect([a.scheme, a.fails]).toEqual(['int8', 'int4']);
		expect(a.headline).toBe('int8 is the smallest of the schemes that lose at most 1 point of top-1.');
		expect(a.text[0]).toBe("It takes 100 B, 25 % of float's 400 B, and changes top-1 by −0.10 points (95 % interval −0.50 to +0.30), which the 500 samples cannot tell from no change.");
		expect(a.text).toContain('E4 costs as much and qualifies too.');
	});
	it('tells why the next cheaper fails, by the tensors of lowest SQNR', () => {
		expect(answer(usual, points(1)).why).toEqual(['The next smaller one, int4 (50 B), fails: it changes top-1 by −16.00 points (95 % interval −16.40 to −15.60).',
			'Its lowest SQNR: conv1 (weight) 8.3 dB, 40.0 dB in int8; fc (weight) 12.0 dB, 38.0 dB in int8; conv2 (weight) 20.0 dB, exact in int8.']);
		expect(lowest(usual.schemes[0]!, null)).toEqual(['fc (weight) 38.0 dB', 'conv1 (weight) 40.0 dB']);
	});
	it('says how sure the SQNR of a tensor is, where it was measured', () => {
		const r = (db: number, half: number) => ({tensors: [{name: 'relu', kind: 'activation', sqnr_db: db, sqnr_low_db: db - half, sqnr_high_db: db + half, exact: false, min: 0, max: 1}]});
		expect(answer(sweep([scheme('int8', -0.1, 100, r(40, 0.3)), scheme('int4', -16, 50, r(8.26, 1.25))]), points(1)).why[1]).toBe('Its lowest SQNR: relu (activation) 8.3 ±1.3 dB, 40.0 ±0.3 dB in int8.');
	});
	it('of no change at all tells the exact bound, or that there is none', () => {
		const zero = (more: object) => said(sweep([scheme('int8', 0, 100, more), scheme('int4', -16, 50)], {samples: 50}), points(1));
		expect(zero({delta_low: -7.11, delta_high: 7.11})).toMatch(/changes top-1 by 0\.00 points \(95 % interval −7\.11 to \+7\.11\), which the 50 samples cannot tell from no change\. Its interval reaches over the limit, as does that of every other scheme within\./);
		expect(zero({delta_low: null, delta_high: null})).toContain('and does not change top-1 on these samples, which give no interval then.');
	});
	it('moves with the limit, to the end of the sweep', () => {
		expect([0, 0.1, 0.5, 16, 79.9, 80].map((at) => answer(usual, points(at)).scheme)).toEqual([null, 'int8', 'int8', 'int4', 'int4', 'int2']);
		expect(answer(usual, points(80)).why).toEqual(['No scheme of this sweep is smaller.']);
	});
	it('of equally cheap schemes is the one that costs less otherwise, then the one that loses less', () => {
		const same = {gates: null, latency: null};
		expect(answer(sweep([scheme('a', -0.5, 100, same), scheme('b', -0.2, 100, same)]), points(1)).scheme).toBe('b');
		expect(answer(sweep([scheme('a', -0.5, 100, {gates: {unit: 1, network: 7}}), scheme('b', -0.2, 100, {gates: {unit: 1, network: 8}})]), points(1)).scheme).toBe('a');
	});
	it('says so where intervals reach over the limit, and names what is within whole', () => {
		expect(said(sweep([scheme('int8', -0.1, 100), scheme('int4', -0.8, 50)]), points(1))).toMatch(/^int4 .*Its interval reaches over the limit; the smallest whose whole interval is within is int8 \(100 B\)\./);
		expect(said(sweep([scheme('int4', -0.8, 50)]), points(1))).toContain('Its interval reaches over the limit, as does that of every other scheme within.');
		expect(said(sweep([scheme('int8', -0.1, 100), scheme('int4', -1.2, 50)]), points(1))).toContain('The interval reaches into the limit: these samples do not rule it out.');
		expect(said(sweep([scheme('int8', -0.9, 100), scheme('int4', -1.5, 50)]), points(1))).toContain('The intervals of the two overlap.');
		expect(said(usual, points(1))).not.toMatch(/overlap|reaches/);
	});
	it('says that nothing qualifies, and what comes nearest', () => {
		const a = answer(sweep([scheme('int8', -1.2, 100), scheme('int4', -16, 50, tensors(['c', 3]))]), points(1));
		expect(a).toMatchObject({scheme: null, fails: 'int8', headline: 'No scheme of this sweep loses at most 1 point of top-1.'});
		expect(a.text[0]).toBe('The nearest, int8, takes 100 B and changes top-1 by −1.20 points (95 % interval −1.60 to −0.80). Its interval reaches into the limit: these samples do not rule it out.');
	});
	it('tells no interval of results that have none', () => {
		const none = {delta_low: undefined, delta_high: undefined, best: undefined};
		expect(said(sweep([scheme('int8', -0.1, 100, none), scheme('int4', -16, 50, none)]), points(1))).not.toMatch(/interval|cannot tell/);
	});
	it('turns with metrics of which less is better', () => {
		const r = sweep([scheme('int8', 0.2, 100), scheme('int4', 3, 50)], {metric_name: 'perplexity'});
		expect(answer(r, points(0.5))).toMatchObject({scheme: 'int8', fails: 'int4', headline: 'int8 is the smallest of the schemes that add at most 0.5 of perplexity.'});
		expect(answer(r, points(0.1)).headline).toBe('No scheme of this sweep adds at most 0.1 of perplexity.');
	});
});

describe('emulated latency', () => {
	const r = sweep([scheme('int8', -0.1, 100), scheme('E4', -0.1, 50, {latency: latency(1, 'emulated')})]);
	it('is no latency', () => {
		expect(costOf(r.schemes[1]!, 'latency')).toBe(null);
		expect(answer(r, points(1, 'latency')).scheme).toBe('int8');
		expect(said(r, points(1, 'latency'))).toMatch(/Left out: E4, emulated here, so that the time says nothing\. No scheme that ran natively is faster\.$/);
		expect(answer(r, {limit: 'latency', at: 10, cost: 'latency'}).scheme).toBe(null);
		expect(answer(r, points(1)).scheme).toBe('E4');
		expect(said(r, points(1))).not.toContain('Left out');
	});
	it('alone leaves nothing to choose', () => {
		const only = sweep([scheme('E4', -0.1, 50, {latency: latency(1, 'emulated')})]);
		expect(costsKnown(only)).toEqual(['size', 'gates']);
		expect(answer(only, points(1, 'latency')).headline).toMatch(/^There is nothing to choose from/);
	});
});

describe('the answer within a cost', () => {
	const r = sweep([scheme('int8', -0.1, 100, {best: true}), scheme('E4', -0.3, 90, {best: true}), scheme('int6', -0.6, 75), scheme('int4', -16, 50)]);
	const size = (at: number): Question => ({limit: 'size', at, cost: 'size'});
	it('is the cheapest of those that lose no more than the best by what the samples can tell', () => {
		expect(answer(r, size(200))).toMatchObject({scheme: 'E4', fails: 'int6', headline: 'E4 is the smallest of the schemes within 200 B whose top-1 the samples cannot tell from the best.'});
		expect(said(r, size(200))).toContain('The next smaller one, int6 (75 B), is worse: it changes top-1 by −0.60 points (95 % interval −1.00 to −0.20). The intervals of the two overlap; by pairs of samples they differ.');
		expect(answer(r, size(80))).toMatchObject({scheme: 'int6', headline: 'int6 has the best top-1 of the schemes within 80 B.'});
		expect(answer(r, size(50)).scheme).toBe('int4');
	});
	it('says when nothing is so cheap, and when float itself is', () => {
		expect(said(r, size(10))).toMatch(/^No scheme of this sweep takes at most 10 B\. The nearest, int4, takes 50 B/);
		expect(said(r, size(400))).toContain('Float itself is within the limit.');
		expect(said(r, size(300))).not.toContain('Float itself');
	});
	it('passes over schemes whose outputs are NaN or whose metric is undefined, and says so', () => {
		const bad = sweep([scheme('int8', -0.1, 100), scheme('E5', -0.1, 50, {nan_outputs: 3}), scheme('E2', null, 40)]);
		expect(answer(bad, points(1)).scheme).toBe('int8');
		expect(said(bad, points(1))).toContain('Left out: E5, with outputs that are NaN.');
	});
});

describe('the question in an address', () => {
	it('is read, and starts with a point by size', () => {
		expect(question(usual, null, null)).toEqual(points(1));
		expect(question(usual, 'points:0.5', 'gates')).toEqual(points(0.5, 'gates'));
		expect(question(usual, 'size:123', 'gates')).toEqual({limit: 'size', at: 123, cost: 'size'});
		expect(question(usual, 'points:-1', 'zork')).toEqual(points(1));
		expect(question(usual, 'zork:1', null)).toEqual(points(1));
		expect(question(usual, 'size:', null)).toEqual({limit: 'size', at: 200, cost: 'size'});
	});
	it('starts at a hundredth of a metric that is no share', () => {
		expect(startAt(sweep([], {metric_name: 'perplexity', float: {metric: 23.4}}), 'points')).toBe(0.2);
	});
});

describe('forms from a row', () => {
	const job = {type: 'ptq', model: 'm1', data: 'd1', metric: 'top1', samples: 50, latency: {}, schemes: ['int8', {scheme: 'w4a8', methods: ['adaround']}, {weights: 'int4', name: 'mine'}]};
	it('name the scheme and its place', () => {
		expect(schemeForms('j1', 1, 'w4a8+adaround').qat).toBe('#/submit?from=j1&type=qat&scheme=w4a8%2Badaround&at=1');
	});
	it('keep what both kinds of job have in common, and the scheme as it was asked for', () => {
		expect(derivedJob(job, {type: 'qat', epochs: 10, train: 'd2'}, ['model', 'data', 'metric', 'samples', 'train'], {scheme: 'w4a8+adaround', at: '1', export: null}))
			.toEqual({type: 'qat', epochs: 10, train: 'd2', model: 'm1', data: 'd1', metric: 'top1', scheme: {scheme: 'w4a8', methods: ['adaround']}});
		expect(derivedJob(job, {type: 'diagnose'}, ['model'], {scheme: 'mine', at: null, export: null})).toEqual({type: 'diagnose', model: 'm1', scheme: {weights: 'int4', name: 'mine'}});
		expect(derivedJob(job, {type: 'diagnose'}, ['model'], {scheme: 'E4', at: null, export: null}).scheme).toBe('E4');
	});
	it('export one scheme by the same job without timing', () => {
		expect(derivedJob(job, null, [], {scheme: 'int8', at: '0', export: 'qdq'})).toEqual({...job, schemes: ['int8'], export: ['qdq'], latency: false});
		expect(derivedJob(job, null, [], {scheme: null, at: null, export: null})).toEqual(job);
	});
});
