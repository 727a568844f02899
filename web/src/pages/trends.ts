// SPDX-License-Identifier: Apache-2.0
// How what was measured alike moved from one version of the engine to the next: a rank test where there are runs enough, intervals elsewhere.
import type {Comparison} from '../api/client';
import {bytes, decibel, fixed, isNumber, latency, metric, signed, type Maybe} from '../base/units';
import {conditions, type View} from './board';

const LEVEL = 0.05;
/* Of more values the normal approximation is as good. */
const EXACT = 40;

/* Twice the ranks of all values, ties sharing theirs; and the sum of t^3 - t over ties of t values. */
function doubledRanks(values: readonly number[]): {ranks: number[]; ties: number} {
	const order = values.map((_, i) => i).sort((i, k) => (values[i] ?? 0) - (values[k] ?? 0));
	const ranks = values.map(() => 0);
	let ties = 0;
	for (let from = 0; from < order.length;) {
		let to = from + 1;
		while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) {
			to++;
		}
		order.slice(from, to).forEach((i) => { ranks[i] = from + to + 1; });
		ties += (to - from) ** 3 - (to - from);
		from = to;
	}
	return {ranks, ties};
}

/* Of all ways to choose n of the ranks, the share whose sum is as far from the mean as `sum`, or further. */
function exactShare(ranks: readonly number[], n: number, sum: number): number {
	const total = ranks.reduce((a, b) => a + b, 0);
	const ways = Array.from({length: n + 1}, () => new Float64Array(total + 1));
	(ways[0] ?? [])[0] = 1;
	ranks.forEach((rank, seen) => {
		for (let k = Math.min(n, seen + 1); k > 0; k--) {
			const to = ways[k];
			const from = ways[k - 1];
			for (let s = total; to && from && s >= rank; s--) {
				to[s] = (to[s] ?? 0) + (from[s - rank] ?? 0);
			}
		}
	});
	const mean = (total * n) / ranks.length;
	const last = [...(ways[n] ?? [])];
	const far = last.reduce((a, w, s) => a + (Math.abs(s - mean) >= Math.abs(sum - mean) - 1e-9 ? w : 0), 0);
	return far / last.reduce((a, b) => a + b, 0);
}

/* Upper tail of the normal distribution, both sides: erfc(z / sqrt 2), by Numerical Recipes' Chebyshev fit (relative error below 1.2e-7). */
function bothTails(z: number): number {
	const x = z / Math.SQRT2;
	const t = 1 / (1 + x / 2);
	const c = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
	return t * Math.exp(-x * x + c.reduceRight((sum, k) => sum * t + k, 0));
}

/** p of the two-sided Mann-Whitney U test: over all ways to part the values where they are few, else by the normal approximation, for ties and continuity corrected. */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
	const n = a.length + b.length;
	if (a.length === 0 || b.length === 0) {
		return 1;
	}
	const {ranks, ties} = doubledRanks([...a, ...b]);
	const sum = ranks.slice(0, a.length).reduce((x, y) => x + y, 0);
	if (n <= EXACT) {
		return exactShare(ranks, a.length, sum);
	}
	const u = sum / 2 - (a.length * (a.length + 1)) / 2;
	const deviation = Math.sqrt(((a.length * b.length) / 12) * (n + 1 - ties / (n * (n - 1))));
	return deviation === 0 ? 1 : Math.min(1, bothTails(Math.max(0, Math.abs(u - (a.length * b.length) / 2) - 0.5) / deviation));
}

/** The least p that so many values without ties can have. */
export function leastP(n: number, m: number): number {
	let ways = 1;
	for (let i = 1; i <= n; i++) {
		ways *= (m + i) / i;
	}
	return Math.min(1, 2 / ways);
}

export interface VersionRuns {
	engine: string;
	values: number[];
	middle: number; /* their median */
	job: string; /* the latest */
	low: Maybe; /* its own interval */
	high: Maybe;
}

export type Moved = 'worse' | 'better' | 'same' | 'not seen' | 'too few';

export interface Trend {
	key: string;
	name: string;
	note: string;
	scheme: string;
	versions: VersionRuns[]; /* the oldest first */
	change: number; /* of the median, from the version before the last to the last */
	p: number;
	least: number; /* that p could be */
	moved: Moved;
	by: 'ranks' | 'intervals' | '';
	noise: number | null; /* the widest range of values among the runs of one version */
	text: (x: Maybe) => string; /* a value with its unit */
	changeText: (x: number) => string;
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const half = sorted.length / 2;
	return ((sorted[Math.ceil(half) - 1] ?? NaN) + (sorted[Math.floor(half)] ?? NaN)) / 2;
}

/** 0.10.0 comes after 0.9.1. */
export function byVersion(a: string, b: string): number {
	return a.localeCompare(b, 'en', {numeric: true});
}

type Row = Comparison['rows'][number];
type Cell = Row['cells'][number];

const OF: Record<View, (c: Cell) => {value: Maybe; low: Maybe; high: Maybe}> = {
	delta: (c) => ({value: c.metric, low: isNumber(c.metric) && isNumber(c.delta) && isNumber(c.delta_low) ? c.metric - c.delta + c.delta_low : null, high: isNumber(c.metric) && isNumber(c.delta) && isNumber(c.delta_high) ? c.metric - c.delta + c.delta_high : null}),
	sqnr: (c) => ({value: c.output_sqnr_db, low: c.output_sqnr_low_db, high: c.output_sqnr_high_db}),
	latency: (c) => ({value: c.latency_execution === 'native' ? c.latency_p50_ns : null, low: null, high: null}),
	size: (c) => ({value: c.size_bytes, low: null, high: null}),
};

/* What tells the last version from the one before. */
function judge(versions: readonly VersionRuns[], lowerIsBetter: boolean): Pick<Trend, 'change' | 'p' | 'least' | 'moved' | 'by'> {
	const [before, now] = versions.slice(-2);
	if (!before || !now) {
		return {change: 0, p: 1, least: 1, moved: 'too few', by: ''};
	}
	const change = now.middle - before.middle;
	const p = mannWhitney(before.values, now.values);
	const least = leastP(before.values.length, now.values.length);
	const toward: Moved = (change > 0) === lowerIsBetter ? 'worse' : 'better';
	const all = new Set([...before.values, ...now.values]);
	const apart = isNumber(before.low) && isNumber(before.high) && isNumber(now.low) && isNumber(now.high) && (now.low > before.high || now.high < before.low);
	const told = {change, p, least};
	if (all.size === 1) {
		return {...told, moved: 'same', by: ''};
	}
	if (p < LEVEL && change !== 0) {
		return {...told, moved: toward, by: 'ranks'};
	}
	if (least >= LEVEL) {
		return apart ? {...told, moved: toward, by: 'intervals'} : {...told, moved: 'too few', by: ''};
	}
	return {...told, moved: 'not seen', by: ''};
}

function noiseOf(versions: readonly VersionRuns[]): number | null {
	const ranges = versions.filter((v) => v.values.length > 1).map((v) => Math.max(...v.values) - Math.min(...v.values));
	return ranges.length > 0 ? Math.max(...ranges) : null;
}

/** Of each network, conditions and scheme the values by version, where there are two versions at least; what became worse first. */
export function trends(table: Comparison, view: View): Trend[] {
	const all = new Map<string, {row: Row; how: string; scheme: string; runs: {engine: string; job: string; cell: Cell}[]}>();
	for (const row of [...table.rows].sort((a, b) => Number(a.job.slice(1)) - Number(b.job.slice(1)))) {
		for (const cell of row.cells) {
			const how = conditions(row, cell, view);
			const key = [row.model?.id, row.data?.id, row.metric_name, how, cell.scheme].join(' ');
			const one = all.get(key) ?? {row, how, scheme: cell.scheme, runs: []};
			if (row.engine !== undefined && isNumber(OF[view](cell).value)) {
				one.runs.push({engine: row.engine, job: row.job, cell});
			}
			all.set(key, one);
		}
	}
	const order: readonly Moved[] = ['worse', 'better', 'too few', 'not seen', 'same'];
	return [...all].flatMap(([key, {row, how, scheme, runs}]): Trend[] => {
		const m = metric(row.metric_name);
		const versions = [...new Set(runs.map((r) => r.engine))].sort(byVersion).map((engine): VersionRuns => {
			const of = runs.filter((r) => r.engine === engine);
			const last = of.at(-1);
			const values = of.flatMap((r) => OF[view](r.cell).value ?? []);
			return {engine, values, middle: median(values), job: last?.job ?? '', low: last ? OF[view](last.cell).low : null, high: last ? OF[view](last.cell).high : null};
		});
		if (versions.length < 2) {
			return [];
		}
		const middle = versions.at(-2)?.middle ?? NaN;
		const relative = view === 'latency' || view === 'size';
		return [{key, name: row.model?.name ?? row.job, note: `${row.data?.name ?? ''}, ${m.label}, ${how}`, scheme, versions, noise: noiseOf(versions),
			...judge(versions, relative || (view === 'delta' && m.lowerIsBetter)),
			text: (x) => ({delta: () => fixed(x, m.digits), sqnr: () => decibel(x), latency: () => latency(x), size: () => bytes(x)})[view](),
			changeText: (x) => (relative ? `${signed((100 * x) / middle, 1)} %` : view === 'sqnr' ? `${signed(x, 1)} dB` : signed(x, m.digits))}];
	}).sort((a, b) => order.indexOf(a.moved) - order.indexOf(b.moved) || a.p - b.p);
}

/** What a trend says, in words. */
export function verdict(t: Trend): string {
	const [before, now] = t.versions.slice(-2);
	const p = t.p < 0.001 ? 'p < 0.001' : `p = ${fixed(t.p, 3)}`;
	return {
		'worse': `⚠ worse: ${t.by === 'ranks' ? p : 'the intervals do not meet'}`, 'better': `better: ${t.by === 'ranks' ? p : 'the intervals do not meet'}`,
		'same': 'the same in every run', 'not seen': `no change to be seen: ${p}`,
		'too few': `too few runs to tell (${before?.values.length ?? 0} and ${now?.values.length ?? 0} cannot reach p < ${LEVEL})`,
	}[t.moved];
}
