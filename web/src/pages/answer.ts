// SPDX-License-Identifier: Apache-2.0
// Which scheme of a sweep to use: the cheapest within a limit, what it costs, and why the next cheaper one fails. A sentence
// says no more than the result's numbers do: where intervals reach over a limit or overlap it says so, and the time of an
// emulated scheme is no time.
import type {PtqResult} from '../api/client';
import {bytes, count, fixed, isNumber, latency, measuredDecibel, metric, signed, value, type Maybe, type Metric} from '../base/units';
import type {Scheme} from './ptq';

export type Cost = 'size' | 'gates' | 'latency';
export type Limit = 'points' | Cost; /* points: of the metric */
export interface Question {
	limit: Limit;
	at: number; /* what the metric may lose, bytes, gates, or ns */
	cost: Cost; /* by which schemes are compared; that of the limit, if it is one of cost */
}

export interface Answer {
	scheme: string | null; /* that answers */
	fails: string | null; /* the one to look into: the next cheaper, or where nothing qualifies the nearest */
	headline: string;
	text: string[]; /* sentences: what it costs, and what was left out */
	why: string[]; /* why what is cheaper or nearest fails */
}

interface CostWords {
	least: string;
	less: string;
	takes: string;
	text: (x: Maybe) => string;
}
export const COSTS: Record<Cost, CostWords> = {
	size: {least: 'the smallest', less: 'smaller', takes: 'takes', text: bytes},
	gates: {least: 'the cheapest in gates', less: 'cheaper in gates', takes: 'needs', text: (x) => `${count(x)} gates a sample`},
	latency: {least: 'the fastest', less: 'faster', takes: 'takes', text: (x) => `${latency(x)} a query`},
};

/** What a scheme costs; null where nothing was measured, which holds for emulated times. */
export function costOf(s: Pick<Scheme, 'size_bytes' | 'gates' | 'latency'>, cost: Cost): number | null {
	const x = cost === 'size' ? s.size_bytes : cost === 'gates' ? s.gates?.network : s.latency?.execution === 'native' ? s.latency.p50_ns : null;
	return isNumber(x) ? x : null;
}

/** The costs that this sweep can tell of any scheme. */
export function costsKnown(result: PtqResult): Cost[] {
	return (['size', 'gates', 'latency'] as const).filter((cost) => result.schemes.some((s) => costOf(s, cost) !== null));
}

/** What a limit starts at: one point, a hundredth of another metric, half of float's cost. */
export function startAt(result: PtqResult, limit: Limit): number {
	const m = metric(result.metric_name);
	if (limit === 'points') {
		return m.unit === '%' ? 1 : Number(Math.abs((result.float.metric ?? 0) / 100).toPrecision(1)) || 0.01;
	}
	const whole = costOf(result.float, limit) ?? Math.max(...result.schemes.map((s) => costOf(s, limit) ?? 0));
	return Number((whole / 2).toPrecision(2));
}

/** From the address, "points:1" and "size"; what is missing or makes no sense is as it starts. */
export function question(result: PtqResult, limit: string | null, cost: string | null): Question {
	const known = costsKnown(result);
	const [name, at] = (limit ?? '').split(':');
	const kind: Limit = known.find((c) => c === name) ?? 'points';
	const number = name === kind && at !== undefined && at !== '' ? Number(at) : NaN;
	return {limit: kind, at: number >= 0 && Number.isFinite(number) ? number : startAt(result, kind), cost: kind === 'points' ? known.find((c) => c === cost) ?? known[0] ?? 'size' : kind};
}

/* ---- numbers ---- */

interface Rated {
	s: Scheme;
	cost: number;
	loss: number;
	low: number | null; /* 95 % interval of the loss */
	high: number | null;
}

function rated(s: Scheme, cost: Cost, m: Metric): Rated | null {
	const c = costOf(s, cost);
	if (c === null || !isNumber(s.delta) || (s.nan_outputs ?? 0) > 0) {
		return null;
	}
	const sign = m.lowerIsBetter ? 1 : -1;
	const ends = isNumber(s.delta_low) && isNumber(s.delta_high) ? [sign * s.delta_low, sign * s.delta_high] : null;
	return {s, cost: c, loss: sign * s.delta, low: ends ? Math.min(...ends) : null, high: ends ? Math.max(...ends) : null};
}

const within = (x: number, at: number): boolean => x <= at + 1e-9 * Math.max(1, Math.abs(at));

/* The cheapest first; of equally cheap ones the one that costs less otherwise, then the one that loses less. */
function byCost(a: Rated, b: Rated): number {
	const others = (['gates', 'latency', 'size'] as const).map((c) => {
		const [x, y] = [costOf(a.s, c), costOf(b.s, c)];
		return x === null || y === null ? 0 : x - y;
	});
	return a.cost - b.cost || others.find((d) => d !== 0) || a.loss - b.loss;
}

/* Those that lose least, and those that the samples cannot tell from them: by pairs where the sweep's own best is among them, else where intervals meet. */
function leastLoss(all: readonly Rated[]): {good: Rated[]; paired: boolean} {
	const best = all.filter((r) => r.s.best === true);
	const top = [...all].sort((a, b) => a.loss - b.loss)[0];
	return best.length > 0 ? {good: best, paired: true} : {good: all.filter((r) => r === top || (top !== undefined && overlap(r, top))), paired: false};
}

function overlap(a: Rated, b: Rated): boolean {
	return a.low !== null && a.high !== null && b.low !== null && b.high !== null && a.low <= b.high && b.low <= a.high;
}

/* ---- words ---- */

function points(m: Metric, x: number): string {
	return m.unit === '%' ? `${value(x)} point${x === 1 ? '' : 's'} of ${m.label}` : `${value(x)} of ${m.label}`;
}

/* "loses at most 1 point of top-1" */
function limitText(m: Metric, q: Question): string {
	return q.limit !== 'points' ? `${COSTS[q.limit].takes} at most ${COSTS[q.limit].text(q.at)}`
		: m.lowerIsBetter ? `adds at most ${points(m, q.at)}` : `loses at most ${points(m, q.at)}`;
}

function changeText(s: Scheme, m: Metric): string {
	const interval = isNumber(s.delta_low) && isNumber(s.delta_high) ? ` (95 % interval ${signed(s.delta_low, m.digits)} to ${signed(s.delta_high, m.digits)})` : '';
	if (s.delta === 0 && !interval && s.delta_low === null) {
		return `does not change ${m.label} on these samples, which give no interval then`;
	}
	return `changes ${m.label} by ${signed(s.delta, m.digits)}${m.unit === '%' ? ' points' : ''}${interval}`;
}

function names(list: readonly string[]): string {
	return list.length < 2 ? list.join('') : `${list.slice(0, -1).join(', ')} and ${list.at(-1) ?? ''}`;
}

/** The tensors of a scheme with the lowest SQNR of their own, the lowest first, each beside what another scheme makes of it; ± is the 95 % interval. */
export function lowest(s: Scheme, beside: Scheme | null, most = 3): string[] {
	return (s.tensors ?? []).filter((t) => isNumber(t.sqnr_db)).sort((a, b) => (a.sqnr_db ?? 0) - (b.sqnr_db ?? 0)).slice(0, most).map((t) => {
		const same = beside?.tensors?.find((o) => o.name === t.name && o.kind === t.kind);
		const other = !same ? '' : same.exact ? `, exact in ${beside?.scheme ?? ''}` : isNumber(same.sqnr_db) ? `, ${measuredDecibel(same.sqnr_db, same.sqnr_high_db)} in ${beside?.scheme ?? ''}` : '';
		return `${t.name} (${t.kind}) ${measuredDecibel(t.sqnr_db, t.sqnr_high_db)}${other}`;
	});
}

function where(s: Scheme, beside: Scheme | null): string[] {
	const list = lowest(s, beside);
	return list.length === 0 ? [] : [`Its lowest SQNR: ${list.join('; ')}.`];
}

function costSentence(r: Rated, result: PtqResult, q: Question, m: Metric): string {
	const whole = costOf(result.float, q.cost);
	const share = whole === null || whole <= 0 ? '' : `, ${fixed((r.cost / whole) * 100, 0)} % of float's ${COSTS[q.cost].text(whole)}`;
	const zero = r.low !== null && r.high !== null && r.low <= 0 && r.high >= 0 ? `, which ${result.samples ? `the ${result.samples}` : 'the'} samples cannot tell from no change` : '';
	const short = q.cost === 'latency' && r.s.latency?.short === true ? ' (median of a short run)' : '';
	return `It ${COSTS[q.cost].takes} ${COSTS[q.cost].text(r.cost)}${share}${short}, and ${changeText(r.s, m)}${zero}.`;
}

/* Why what is cheaper than the answer does not answer. */
function nextCheaper(all: readonly Rated[], found: Rated, q: Question, m: Metric, paired: boolean): {fails: Scheme | null; why: string[]} {
	const next = all.filter((r) => r.cost < found.cost).sort((a, b) => b.cost - a.cost || a.loss - b.loss)[0];
	if (!next) {
		return {fails: null, why: [`No scheme ${q.cost === 'latency' ? 'that ran natively' : 'of this sweep'} is ${COSTS[q.cost].less}.`]};
	}
	const doubt = q.limit === 'points' && next.low !== null && within(next.low, q.at) ? ' The interval reaches into the limit: these samples do not rule it out.'
		: overlap(next, found) ? ` The intervals of the two overlap${paired ? '; by pairs of samples they differ' : ''}.` : '';
	return {fails: next.s, why: [`The next ${COSTS[q.cost].less} one, ${next.s.scheme} (${COSTS[q.cost].text(next.cost)}), ${q.limit === 'points' ? 'fails' : 'is worse'}: it ${changeText(next.s, m)}.${doubt}`, ...where(next.s, found.s)]};
}

/* What was not considered, and why. */
function leftOut(result: PtqResult, q: Question): string[] {
	const say = (test: (s: Scheme) => boolean, why: string): string[] => {
		const list = result.schemes.filter(test).map((s) => s.scheme);
		return list.length === 0 ? [] : [`Left out: ${names(list)}, ${why}.`];
	};
	return [...say((s) => q.cost === 'latency' && s.latency?.execution === 'emulated', 'emulated here, so that the time says nothing'),
		...say((s) => (s.nan_outputs ?? 0) > 0, 'with outputs that are NaN')];
}

/* The interval of the answer may reach over the limit: then the cheapest whose does not is named as well. */
function reaches(sorted: readonly Rated[], r: Rated, q: Question): string[] {
	if (q.limit !== 'points' || r.high === null || within(r.high, q.at)) {
		return [];
	}
	const sure = sorted.find((o) => o.high !== null && within(o.high, q.at));
	return [`Its interval reaches over the limit${sure ? `; ${COSTS[q.cost].least} whose whole interval is within is ${sure.s.scheme} (${COSTS[q.cost].text(sure.cost)})` : ', as does that of every other scheme within'}.`];
}

function headline(r: Rated, good: readonly Rated[], q: Question, m: Metric): string {
	if (q.limit === 'points') {
		return `${r.s.scheme} is ${COSTS[q.cost].least} of the schemes that ${m.lowerIsBetter ? 'add' : 'lose'} ${limitText(m, q).replace(/^\w+ /, '')}.`;
	}
	const those = `of the schemes within ${COSTS[q.cost].text(q.at)}`;
	return good.length === 1 ? `${r.s.scheme} has the best ${m.label} ${those}.` : `${r.s.scheme} is ${COSTS[q.cost].least} ${those} whose ${m.label} the samples cannot tell from the best.`;
}

function found(all: readonly Rated[], good: readonly Rated[], paired: boolean, result: PtqResult, q: Question, m: Metric): Answer {
	const sorted = [...good].sort(byCost);
	const r = sorted[0] as Rated;
	const alike = sorted.filter((o) => o !== r && o.cost === r.cost).map((o) => o.s.scheme);
	const next = nextCheaper(all, r, q, m, paired);
	const float = q.limit === 'points' ? null : costOf(result.float, q.cost);
	return {scheme: r.s.scheme, fails: next.fails?.scheme ?? null, headline: headline(r, good, q, m),
		text: [costSentence(r, result, q, m), ...reaches(sorted, r, q),
			...(alike.length > 0 ? [`${names(alike)} cost${alike.length === 1 ? 's' : ''} as much and qualif${alike.length === 1 ? 'ies' : 'y'} too.`] : []),
			...(float !== null && within(float, q.at) ? ['Float itself is within the limit.'] : []), ...leftOut(result, q)], why: next.why};
}

/* Nothing qualifies: what comes nearest, and where it loses. */
function nothing(all: readonly Rated[], result: PtqResult, q: Question, m: Metric): Answer {
	const near = [...all].sort((a, b) => (q.limit === 'points' ? a.loss - b.loss : 0) || byCost(a, b))[0] as Rated;
	const doubt = q.limit === 'points' && near.low !== null && within(near.low, q.at) ? ' Its interval reaches into the limit: these samples do not rule it out.' : '';
	return {scheme: null, fails: near.s.scheme, headline: `No scheme of this sweep ${limitText(m, q)}.`,
		text: [`The nearest, ${near.s.scheme}, ${COSTS[q.cost].takes} ${COSTS[q.cost].text(near.cost)} and ${changeText(near.s, m)}.${doubt}`, ...leftOut(result, q)], why: q.limit === 'points' ? where(near.s, null) : []};
}

export function answer(result: PtqResult, q: Question): Answer {
	const m = metric(result.metric_name);
	const all = result.schemes.flatMap((s) => rated(s, q.cost, m) ?? []);
	if (all.length === 0) {
		return {scheme: null, fails: null, headline: 'There is nothing to choose from: no scheme of this sweep has both a metric and this cost.', text: leftOut(result, q), why: []};
	}
	const fits = all.filter((r) => within(q.limit === 'points' ? r.loss : r.cost, q.at));
	const {good, paired} = q.limit === 'points' ? {good: fits, paired: false} : leastLoss(fits);
	return good.length === 0 ? nothing(all, result, q, m) : found(all, good, paired, result, q, m);
}
