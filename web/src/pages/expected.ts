// SPDX-License-Identifier: Apache-2.0
// How long a job will take, from jobs of its kind that ran here: their time over their work, times its own. Where none ran,
// from the processor time that the project's own examples took, which the text calls a guess.
import type {Dataset, Job, Model} from '../api/client';
import {duration, isNumber} from '../base/units';
import type {Json} from './schema';

export interface Lab {
	models: readonly Model[];
	datasets: readonly Dataset[];
	past: readonly Job[]; /* that succeeded, of every kind */
}

/** Samples of a data set: the length of its labels, or of its longest array; null of a text. */
export function samplesOf(data: Dataset | undefined): number | null {
	const found = data?.inspection.result;
	if (!found || !('arrays' in found)) {
		return null;
	}
	const rows = (name: string): number | null => { const n = found.arrays.find((a) => a.name === name)?.shape?.[0]; return typeof n === 'number' ? n : null; };
	const longest = found.arrays.map((a) => a.shape?.[0]).filter((n): n is number => typeof n === 'number').reduce((a, b) => Math.max(a, b), 0);
	return rows('y') ?? (longest > 0 ? longest : null);
}

function macsOf(model: Model | undefined): number | null {
	const found = model?.inspection.result;
	return found && 'macs' in found && isNumber(found.macs) ? found.macs : null;
}

const count = (x: unknown, otherwise: number): number => (typeof x === 'number' && x > 0 ? x : otherwise);

const list = (x: unknown, otherwise: number): number => (Array.isArray(x) ? x.length : otherwise);

/* A backward pass is two forward ones. */
const TRAINING_PASSES = 3;

/** Multiply-accumulates that a job makes, about; null where its network or its data do not tell. Of kinds without a network: 1; of outliers the epochs of all its trainings. */
export function workOf(spec: Json, lab: Lab, unknown: {macs: number; rows: number} | null = null): number | null {
	const type = spec.type;
	if (type === 'sqnr' || type === 'hwcost' || type === 'toy') {
		return 1;
	}
	if (type === 'outliers') {
		return list(spec.methods, 3) * list(spec.seeds, 1) * count(spec.epochs, 20);
	}
	const macs = macsOf(lab.models.find((m) => m.id === spec.model)) ?? unknown?.macs ?? null;
	const rows = (field: string): number | null => samplesOf(lab.datasets.find((d) => d.id === spec[field])) ?? unknown?.rows ?? null;
	const samples = count(spec.samples, rows('data') ?? NaN);
	if (macs === null) {
		return null;
	}
	if (type === 'ptq') {
		const work = macs * samples * (1 + list(spec.schemes, 1));
		return isNumber(work) ? work : null;
	}
	if (type === 'qat' || type === 'train') {
		const work = macs * count(spec.epochs, 10) * ((rows('train') ?? NaN) * TRAINING_PASSES + samples);
		return isNumber(work) ? work : null;
	}
	return null;
}

export function seconds(job: Job): number | null {
	const s = job.started && job.finished ? (Date.parse(job.finished) - Date.parse(job.started)) / 1000 : NaN;
	return isNumber(s) && s >= 0 ? s : null;
}

export function median(numbers: readonly number[]): number | null {
	const all = [...numbers].sort((a, b) => a - b);
	const half = Math.floor(all.length / 2);
	return all.length === 0 ? null : all.length % 2 === 1 ? all[half] ?? null : ((all[half - 1] ?? 0) + (all[half] ?? 0)) / 2;
}

/* Seconds a unit of work on one core of a Xeon with AVX-512: demo/sweep.json without latency (1.8 s), demo/repair.json (2 s an epoch), the talk's
 * units (1.2 s), an epoch of a causal OPT of 3 layers, 64 wide, on 1.1 MB of text (33 s). */
const GUESSES: Record<string, number> = {ptq: 1 / 5e9, qat: 1 / 2.5e9, train: 1 / 2.5e9, sqnr: 1, hwcost: 1.2, toy: 1, outliers: 33};
const MOST = 20; /* of the latest jobs */

/* Of a network and data that are not uploaded yet. */
const UNKNOWN = {macs: 1e9, rows: 1000};

export interface Expected {
	seconds: number | null;
	unknown: '' | 'network' | 'both'; /* seconds are for each billion multiply-accumulates of the network, and for 1000 samples, where its data are not known either */
	jobs: number; /* that it was learned from; 0: a guess */
}

export function expected(spec: Json, lab: Lab): Expected {
	const work = workOf(spec, lab);
	const each = lab.past.filter((j) => j.type === spec.type && j.state === 'succeeded' && !j.cached).slice(0, MOST).flatMap((j) => {
		const s = seconds(j);
		const done = workOf({...(j.spec as Json), type: j.type, ...(j.model ? {model: j.model.id} : {}), ...(j.data ? {data: j.data.id} : {})}, lab);
		return s === null || done === null || done <= 0 ? [] : [s / done];
	});
	const rate = median(each) ?? GUESSES[String(spec.type)] ?? null;
	const amount = work ?? workOf(spec, lab, UNKNOWN);
	return {seconds: rate === null || amount === null ? null : rate * amount, unknown: work !== null ? '' : samplesOf(lab.datasets.find((d) => d.id === spec.data)) === null ? 'both' : 'network', jobs: each.length};
}

/** "about 3 min, by the 4 latest such jobs here". */
export function expectedText(e: Expected): string {
	if (e.seconds === null) {
		return 'its time is not known';
	}
	const about = e.seconds < 1 ? 'about 1 s' : e.seconds < 60 ? `about ${Math.ceil(e.seconds)} s` : e.seconds < 3600 ? `about ${Math.round(e.seconds / 60)} min` : `about ${duration(e.seconds)}`;
	if (e.unknown !== '') {
		return `${about} for each 10⁹ multiply-accumulates of its network${e.unknown === 'both' ? ' and 1000 samples' : ''}${e.jobs === 0 ? ', a guess' : ''}`;
	}
	return e.jobs === 0 ? `${about}, a guess: no such job ran here yet` : `${about}, by ${e.jobs === 1 ? 'the one such job' : `the ${e.jobs} latest such jobs`} here`;
}
