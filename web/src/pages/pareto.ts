// SPDX-License-Identifier: Apache-2.0
// Metric against cost: the points of a sweep, or of several networks, and which of them are on the front.
import type {Comparison, PtqResult} from '../api/client';
import {fixed, isNumber, metric, signed, type Maybe, type Metric} from '../base/units';
import type {ParetoPoint} from '../charts/pareto';
import {COSTS, costOf, type Cost} from './answer';
import {entries} from './board';

export interface Fronts {
	points: ParetoPoint[];
	left: string[]; /* what is not among them, and why */
}

/** Places of the points that no other beats: none costs less without being worse, or is better without costing more. */
export function frontOf(points: readonly {cost: number; change: number}[], lowerIsBetter: boolean): Set<number> {
	const sign = lowerIsBetter ? -1 : 1;
	const beats = (a: {cost: number; change: number}, b: {cost: number; change: number}): boolean =>
		a.cost <= b.cost && sign * a.change >= sign * b.change && (a.cost < b.cost || a.change !== b.change);
	return new Set(points.flatMap((p, i) => (points.some((o) => beats(o, p)) ? [] : [i])));
}

interface Found {
	key: string;
	name: string;
	cost: number;
	change: number;
	low: Maybe;
	high: Maybe;
}

function drawn(found: readonly Found[], series: string, m: Metric, costText: (x: number) => string): ParetoPoint[] {
	const front = frontOf(found, m.lowerIsBetter);
	return found.map((p, i) => {
		const interval = isNumber(p.low) && isNumber(p.high);
		return {...p, series, low: interval ? p.low ?? null : null, high: interval ? p.high ?? null : null, front: front.has(i),
			detail: `${costText(p.cost)}, ${m.label} ${signed(p.change, m.digits)}${interval ? ` (${signed(p.low, m.digits)} to ${signed(p.high, m.digits)})` : ''}`};
	});
}

/** A sweep and float, by what they cost. */
export function sweepFront(result: PtqResult, cost: Cost): Fronts {
	const float = costOf(result.float, cost);
	const found = result.schemes.flatMap((s): Found[] => {
		const c = costOf(s, cost);
		return c === null || !isNumber(s.delta) ? [] : [{key: s.scheme, name: s.scheme, cost: c, change: s.delta, low: s.delta_low, high: s.delta_high}];
	});
	const emulated = cost === 'latency' ? result.schemes.filter((s) => s.latency?.execution === 'emulated').map((s) => s.scheme) : [];
	return {points: drawn([...(float === null ? [] : [{key: 'float', name: 'float', cost: float, change: 0, low: null, high: null}]), ...found], result.model ?? 'this sweep', metric(result.metric_name), COSTS[cost].text),
		left: emulated.length > 0 ? [`${emulated.join(', ')}: emulated`] : []};
}

/** Networks measured alike, each against its own float: costs are shares of float's, changes are in points. */
export function boardFront(table: Comparison, cost: Cost): Fronts {
	const left = new Set<string>();
	const points = entries(table, cost === 'latency' ? 'latency' : 'size', 'network').flatMap(({row, cells, how}, i) => {
		const m = metric(row.metric_name);
		const whole = {size: row.float_size_bytes, gates: row.float_gates, latency: row.float_latency_p50_ns}[cost];
		const name = row.model?.name ?? row.job;
		if (m.unit !== '%' || !isNumber(whole) || whole <= 0) {
			left.add(`${name}: ${m.unit !== '%' ? `${m.label} is not in points` : 'float has no such cost'}`);
			return [];
		}
		const found = [...cells.values()].flatMap((c): Found[] => {
			const x = {size: c.size_bytes, gates: c.gates, latency: c.latency_execution === 'native' ? c.latency_p50_ns : null}[cost];
			if (cost === 'latency' && c.latency_execution === 'emulated') { left.add(`${c.scheme} of ${name}: emulated`); }
			return isNumber(x) && isNumber(c.delta) ? [{key: `${c.job} ${c.scheme} ${i}`, name: c.scheme, cost: x / whole, change: c.delta, low: c.delta_low, high: c.delta_high}] : [];
		});
		return drawn(found, `${name}, ${how}`, m, (x) => `${fixed(100 * x, 0)} % of float`);
	});
	const several = new Map(points.map((p) => [p.series, p.series.split(', ')[0] ?? '']));
	const once = (name: string): boolean => [...several.values()].filter((n) => n === name).length === 1;
	return {points: points.map((p) => ({...p, series: once(several.get(p.series) ?? '') ? several.get(p.series) ?? p.series : p.series})), left: [...left]};
}
