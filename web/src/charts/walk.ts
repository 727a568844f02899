// SPDX-License-Identifier: Apache-2.0
// Walking through the data of a chart by keys: along a series, or from one series (of a heat map: row) to another.
import type {Option} from './echarts';

export interface Place {
	series: number;
	index: number;
}

type Datum = readonly unknown[];

interface Line {
	series: number;
	data: readonly (Datum | null)[]; /* null: nothing is there */
}

function datum(raw: unknown, index: number): Datum | null {
	const value: unknown = typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as {value?: unknown}).value : raw;
	const row: Datum = Array.isArray(value) ? value as unknown[] : [index, value];
	return row.every((x) => x !== null && x !== undefined && x !== '-' && !(typeof x === 'number' && !Number.isFinite(x))) ? row : null;
}

/** The series that tell something where one points at them. */
function lines(option: Option): Line[] {
	const all = (option.series ?? []) as {data?: unknown[]; silent?: boolean}[];
	return all.flatMap((s, series) => {
		const data = s.silent === true ? [] : (s.data ?? []).map(datum);
		return data.some((d) => d !== null) ? [{series, data}] : [];
	});
}

const isCells = (line: Line): boolean => line.data.every((d) => d === null || (d.length > 2 && typeof d[0] === 'number' && typeof d[1] === 'number'));

function nearest(line: Line, from: Datum, wanted: (d: Datum) => boolean, far: (d: Datum) => number): Place | null {
	let best: Place | null = null;
	let least = Infinity;
	for (const [index, d] of line.data.entries()) {
		if (d !== null && wanted(d) && far(d) < least) {
			best = {series: line.series, index};
			least = far(d);
		}
	}
	return best;
}

/** Where a key leads from a place, or from outside; null: nowhere else. */
export function walk(option: Option, from: Place | null, key: string): Place | null {
	const all = lines(option);
	const at = all.findIndex((l) => l.series === from?.series);
	const line = all[at];
	const here = from === null ? null : line?.data[from.index] ?? null;
	const there = (l: Line, backwards: boolean, start: number): Place | null => {
		for (let i = start; i >= 0 && i < l.data.length; i += backwards ? -1 : 1) {
			if (l.data[i]) { return {series: l.series, index: i}; }
		}
		return null;
	};
	if (!line || from === null || here === null) {
		return all[0] ? there(all[0], false, 0) : null;
	}
	if (key === 'Home') { return there(line, false, 0); }
	if (key === 'End') { return there(line, true, line.data.length - 1); }
	const along = key === 'ArrowLeft' || key === 'ArrowRight';
	const sign = key === 'ArrowLeft' || key === 'ArrowUp' ? -1 : 1;
	if (all.length === 1 && isCells(line)) {
		const [x, y] = [Number(here[0]), Number(here[1])];
		const way = along ? sign : sign * ((option.yAxis as {inverse?: boolean} | undefined)?.inverse === true ? 1 : -1);
		return nearest(line, here, (d) => (along ? d[1] === y && way * (Number(d[0]) - x) > 0 : d[0] === x && way * (Number(d[1]) - y) > 0),
			(d) => Math.abs(along ? Number(d[0]) - x : Number(d[1]) - y));
	}
	if (along || all.length === 1) {
		return there(line, sign < 0, from.index + sign);
	}
	const other = all[(at + sign + all.length) % all.length];
	const x = here[0];
	return other ? nearest(other, here, () => true, (d) => (typeof x === 'number' && typeof d[0] === 'number' ? Math.abs(d[0] - x) : d[0] === x ? 0 : 1)) : null;
}

/** What stands at a place: where it is, and the key that it tells when it is pressed. */
export function placed(option: Option, {series, index}: Place): {x: number; y: number; key: string | null} {
	const raw = ((option.series ?? []) as {data?: unknown[]}[])[series]?.data?.[index];
	const key = typeof raw === 'object' && raw !== null ? (raw as {key?: unknown}).key : undefined;
	const [x, y] = datum(raw, index) ?? [];
	return {x: Number(x), y: Number(y), key: typeof key === 'string' ? key : null};
}
