// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Job} from '../src/api/client';
import {onTop, secondsLeft} from '../src/pages/jobs';

const job = (id: string, state: string, more: object = {}): Job => ({id, state, ...more}) as unknown as Job;

describe('a list of jobs', () => {
	it('has on top what runs, then what is next, however old they are', () => {
		const list = {jobs: [job('j9', 'queued', {position: 2}), job('j8', 'succeeded'), job('j7', 'running')], total: 20, next: 'j7'};
		const made = onTop(list, [job('j7', 'running'), job('j2', 'running')], [job('j9', 'queued', {position: 2}), job('j3', 'queued', {position: 1})]);
		expect(made.jobs.map((j) => j.id)).toEqual(['j7', 'j2', 'j3', 'j9', 'j8']);
		expect([made.total, made.next]).toEqual([20, 'j7']);
	});
});

describe('the end of a job', () => {
	const started = '2026-01-01T00:00:00Z';
	const now = Date.parse(started) + 60_000;
	const at = (fraction: number, state = 'running') => secondsLeft(job('j1', state, {started, progress: {fraction}}), now);
	it('is as far off as its progress says', () => {
		expect([at(0.5), at(0.25)]).toEqual([60, 180]);
	});
	it('is not told while too little is done, nor of what does not run', () => {
		expect([at(0), at(0.01), at(1), at(0.5, 'queued'), secondsLeft(job('j1', 'running'), now)]).toEqual([null, null, null, null, null]);
	});
});
