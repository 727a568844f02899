// SPDX-License-Identifier: Apache-2.0
// The order of a list of jobs, and when those that run will end.
import type {Job, JobList} from '../api/client';

/** What runs, then what is next in the queue's order, then the others, the latest first. */
export function onTop(list: JobList, running: readonly Job[], queued: readonly Job[]): JobList {
	const top = [...running, ...[...queued].sort((a, b) => (a.position ?? 0) - (b.position ?? 0))];
	const known = new Set(top.map((j) => j.id));
	return {...list, jobs: [...top, ...list.jobs.filter((j) => !known.has(j.id))]};
}

/* Below this share too little has passed to tell. */
const TELLS = 0.03;

/** Seconds until a job ends if it goes on as it went so far; null where too little of it is done. */
export function secondsLeft(job: Job, now: number): number | null {
	const done = job.progress?.fraction ?? 0;
	return job.state !== 'running' || !job.started || done < TELLS || done >= 1 ? null : Math.max(0, (now - Date.parse(job.started)) / 1000) * ((1 - done) / done);
}
