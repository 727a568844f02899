// SPDX-License-Identifier: Apache-2.0
// What the pages derive from a sweep's result.
import type {LatencyBar} from '../charts/latency';
import type {HeatCell} from '../charts/heatmap';
import type {Latency, LatencyProfile, PtqResult, TensorRow} from '../api/client';
import {halfDecibel, isNumber, value, type Maybe} from '../base/units';

/** Places of the best numbers (all of them, if several are equal to so many digits). */
export function bestOf(numbers: readonly Maybe[], digits: number, lowerIsBetter: boolean): Set<number> {
	const rounded = numbers.map((x) => (isNumber(x) ? Number(x.toFixed(digits)) : null));
	const known = rounded.filter(isNumber);
	if (known.length === 0) {
		return new Set();
	}
	const best = lowerIsBetter ? Math.min(...known) : Math.max(...known);
	return new Set(rounded.flatMap((x, i) => (x === best ? [i] : [])));
}

/** Which samples calibrated, for behind a comma; nothing of results that do not tell. */
export function calibration(r: {calibration_samples?: number; calibration_spread?: boolean}): string {
	const n = r.calibration_samples;
	return n === undefined || r.calibration_spread === undefined ? '' : r.calibration_spread ? `, ${n} spread over the data calibrate` : `, the data's first ${n} calibrate`;
}

export type Own = 'own' | 'network';

export function heatCells(result: PtqResult, kind: 'weight' | 'activation', which: Own): HeatCell[] {
	return result.schemes.flatMap((s) => (s.tensors ?? []).filter((t) => t.kind === kind).map((t): HeatCell => ({
		row: t.name, column: s.scheme, db: (which === 'own' ? t.sqnr_db : t.network_sqnr_db) ?? null, exact: which === 'own' && t.exact, best: false,
		detail: `${[which === 'own' ? halfDecibel(t.sqnr_db, t.sqnr_high_db) : halfDecibel(t.network_sqnr_db, t.network_sqnr_high_db), t.format].filter(Boolean).join(', ')}, range ${value(t.min)} to ${value(t.max)}${isNumber(t.observed_min) ? `, data ${value(t.observed_min)} to ${value(t.observed_max)}` : ''}`,
	})));
}

export function latencyBars(result: PtqResult): LatencyBar[] {
	const bar = (scheme: string, l: Latency | null | undefined): LatencyBar[] => (l ? [{scheme, execution: l.execution, p50_ns: l.p50_ns,
		p90_ns: l.p90_ns, p99_ns: l.p99_ns, count: l.count, short: l.short ?? false}] : []);
	return [...bar('float', result.float.latency), ...result.schemes.flatMap((s) => bar(s.scheme, s.latency))];
}

export interface Profiled {
	scheme: string;
	profile: LatencyProfile;
	parts: Record<string, number>; /* time of each kind of operator, the longest first */
}

/* Kinds of operator that a chart tells apart; the rest is summed. */
const PARTS = 9;

function partsOf(profile: LatencyProfile, isFloat: boolean): Record<string, number> {
	const sums = new Map<string, number>();
	for (const t of profile.types) {
		const conversion = ['quantize', 'dequantize', 'reorder'].includes(t.kind);
		const name = conversion ? t.kind : !isFloat && t.kind === 'float' ? `${t.type} in float` : t.type;
		sums.set(name, (sums.get(name) ?? 0) + t.ns);
	}
	const falling = [...sums].sort((a, b) => b[1] - a[1]);
	const rest = falling.slice(PARTS).reduce((sum, [, ns]) => sum + ns, 0);
	return {...Object.fromEntries(falling.slice(0, PARTS)), ...(rest > 0 ? {others: rest} : {})};
}

/** Time by operator of float and of every scheme that was timed step by step. */
export function profiles(result: PtqResult): Profiled[] {
	const of = (scheme: string, l: Latency | null | undefined): Profiled[] =>
		(l?.profile ? [{scheme, profile: l.profile, parts: partsOf(l.profile, scheme === 'float')}] : []);
	return [...of('float', result.float.latency), ...result.schemes.flatMap((s) => of(s.scheme, s.latency))];
}

export interface Stayed {
	scheme: string;
	node: string;
	type: string;
	why: string;
	ns: number | null;
	share: number | null;
}

/** Operators that stayed in float, the slowest first; with their time, where steps were timed. */
export function stayedFloat(result: PtqResult): Stayed[] {
	return result.schemes.flatMap((s) => {
		const profile = s.latency?.profile;
		return profile ? profile.stayed_float.map((f): Stayed => ({...f, scheme: s.scheme, share: f.ns / profile.total_ns}))
			: (s.integer?.float_steps ?? []).map((f): Stayed => ({...f, scheme: s.scheme, ns: null, share: null}));
	}).sort((a, b) => (b.ns ?? 0) - (a.ns ?? 0));
}

export type Scheme = PtqResult['schemes'][number];

export function methodsOf(scheme: Scheme): string {
	return (scheme.methods ?? []).map((m) => m.name).join(', ');
}

export interface FlatTensor extends TensorRow {
	scheme: string;
}

export type SortKey = 'scheme' | 'name' | 'kind' | 'format' | 'sqnr_db' | 'network_sqnr_db' | 'min' | 'max';

/** Sorted by one column; what is missing comes last either way. */
export function sorted(rows: readonly FlatTensor[], key: SortKey, descending: boolean): FlatTensor[] {
	const sign = descending ? -1 : 1;
	return [...rows].sort((a, b) => {
		const x = a[key] ?? null;
		const y = b[key] ?? null;
		if (x === null || y === null) {
			return Number(x === null) - Number(y === null);
		}
		return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)));
	});
}

/** Forms filled in for one scheme of a job: where it loses, training for it, its exported network. */
export function schemeForms(job: string, at: number, scheme: string): {diagnose: string; qat: string; export: string} {
	const form = (type: string): string => `#/submit?from=${job}&type=${type}&scheme=${encodeURIComponent(scheme)}&at=${at}`;
	return {diagnose: form('diagnose'), qat: form('qat'), export: `${form('ptq')}&export=qdq`};
}

/** The exported network of a scheme, if the job was asked for it. */
export function exported(result: PtqResult, scheme: string): string | null {
	return (result.exports ?? []).find((e) => e.kind === 'qdq' && e.scheme === scheme)?.name ?? null;
}
