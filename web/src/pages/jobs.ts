// SPDX-License-Identifier: Apache-2.0
// The list of jobs: its address, its order, and when jobs will end.
import type {BestResult, Job, JobFilter, JobList} from '../api/client';
import {fixed, metric, signed} from '../base/units';

/* Below this share too little has passed to tell. */
const TELLS = 0.03;

/** Seconds until a job ends if it goes on as it went so far; null where too little of it is done. */
export function secondsLeft(job: Job, now: number): number | null {
	const done = job.progress?.fraction ?? 0;
	return job.state !== 'running' || !job.started || done < TELLS || done >= 1 ? null : Math.max(0, (now - Date.parse(job.started)) / 1000) * ((1 - done) / done);
}

/** Seconds until each of these jobs ends: of one that runs by its progress, else by what such jobs took; of those that wait, in
 * the queue's order from place 1 on, after those before them in as many slots. null: nothing tells. */
export function ends(running: readonly Job[], waiting: readonly Job[], took: ReadonlyMap<string, number>, slots: number, now: number): Map<string, number | null> {
	const end = new Map<string, number | null>();
	const free: (number | null)[] = running.map((job) => {
		const usual = took.get(job.id);
		const left = secondsLeft(job, now) ?? (usual === undefined || !job.started ? null : Math.max(0, usual - (now - Date.parse(job.started)) / 1000));
		end.set(job.id, left);
		return left;
	});
	while (free.length < slots) { free.push(0); }
	for (const job of waiting) {
		const usual = took.get(job.id);
		const known = free.filter((at): at is number => at !== null);
		/* A slot of which nobody knows when it is free makes all that follows unknown. */
		const begins = known.length === free.length && known.length > 0 ? Math.min(...known) : null;
		const at = begins === null || usual === undefined ? null : begins + usual;
		end.set(job.id, at);
		free[begins === null ? 0 : free.indexOf(begins)] = at;
	}
	return end;
}

/** Of a column that sorts: in the order that reads best first, then the other, then none. */
export function nextSort(now: string, key: string, downFirst: boolean): string {
	const orders = downFirst ? [`-${key}`, key] : [key, `-${key}`];
	const at = orders.indexOf(now);
	return at === 0 ? orders[1] ?? '' : at === 1 ? '' : orders[0] ?? '';
}

export function ariaSort(now: string, key: string): 'ascending' | 'descending' | 'none' {
	return now === key ? 'ascending' : now === `-${key}` ? 'descending' : 'none';
}

const FILTERS = ['state', 'type', 'tag', 'scheme', 'model', 'data', 'q'] as const;

/** What the address asks the server for. */
export function asked(query: URLSearchParams): JobFilter {
	const filter: JobFilter = {limit: 100};
	for (const name of [...FILTERS, 'sort', 'before'] as const) {
		const value = query.get(name);
		if (value) { filter[name] = value; }
	}
	return filter;
}

/** Nothing is left out: what runs and waits is shown apart. */
export function isWhole(filter: JobFilter): boolean {
	return FILTERS.every((name) => !filter[name]) && !filter.sort && !filter.before;
}

/** The list after a job has changed; whether it has to be loaded again, because another one may belong into it now. */
export function changed(list: JobList, job: Job): {list: JobList; reload: boolean} {
	const at = list.jobs.findIndex((j) => j.id === job.id);
	if (at < 0) {
		return {list, reload: true};
	}
	return {list: {...list, jobs: list.jobs.map((j, i) => (i === at ? job : j))}, reload: list.jobs[at]?.state !== job.state};
}

export function bestText(best: BestResult | null | undefined): string {
	if (!best) {
		return '';
	}
	const m = metric(best.metric ?? undefined);
	return `${fixed(best.value, m.digits)}${m.unit === '%' ? ' %' : ''}`;
}

/** The change against float, and its interval. */
export function bestChange(best: BestResult | null | undefined): string {
	if (!best || best.delta === null || best.delta === undefined) {
		return '';
	}
	const {digits} = metric(best.metric ?? undefined);
	const known = best.delta_low !== null && best.delta_low !== undefined && best.delta_high !== null && best.delta_high !== undefined;
	return `${signed(best.delta, digits)}${known ? ` (${signed(best.delta_low, digits)} to ${signed(best.delta_high, digits)})` : ''}`;
}

/** Where several jobs can be looked at side by side: sweeps on the leaderboard, trainings by their curves; '' for neither. */
export function together(jobs: readonly Job[]): string {
	const of = (...types: string[]): string[] => jobs.filter((j) => types.includes(j.type) && j.state !== 'queued').map((j) => j.id);
	const sweeps = of('ptq');
	const trainings = of('train', 'qat');
	return sweeps.length >= trainings.length && sweeps.length > 0 ? `#/compare?jobs=${sweeps.join(',')}&each=job` : trainings.length > 0 ? `#/training?jobs=${trainings.join(',')}` : '';
}

/** Tags in a text, parted by commas and spaces. */
export function tagsIn(text: string): string[] {
	return [...new Set(text.split(/[\s,]+/).filter((t) => t !== ''))];
}
