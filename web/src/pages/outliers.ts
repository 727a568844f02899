// SPDX-License-Identifier: Apache-2.0
// What the page of outliers derives from an outliers result, from the events of one that runs, and what was published.
import type {Event, Job, OutlierRun, OutliersResult} from '../api/client';
import {isNumber, type Maybe} from '../base/units';
import type {Curve} from '../charts/curves';
import type {Matrix} from '../charts/matrix';
import type {Spread, Overlay} from '../charts/spread';
import {ofHistogram} from '../charts/spread';
import {Gathered, type Row, type Run} from './training';

export type Tensor = OutlierRun['tensors'][number];
export type Kind = Tensor['kind'];
export type Histogram = OutlierRun['histograms'][number];
type Grid = NonNullable<Histogram['grid']>;

export const KINDS: Readonly<Record<Kind, string>> = {ffn_out: 'FFN output', attention_out: 'attention output', residual: 'residual sum', layer_norm: 'LayerNorm output'};

export interface Measure {
	key: 'inf_norm' | 'kurtosis' | 'beyond_6sd_share' | 'sqnr_db';
	title: string;
	log: boolean;
	share: boolean;
}
export const MEASURES: readonly Measure[] = [{key: 'inf_norm', title: 'Infinity norm', log: true, share: false}, {key: 'kurtosis', title: 'Kurtosis', log: true, share: false},
	{key: 'beyond_6sd_share', title: 'Beyond 6 sd', log: false, share: true}, {key: 'sqnr_db', title: 'SQNR in dB', log: false, share: false}];

/** Kinds of tensors that any run has in a layer, in the order of KINDS. */
export function kindsOf(runs: readonly OutlierRun[]): Kind[] {
	const there = new Set(runs.flatMap((r) => r.tensors.filter((t) => t.layer !== null).map((t) => t.kind)));
	return (Object.keys(KINDS) as Kind[]).filter((k) => there.has(k));
}

/** The largest of a layer's tensors of a kind (of SQNR the least), a line a run. */
export function byLayer(runs: readonly OutlierRun[], kind: Kind, measure: Measure): Curve[] {
	return runs.map((r, look): Curve => {
		const at = new Map<number, number>();
		for (const t of r.tensors) {
			const x = t[measure.key];
			if (t.kind === kind && t.layer !== null && isNumber(x) && (!measure.log || x > 0)) {
				const before = at.get(t.layer);
				at.set(t.layer, before === undefined ? x : measure.key === 'sqnr_db' ? Math.min(before, x) : Math.max(before, x));
			}
		}
		return {name: r.id, look, points: [...at].sort(([a], [b]) => a - b)};
	});
}

/** The residual stream along the network: the mean over tokens, and the first token. */
export function residualCurves(runs: readonly OutlierRun[], of: 'norm' | 'norm_first' | 'peak'): Curve[] {
	return runs.map((r, look) => ({name: r.id, look, points: r.residual.map((x, i): [number, number | null] => [i, isNumber(x[of]) && x[of] > 0 ? x[of] : null])}));
}

/** One run of each method or model: those that maps are drawn of beside each other. */
export function firstOfEach(runs: readonly OutlierRun[]): OutlierRun[] {
	return runs.filter((r, i) => runs.findIndex((other) => other.name === r.name) === i);
}

export function residualMap(run: OutlierRun, place: number): Matrix | null {
	const m = run.maps.residual[place];
	return m ? {rows: m.positions, columns: m.channels, values: m.values as Matrix['values']} : null;
}

export function attentionMap(run: OutlierRun, layer: number, head: number): Matrix | null {
	const m = run.maps.attention.find((a) => a.layer === layer && a.head === head);
	return m ? {rows: m.positions, columns: m.positions, values: m.values as Matrix['values']} : null;
}

/** Heads with a map in any run, as layer.head. */
export function headsOf(runs: readonly OutlierRun[]): {key: string; layer: number; head: number}[] {
	const all = runs.flatMap((r) => r.maps.attention.map((a) => ({key: `${a.layer}.${a.head}`, layer: a.layer, head: a.head})));
	return all.filter((a, i) => all.findIndex((b) => b.key === a.key) === i).sort((a, b) => a.layer - b.layer || a.head - b.head);
}

/** The head whose attention goes most to one token, of the first run that has heads. */
export function sinkiest(runs: readonly OutlierRun[]): string {
	const run = runs.find((r) => r.maps.attention.length > 0);
	const known = run?.attention.filter((a) => run.maps.attention.some((m) => m.layer === a.layer && m.head === a.head)) ?? [];
	const top = known.reduce<typeof known[number] | null>((a, b) => (a === null || (b.most ?? 0) > (a.most ?? 0) ? b : a), null);
	return top ? `${top.layer}.${top.head}` : headsOf(runs)[0]?.key ?? '';
}

/** Where the levels of a grid of equal steps lie; of another one, or of more than 256, only its ends. */
export function levelsOf(grid: Grid): number[] {
	return !isNumber(grid.step) || grid.levels > 256 || grid.levels < 2 ? [grid.low, grid.high]
		: Array.from({length: grid.levels}, (_, i) => grid.low + ((grid.high - grid.low) * i) / (grid.levels - 1));
}

/** How many levels lie where all but a share `out` of the elements on either side are; null where steps differ. */
export function levelsInBulk(h: Histogram, out: number): number | null {
	const total = h.counts.reduce((a, b) => a + b, 0);
	if (!h.grid || !isNumber(h.grid.step) || h.grid.step <= 0 || total === 0) {
		return null;
	}
	const width = (h.high - h.low) / h.counts.length;
	const skipped = (counts: readonly number[]): number => {
		let sum = 0;
		return counts.findIndex((c) => { sum += c; return sum > out * total; });
	};
	const low = Math.max(h.grid.low, h.low + skipped(h.counts) * width);
	const high = Math.min(h.grid.high, h.high - skipped([...h.counts].reverse()) * width);
	return high < low ? 0 : Math.floor((high - low) / h.grid.step) + 1;
}

export function histogramSpread(h: Histogram): Spread {
	return ofHistogram({low: h.low, width: (h.high - h.low) / Math.max(1, h.counts.length), counts: h.counts});
}

export function histogramGrid(h: Histogram): Overlay | null {
	return h.grid ? {name: h.grid.format, values: levelsOf(h.grid)} : null;
}

/* A run of an outliers job as the curves of trainings are drawn. */
function asRun(job: Job, id: string, steps: readonly Row[], epochs: readonly Row[], metricName: string, stepsPerEpoch: number | null): Run {
	return {id, name: id, job, steps, epochs, metricName, stepsPerEpoch, result: null};
}

function merged(steps: readonly Row[], more: readonly Row[]): Row[] {
	const all = new Map<number, Row>();
	for (const r of [...steps, ...more]) {
		all.set(r.step ?? 0, {...all.get(r.step ?? 0), ...r});
	}
	return [...all.values()].sort((a, b) => (a.step ?? 0) - (b.step ?? 0));
}

/** The curves of the trainings of a result: what every training tells, and how the outliers grew. */
export function trainingsOf(job: Job, result: OutliersResult): Run[] {
	return result.runs.flatMap((r): Run[] => {
		if (!r.training) {
			return [];
		}
		const first = r.training.history[0];
		const growth = (r.growth ?? []).map(({epoch, ...rest}): Row => rest);
		return [asRun(job, r.id, merged(r.training.steps as Row[], growth), r.training.history as Row[], result.metric_name, first && first.epoch > 0 ? first.step / first.epoch : null)];
	});
}

/** Step metrics of events, gathered by run. */
export class GatheredRuns {
	readonly #runs = new Map<string, Gathered>();

	/** Returns whether there was anything to take. */
	take(events: readonly Event[]): boolean {
		const by = new Map<string, Event[]>();
		for (const e of events) {
			if (e.event === 'metric' && e.scope === 'step' && e.scheme !== undefined && e.scheme !== null) {
				by.set(e.scheme, [...(by.get(e.scheme) ?? []), e]);
			}
		}
		let any = false;
		for (const [id, of] of by) {
			const run = this.#runs.get(id) ?? new Gathered();
			this.#runs.set(id, run);
			any = run.take(of) || any;
		}
		return any;
	}
	runs(job: Job): Run[] {
		return [...this.#runs].map(([id, g]) => asRun(job, id, g.steps, g.evaluations, g.metricName, null));
	}
}

export interface PublishedRow {
	method: string;
	values: readonly number[]; /* float, max inf norm, average kurtosis, W8A8 */
}
export interface PublishedTable {
	network: string;
	note: string;
	rows: readonly PublishedRow[];
}

/* Bondarenko et al., 2023, arXiv:2306.12929, tables 1 and 2, in the order and rounding of the talk. */
export const PUBLISHED: readonly PublishedTable[] = [
	{network: 'bert', note: 'BERT-base, 12 layers, perplexity of masked tokens, English Wikipedia and BookCorpus',
		rows: [{method: 'vanilla', values: [4.49, 735, 3076, 1294]}, {method: 'clipped_softmax', values: [4.39, 21.5, 80, 4.52]}, {method: 'gated', values: [4.45, 39.2, 201, 4.65]}]},
	{network: 'opt', note: 'OPT-125m, 12 layers, perplexity, English Wikipedia and BookCorpus',
		rows: [{method: 'vanilla', values: [15.84, 340, 1778, 21.18]}, {method: 'clipped_softmax', values: [16.29, 63.2, 19728, 37.2]}, {method: 'gated', values: [15.55, 8.7, 18.9, 16.02]}]},
	{network: 'vit', note: 'ViT-S/16, top-1 on ImageNet in %',
		rows: [{method: 'vanilla', values: [80.75, 359, 1018, 69.24]}, {method: 'clipped_softmax', values: [80.89, 73.7, 22.9, 79.77]}, {method: 'gated', values: [81.01, 79.8, 19.9, 79.82]}]},
];

/** The published table of a network's kind: by its name, else all. */
export function publishedFor(model: string): readonly PublishedTable[] {
	const one = PUBLISHED.filter((p) => model.toLowerCase().includes(p.network));
	return one.length > 0 ? one : PUBLISHED;
}

/** A spread as text: the mean, and the standard deviation of several seeds. */
export function spreadText(s: {mean: Maybe; sd: Maybe} | null | undefined, text: (x: Maybe) => string): string {
	return `${text(s?.mean)}${isNumber(s?.sd) ? ` ± ${text(s?.sd)}` : ''}`;
}

/** Which tensors cost most: those of the lowest SQNR under the first scheme, the worst first. */
export function costliest(run: OutlierRun, most: number): Tensor[] {
	return run.tensors.filter((t) => isNumber(t.sqnr_db)).sort((a, b) => (a.sqnr_db ?? 0) - (b.sqnr_db ?? 0)).slice(0, most);
}
