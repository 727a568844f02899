// SPDX-License-Identifier: Apache-2.0
// Runs of train and qat jobs as the pages draw them: from results, and from the events of those that have none yet or none any more.
import type {Event, Job, QatResult, TrainResult} from '../api/client';
import {isMetric, isNumber, type Maybe} from '../base/units';
import {median} from './expected';
import {isObject, type Json} from './schema';

export type TrainingResult = TrainResult | QatResult;

/* One row of numbers by name; `step` is among them. */
export type Row = Readonly<Record<string, Maybe>>;

export interface Run {
	id: string;
	name: string; /* short, for legends */
	job: Job;
	steps: readonly Row[]; /* rising; each the mean since the row before */
	epochs: readonly Row[]; /* epoch where it is known, step, loss, rate, metric */
	metricName: string;
	stepsPerEpoch: number | null; /* null: not known yet */
	result: TrainingResult | null;
}

/** A scheme as a job names it. */
export function schemeName(scheme: unknown): string {
	if (typeof scheme === 'string') {
		return scheme;
	}
	if (!isObject(scheme)) {
		return '';
	}
	const half = (part: unknown): string => (typeof part === 'string' ? part : isObject(part) && typeof part.format === 'string' ? part.format : part === null ? 'float' : '');
	return typeof scheme.name === 'string' ? scheme.name : typeof scheme.scheme === 'string' ? scheme.scheme
		: [half(scheme.weights), half(scheme.activations)].filter((x) => x !== '').join('/');
}

/** One method or several together, with the parameters that the job sets: lsq+dampen (lambda 1). */
export function methodName(method: unknown): string {
	const one = (m: unknown): string => {
		if (typeof m === 'string') {
			return m;
		}
		if (!isObject(m)) {
			return '';
		}
		const set = Object.entries(m).filter(([name]) => name !== 'name').map(([name, v]) => `${name.replace(/_/g, ' ')} ${typeof v === 'boolean' ? (v ? 'yes' : 'no') : String(v)}`);
		return `${String(m.name ?? '')}${set.length > 0 ? ` (${set.join(', ')})` : ''}`;
	};
	const all = (Array.isArray(method) ? method as unknown[] : method === undefined ? ['lsq'] : [method]).map(one).filter((m) => m !== '');
	return [...(all.some((m) => ['dampen', 'freeze', 'br'].includes(m.split(' ')[0] ?? '')) && !all.some((m) => ESTIMATORS.includes(m.split(' ')[0] ?? '')) ? ['lsq'] : []), ...all].join('+');
}
const ESTIMATORS = ['lsq', 'lsq_plus', 'pact', 'dsq', 'ewgs'];

/** What trains: the model's file, or a network by name; of other jobs nothing. */
export function networkName(job: Job): string {
	const network = (job.spec as Json).network;
	return job.model?.name.replace(/\.onnx$/, '') ?? (typeof network === 'string' ? network : isObject(network) && typeof network.name === 'string' ? network.name : '');
}

export function runName(job: Job): string {
	const spec = job.spec as Json;
	return [job.id, networkName(job), ...(job.type === 'qat' ? [schemeName(spec.scheme), methodName(spec.method)] : ['float'])].filter((x) => x !== '').join(' ');
}

/** Step metrics of events, gathered: one row a step, of a repeated one the last. */
export class Gathered {
	readonly #steps = new Map<number, Record<string, Maybe>>();
	readonly #evaluations = new Map<number, Record<string, Maybe>>();
	#name = '';
	#told: {time: number; step: number}[] = [];

	/** Returns whether there was anything to take. */
	take(events: readonly Event[]): boolean {
		let any = false;
		for (const e of events) {
			if (e.event !== 'metric' || e.scope !== 'step' || e.step === undefined || e.name === undefined) {
				continue;
			}
			any = true;
			const evaluation = isMetric(e.name);
			const rows = evaluation ? this.#evaluations : this.#steps;
			const row = rows.get(e.step) ?? {step: e.step};
			row[evaluation ? 'metric' : e.name] = e.value ?? null;
			rows.set(e.step, row);
			if (evaluation) {
				this.#name = e.name;
			} else if (e.name === 'loss') {
				this.#told.push({time: Date.parse(e.time), step: e.step});
			}
		}
		return any;
	}
	get steps(): Row[] {
		return rising(this.#steps);
	}
	get evaluations(): Row[] {
		return rising(this.#evaluations);
	}
	get metricName(): string {
		return this.#name;
	}
	get secondsPerStep(): number | null {
		return secondsPerStep(this.#told);
	}
}

function rising(rows: ReadonlyMap<number, Record<string, Maybe>>): Row[] {
	return [...rows.values()].sort((a, b) => (a.step ?? 0) - (b.step ?? 0));
}

/** The median over pairs of neighbouring points, so that evaluations between them and pauses do not count; of what was replayed at once there is no time. */
export function secondsPerStep(told: readonly {time: number; step: number}[]): number | null {
	const each = told.flatMap((t, i) => {
		const before = told[i - 1];
		const seconds = before ? (t.time - before.time) / 1000 : 0;
		return before && t.step > before.step && seconds > 0 ? [seconds / (t.step - before.step)] : [];
	});
	return each.length < 5 ? null : median(each);
}

export function runOf(job: Job, result: TrainingResult | null, gathered: Gathered): Run {
	const spec = job.spec as Json;
	const every = typeof spec.evaluate_every === 'number' ? spec.evaluate_every : 1;
	const common = {id: job.id, name: runName(job), job, result};
	if (result) {
		const first = result.history[0];
		return {...common, steps: result.steps as Row[], epochs: result.history as Row[], metricName: result.metric_name, stepsPerEpoch: first && first.epoch > 0 ? first.step / first.epoch : null};
	}
	const evaluations = gathered.evaluations;
	const first = evaluations[0]?.step;
	/* The first evaluation ends epoch `every`, or the last epoch where there are fewer. */
	const epochs = typeof spec.epochs === 'number' ? Math.min(every, spec.epochs) : every;
	const stepsPerEpoch = isNumber(first) ? first / epochs : null;
	return {...common, steps: gathered.steps, epochs: evaluations.map((e) => ({...e, epoch: isNumber(e.step) && stepsPerEpoch ? Math.round(e.step / stepsPerEpoch) : null})),
		metricName: gathered.metricName || (typeof spec.metric === 'string' ? spec.metric : ''), stepsPerEpoch};
}

export type Along = 'step' | 'epoch';

export interface Series {
	name: string;
	points: [number, number | null][];
}

export interface Panel {
	key: string;
	title: string;
	log: boolean;
	share: boolean; /* numbers are shares of 1 */
	markers: boolean;
	series: Series[];
	without: string[]; /* runs that do not tell it */
}

const PANELS: readonly {key: string; title: string; log: boolean; share: boolean}[] = [
	{key: 'loss', title: 'Loss', log: false, share: false}, {key: 'metric', title: '', log: false, share: false},
	{key: 'rate', title: 'Learning rate', log: false, share: false}, {key: 'gradient_norm', title: 'Norm of the gradient', log: true, share: false},
	{key: 'oscillating', title: 'Oscillating weights', log: false, share: true}, {key: 'frozen', title: 'Frozen weights', log: false, share: true},
];

function points(run: Run, key: string, along: Along, log: boolean): [number, number | null][] {
	const rows = key === 'metric' ? run.epochs : run.steps;
	const scale = along === 'step' ? 1 : run.stepsPerEpoch;
	return scale === null ? [] : rows.filter((r) => isNumber(r.step) && key in r && (key !== 'metric' || isNumber(r[key]))).map((r): [number, number | null] => {
		const y = r[key];
		return [(r.step ?? 0) / scale, isNumber(y) && (!log || y > 0) ? y : null];
	}).filter(([, y], _, all) => y !== null || all.some(([, other]) => other !== null));
}

/* Numbers of a training that diverges: only a logarithm shows what was before. */
const WIDE = 1e4;

function wide(runs: readonly Run[], key: string): boolean {
	const all = runs.flatMap((r) => r.steps.map((s) => s[key])).filter(isNumber);
	const least = all.reduce((a, b) => Math.min(a, b), Infinity);
	return least > 0 && all.reduce((a, b) => Math.max(a, b), 0) > WIDE * least;
}

/** A panel for each thing that any of the runs tells, those that every training tells first. */
export function panels(runs: readonly Run[], along: Along, metricTitle: string): Panel[] {
	const others = [...new Set(runs.flatMap((r) => r.steps.flatMap((s) => Object.keys(s))))].filter((k) => k !== 'step' && !PANELS.some((p) => p.key === k));
	return [...PANELS, ...others.map((key) => ({key, title: key.replace(/_/g, ' ').replace(/^./, (c) => c.toUpperCase()), log: false, share: false}))].map((p): Panel => {
		const log = p.log || (!p.share && p.key !== 'metric' && p.key !== 'rate' && wide(runs, p.key));
		const found = runs.map((r): Series => ({name: r.name, points: points(r, p.key, along, log)}));
		return {...p, log, title: p.key === 'metric' ? metricTitle : p.title, markers: p.key === 'metric', series: found.filter((s) => s.points.length > 0), without: found.filter((s) => s.points.length === 0).map((s) => s.name)};
	}).filter((p) => p.series.length > 0);
}

/** Runs of which the epochs are not known yet, and which have told something. */
export function withoutEpochs(runs: readonly Run[]): string[] {
	return runs.filter((r) => r.stepsPerEpoch === null && r.steps.length > 0).map((r) => r.name);
}

/** Ids in an address: j3,j5; each once, none of them `not`. */
export function idsIn(text: string | null, not = ''): string[] {
	return [...new Set((text ?? '').split(',').map((x) => x.trim()).filter((x) => /^j\d+$/.test(x) && x !== not))];
}
