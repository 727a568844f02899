// SPDX-License-Identifier: Apache-2.0
// Runs of trainings by the ids of their jobs: the results of those that have one; the others are followed, or read to their end.
import {api, type Job} from '../api/client';
import {watch} from '../api/events';
import {Gathered, runOf, type Run, type TrainingResult} from './training';

interface Kept {
	job: Job | null;
	result: TrainingResult | null;
	gathered: Gathered;
	error: string;
	loads: number; /* of overlapping ones the latest counts */
	stop: () => void;
}

/* Events come by the hundred; a page is drawn anew so often at most. */
const PAUSE_MS = 250;

export class Runs {
	runs = $state.raw<Run[]>([]);
	errors = $state.raw<{id: string; text: string}[]>([]);
	loading = $state(false);
	readonly #kept = new Map<string, Kept>();
	#ids: readonly string[] = [];
	#timer: ReturnType<typeof setTimeout> | undefined;

	/** Shows these, in this order. */
	show(ids: readonly string[]): void {
		this.#ids = ids;
		for (const [id, kept] of this.#kept) {
			if (!ids.includes(id)) {
				kept.stop();
				this.#kept.delete(id);
			}
		}
		for (const id of ids) {
			if (!this.#kept.has(id)) {
				const kept: Kept = {job: null, result: null, gathered: new Gathered(), error: '', loads: 0, stop: () => undefined};
				this.#kept.set(id, kept);
				void this.#begin(id, kept);
			}
		}
		this.#draw();
	}

	stop(): void {
		clearTimeout(this.#timer);
		for (const kept of this.#kept.values()) {
			kept.stop();
		}
		this.#kept.clear();
	}

	async #load(id: string, kept: Kept): Promise<void> {
		const turn = ++kept.loads;
		let now: Pick<Kept, 'job' | 'result' | 'error'>;
		try {
			const job = await api.job(id);
			const trains = job.type === 'train' || job.type === 'qat';
			now = {job, result: trains && job.state === 'succeeded' ? await api.results(id) as TrainingResult : null, error: trains ? '' : `is a ${job.type} job and has no curves`};
		} catch (e) {
			now = {job: kept.job, result: kept.result, error: e instanceof Error ? e.message : String(e)};
		}
		if (turn === kept.loads) {
			Object.assign(kept, now);
			this.#draw();
		}
	}

	async #begin(id: string, kept: Kept): Promise<void> {
		await this.#load(id, kept);
		if (this.#kept.get(id) === kept && kept.error === '' && kept.result === null) {
			kept.stop = watch(id, (events) => {
				if (kept.gathered.take(events)) {
					this.#soon();
				}
				if (events.some((e) => e.event === 'state')) {
					void this.#load(id, kept);
				}
			}, () => undefined);
		}
	}

	#soon(): void {
		this.#timer ??= setTimeout(() => this.#draw(), PAUSE_MS);
	}

	#draw(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		const all = this.#ids.flatMap((id) => { const kept = this.#kept.get(id); return kept ? [{id, kept}] : []; });
		this.runs = all.flatMap(({kept}) => (kept.job && kept.error === '' ? [runOf(kept.job, kept.result, kept.gathered)] : []));
		this.errors = all.flatMap(({id, kept}) => (kept.error === '' ? [] : [{id, text: kept.error}]));
		this.loading = all.some(({kept}) => kept.job === null && kept.error === '');
	}
}
