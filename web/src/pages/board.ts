// SPDX-License-Identifier: Apache-2.0
// The leaderboard: networks down, formats across, from what all ptq jobs found.
import type {Comparison} from '../api/client';
import {bytes, decibel, fixed, isNumber, latency, metric, signed, type Maybe} from '../base/units';
import {bestOf} from './ptq';

export type View = 'delta' | 'sqnr' | 'latency' | 'size';
export type Each = 'network' | 'job';
type Row = Comparison['rows'][number];
type Cell = Row['cells'][number];

export interface BoardCell {
	number: number | null; /* by which the column sorts and the best is found */
	text: string;
	note: string;
	interval: string; /* of a change */
	hurt: number; /* 0: none; 1: loses all that a glance needs to see */
	best: boolean;
	title: string;
	href: string;
}

export interface BoardRow {
	key: string;
	name: string;
	note: string;
	href: string;
	float: number | null;
	floatText: string;
	cells: (BoardCell | null)[];
}

const TALK = ['int8', 'E2', 'E3', 'E4', 'E5'];

/** The talk's formats in the talk's order, then the others as they came. */
export function columnsOf(schemes: readonly string[]): string[] {
	return [...TALK.filter((s) => schemes.includes(s)), ...schemes.filter((s) => !TALK.includes(s))];
}

/* So many points of per cent lost are marked; so many more are as red as it gets. */
const HURTS = 1;
const RUINS = 20;

export function hurt(delta: Maybe, unit: string): number {
	return unit === '%' && isNumber(delta) && delta <= -HURTS ? Math.min(1, 0.15 + (-delta / RUINS) * 0.85) : 0;
}

export interface Sourced extends Cell {
	job: string;
}

export interface Entry {
	key: string;
	row: Row;
	how: string; /* what all of its cells have in common beside network, data and metric */
	cells: Map<string, Sourced>;
}

const age = (job: string): number => Number(job.slice(1));

/** How one half of a scheme is quantized, beside its format; blocks and groups, and their ranges, belong to the format. */
function half(part: Cell['weights']): string {
	if (part?.granularity?.startsWith('per_block') || part?.granularity?.startsWith('per_group')) {
		return '';
	}
	return [part?.granularity?.replace('_', ' ') ?? '', part?.range ?? '', part?.scale === 'power_of_two' ? 'powers of two' : ''].filter((word) => word !== '').join(' ');
}

/** The conditions of a cell in words: cells whose words differ are not like each other. A half that stays float, or whose blocks say it all, is as its job's others. */
export function conditions(row: Row, cell: Cell, view: View): string {
	const usual = (which: 'weights' | 'activations'): string => half(cell[which]) || row.cells.map((c) => half(c[which])).find((text) => text !== '') || 'float';
	const n = row.calibration_samples;
	return [`${row.samples ?? '?'} samples${row.held_out ? ' that did not calibrate' : ''}`,
		n === null || n === undefined ? '' : row.calibration_spread ? `${n} spread over the data calibrate` : `the first ${n} calibrate`,
		`weights ${usual('weights')}`, `activations ${usual('activations')}`, (cell.methods ?? []).join(' and '),
		view === 'latency' ? [row.cpu, row.isa, `${row.latency_threads ?? '?'} threads`].filter(Boolean).join(' ') : ''].filter((text) => text !== '').join(', ');
}

/** The latest number of each cell, one row for what was measured alike: network, data, metric, float result and conditions; of one job, where a row is a job's. */
export function entries(table: Comparison, view: View, each: Each): Entry[] {
	const all = new Map<string, Entry>();
	for (const row of [...table.rows].sort((a, b) => age(b.job) - age(a.job))) {
		for (const cell of row.cells) {
			const how = conditions(row, cell, view);
			const key = [each === 'job' ? row.job : '', row.model?.id, row.data?.id, row.metric_name, row.float?.toFixed(4), how].join(' ');
			const entry = all.get(key) ?? {key, row, how, cells: new Map<string, Sourced>()};
			if (!entry.cells.has(cell.scheme)) {
				entry.cells.set(cell.scheme, {...cell, job: row.job});
			}
			all.set(key, entry);
		}
	}
	return [...all.values()];
}

/** Without runs on fewer samples than another of the same network, data and metric; in the view of latency, without those that MLPerf calls short. */
export function withoutShortRuns(table: Comparison, view: View): {table: Comparison; hidden: number} {
	const subject = (row: Row): string => [row.model?.id, row.data?.id, row.metric_name].join(' ');
	const most = new Map<string, number>();
	for (const row of table.rows) {
		most.set(subject(row), Math.max(most.get(subject(row)) ?? 0, row.samples ?? 0));
	}
	const rows = table.rows.filter((row) => (row.samples ?? 0) >= (most.get(subject(row)) ?? 0))
		.map((row) => (view === 'latency' ? {...row, cells: row.cells.filter((c) => c.latency_short !== true)} : row)).filter((row) => row.cells.length > 0);
	return {table: {...table, rows}, hidden: table.rows.length - rows.length};
}

/** Which metrics are the best, or no worse than it: as their own job found by pairs of samples; of several jobs, those whose intervals meet. */
function qualifying(cells: readonly (Sourced | undefined)[], lowerIsBetter: boolean): Set<number> {
	const there = cells.flatMap((c, i) => (c ? [{c, i}] : []));
	if (new Set(there.map(({c}) => c.job)).size <= 1) {
		return new Set(there.flatMap(({c, i}) => (c.best === true ? [i] : [])));
	}
	const sign = lowerIsBetter ? -1 : 1;
	const known = there.flatMap(({c, i}) => (isNumber(c.delta) && isNumber(c.delta_low) && isNumber(c.delta_high) ? [{i, at: sign * c.delta, ends: [sign * c.delta_low, sign * c.delta_high]}] : []));
	const top = known.reduce<typeof known[number] | null>((a, b) => (a === null || b.at > a.at ? b : a), null);
	return new Set(top === null ? [] : known.filter((k) => Math.max(...k.ends) >= Math.min(...top.ends)).map((k) => k.i));
}

function numberOf(cell: Cell, view: View): number | null {
	return {delta: cell.metric, sqnr: cell.output_sqnr_db, latency: cell.latency_execution === 'native' ? cell.latency_p50_ns : null, size: cell.size_bytes}[view] ?? null;
}

export function boardRows(table: Comparison, columns: readonly string[], view: View, each: Each): BoardRow[] {
	return entries(table, view, each).map(({key, row, how, cells}) => {
		const m = metric(row.metric_name);
		const found = columns.map((scheme) => cells.get(scheme));
		const numbers = found.map((c) => (c ? numberOf(c, view) : null));
		const good = qualifying(found, m.lowerIsBetter);
		/* What costs least is worth a star only among those that lose nothing by it. */
		const cheap = numbers.map((x, i) => (good.has(i) ? x : null));
		const best = view === 'delta' ? good : view === 'sqnr' ? bestOf(numbers, 1, false) : bestOf(cheap, 1, true);
		const text = (c: Cell): string => ({delta: () => signed(c.delta, m.digits), sqnr: () => decibel(c.output_sqnr_db), latency: () => latency(c.latency_p50_ns), size: () => bytes(c.size_bytes)})[view]();
		return {key, name: row.model?.name ?? row.job, href: `#/jobs/${row.job}`,
			note: `${row.data?.name ?? ''}, ${m.label}, ${how}${each === 'job' ? `, ${row.job}` : ''}`, float: row.float ?? null,
			floatText: view === 'latency' ? latency(row.float_latency_p50_ns) : fixed(row.float, m.digits),
			cells: found.map((c, i): BoardCell | null => (c ? {number: view === 'delta' ? c.delta ?? null : numbers[i] ?? null, text: text(c), note: view === 'latency' && c.latency_execution === 'emulated' ? 'emul.' : '',
				interval: view === 'delta' && isNumber(c.delta_low) && isNumber(c.delta_high) ? `${signed(c.delta_low, m.digits)} to ${signed(c.delta_high, m.digits)}` : '',
				hurt: view === 'delta' ? hurt(c.delta, m.unit) : 0, best: best.has(i), href: `#/jobs/${c.job}`,
				title: `${c.scheme}: ${m.label} ${fixed(c.metric, m.digits)}, output SQNR ${decibel(c.output_sqnr_db)}, ${bytes(c.size_bytes)}, ${c.job}`} : null))};
	});
}

/** Sorted by a column's numbers; what is missing comes last either way. Column -1 is the name, -2 float. */
export function sortedRows(rows: readonly BoardRow[], column: number, descending: boolean): BoardRow[] {
	const sign = descending ? -1 : 1;
	const at = (r: BoardRow): number | null => (column === -2 ? r.float : r.cells[column]?.number ?? null);
	return [...rows].sort((a, b) => {
		if (column === -1) {
			return sign * a.name.localeCompare(b.name);
		}
		const x = at(a);
		const y = at(b);
		return x === null || y === null ? Number(x === null) - Number(y === null) : sign * (x - y);
	});
}

/** Network, metric, float, and changes against it in the order of the columns. */
export type Published = readonly (readonly [string, string, number, readonly number[]])[];

export function publishedBoard(table: Published): BoardRow[] {
	return table.map(([name, note, float, deltas]) => ({key: name, name, note, href: '', float, floatText: fixed(float, 2),
		cells: deltas.map((delta) => ({number: delta, text: signed(delta, 2), note: '', interval: '', hurt: hurt(delta, '%'), best: false, title: '', href: ''}))}));
}

/* Post-training quantization as published: arXiv:2303.17951, change against FP32. */
export const PUBLISHED_COLUMNS = ['int8', 'E2', 'E3', 'E4'];
export const PUBLISHED_PTQ: Published = [
	['ResNet18', 'top-1', 69.72, [-0.08, -0.06, -0.27, -1.15]],
	['ResNet50', 'top-1', 76.06, [-0.07, -0.05, -0.08, -0.99]],
	['MobileNetV2', 'top-1', 71.70, [-0.76, -0.64, -1.08, -5.65]],
	['HRNet', 'mean IoU', 81.05, [-0.16, -0.15, -0.05, -0.29]],
	['DeepLabV3', 'mean IoU', 72.91, [-1.67, -0.33, -1.63, -34.98]],
	['SalsaNext', 'mean IoU', 55.80, [-4.60, -0.90, -0.20, -0.50]],
	['BERT-base', 'GLUE', 83.06, [-12.03, -2.75, -0.45, -0.26]],
	['ViT', 'top-1', 77.75, [-1.44, -0.45, -0.04, -0.19]],
];

export function publishedRows(): BoardRow[] {
	return publishedBoard(PUBLISHED_PTQ);
}
