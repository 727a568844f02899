// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {BestResult, Job, JobList} from '../src/api/client';
import {ariaSort, asked, bestChange, bestText, changed, ends, isWhole, nextSort, secondsLeft, tagsIn, together} from '../src/pages/jobs';

const job = (id: string, state: string, more: object = {}): Job => ({id, state, ...more}) as unknown as Job;
const started = '2026-01-01T00:00:00Z';
const now = Date.parse(started) + 60_000;

describe('the end of a job', () => {
	const at = (fraction: number, state = 'running') => secondsLeft(job('j1', state, {started, progress: {fraction}}), now);
	it('is as far off as its progress says', () => {
		expect([at(0.5), at(0.25)]).toEqual([60, 180]);
	});
	it('is not told while too little is done, nor of what does not run', () => {
		expect([at(0), at(0.01), at(1), at(0.5, 'queued'), secondsLeft(job('j1', 'running'), now)]).toEqual([null, null, null, null, null]);
	});
});

describe('the ends of a queue', () => {
	const runs = job('j1', 'running', {started, progress: {fraction: 0.5}});
	const waits = [job('j2', 'queued'), job('j3', 'queued'), job('j4', 'queued')];
	const took = new Map([['j2', 100], ['j3', 10], ['j4', 5]]);
	it('follow each other in one slot', () => {
		expect([...ends([runs], waits, took, 1, now)]).toEqual([['j1', 60], ['j2', 160], ['j3', 170], ['j4', 175]]);
	});
	it('come sooner in two', () => {
		expect([...ends([runs], waits, took, 2, now)]).toEqual([['j1', 60], ['j2', 100], ['j3', 70], ['j4', 75]]);
	});
	it('are told by what such jobs took while too little is done', () => {
		expect(ends([job('j1', 'running', {started})], [], new Map([['j1', 90]]), 1, now).get('j1')).toBe(30);
	});
	it('are unknown behind one that is', () => {
		expect([...ends([job('j1', 'running', {started})], waits, took, 1, now).values()]).toEqual([null, null, null, null]);
		expect([...ends([runs], waits, new Map([['j3', 10]]), 1, now).values()]).toEqual([60, null, null, null]);
	});
});

describe('the address of a list', () => {
	it('is what the server is asked', () => {
		expect(asked(new URLSearchParams('state=failed&q=a+b&sort=-best&before=j5:1.5&colour=red'))).toEqual({limit: 100, state: 'failed', q: 'a b', sort: '-best', before: 'j5:1.5'});
	});
	it('shows everything only without filter, order and page', () => {
		expect([asked(new URLSearchParams('')), ...['tag=x', 'sort=name', 'before=j5', 'q=x'].map((t) => asked(new URLSearchParams(t)))].map(isWhole)).toEqual([true, false, false, false, false]);
	});
	it('sorts one way, then the other, then as before', () => {
		expect(nextSort('', 'best', true)).toBe('-best');
		expect([nextSort('-best', 'best', true), nextSort('best', 'best', true), nextSort('', 'model', false), nextSort('model', 'model', false), nextSort('-best', 'model', false)]).toEqual(['best', '', 'model', '-model', 'model']);
		expect([ariaSort('-best', 'best'), ariaSort('best', 'best'), ariaSort('model', 'best')]).toEqual(['descending', 'ascending', 'none']);
	});
});

describe('a list of jobs', () => {
	const list = {jobs: [job('j2', 'running'), job('j1', 'queued')], total: 2, more: false, next: null} as JobList;
	it('takes a job that changed in its place', () => {
		const after = changed(list, job('j2', 'running', {attempts: 2}));
		expect([after.reload, after.list.jobs.map((j) => [j.id, j.attempts])]).toEqual([false, [['j2', 2], ['j1', undefined]]]);
	});
	it('is loaded again where others may come or go', () => {
		expect([changed(list, job('j2', 'succeeded')).reload, changed(list, job('j9', 'queued')).reload]).toEqual([true, true]);
	});
});

describe('what a list says of a job', () => {
	const best = {scheme: 'int8', metric: 'top1', value: 87.6, delta: -0.11, delta_low: -0.5, delta_high: 0.3} as BestResult;
	it('is the best with its change and the interval of that', () => {
		expect([bestText(best), bestChange(best), bestChange({...best, delta_low: null}), bestText(null), bestChange({...best, delta: null})]).toEqual(['87.60 %', '−0.11 (−0.50 to +0.30)', '−0.11', '', '']);
		expect(bestText({...best, metric: 'mse', value: 0.0123})).not.toMatch(/%/);
	});
	it('leads to where several stand side by side', () => {
		const of = (id: string, type: string, state = 'succeeded') => job(id, state, {type});
		expect(together([of('j1', 'ptq'), of('j2', 'ptq'), of('j3', 'qat')])).toBe('#/compare?jobs=j1,j2&each=job');
		expect([together([of('j1', 'train'), of('j3', 'qat')]), together([of('j1', 'toy')]), together([of('j1', 'ptq', 'queued')])]).toEqual(['#/training?jobs=j1,j3', '', '']);
	});
	it('has tags as people type them', () => {
		expect(tagsIn(' paper, x  y,,paper')).toEqual(['paper', 'x', 'y']);
	});
});
