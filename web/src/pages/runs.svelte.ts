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
	stop: () => void;
}

const FINAL = ['succeeded', 'failed', 'cancelled'];

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
				const kept: Kept = {job: null, result: null, gathered: new Gathered(), error: '', stop: () => undefined};
				this.#kept.set(id, kept);
				void this.#load(id, kept);
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
		try {
			kept.job = await api.job(id);
			if (kept.job.type !== 'train' && kept.job.type !== 'qat') {
				kept.error = `is a ${kept.job.type} job and has no curves`;
			} else if (kept.job.state === 'succeeded') {
				kept.result = await api.results(id) as TrainingResult;
			} else {
				this.#follow(id, kept);
			}
		} catch (e) {
			kept.error = e instanceof Error ? e.message : String(e);
		}
		this.#draw();
	}

	#follow(id: string, kept: Kept): void {
		if (this.#kept.get(id) !== kept) {
			return;
		}
		kept.stop = watch(id, (events) => {
			if (kept.gathered.take(events)) {
				this.#soon();
			}
			if (kept.job && !FINAL.includes(kept.job.state) && events.some((e) => e.event === 'state' && e.state !== kept.job?.state)) {
				kept.stop();
				kept.gathered = new Gathered();
				void this.#load(id, kept);
			}
		}, () => undefined);
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
