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

interface Sourced extends Cell {
	job: string;
}

interface Entry {
	row: Row;
	cells: Map<string, Sourced>;
}

const age = (job: string): number => Number(job.slice(1));

/** One row a job; or one a network, data set, metric and float result (fewer samples have another), with the latest number of each cell. */
function entries(table: Comparison, each: Each): Entry[] {
	const all = new Map<string, Entry>();
	for (const row of [...table.rows].sort((a, b) => age(b.job) - age(a.job))) {
		const key = each === 'job' ? row.job : `${row.model?.id} ${row.data?.id} ${row.metric_name} ${row.float?.toFixed(4)}`;
		const entry = all.get(key) ?? {row, cells: new Map<string, Sourced>()};
		for (const cell of row.cells) {
			if (!entry.cells.has(cell.scheme)) {
				entry.cells.set(cell.scheme, {...cell, job: row.job});
			}
		}
		all.set(key, entry);
	}
	return [...all.values()];
}

function numberOf(cell: Cell, view: View): number | null {
	return {delta: cell.metric, sqnr: cell.output_sqnr_db, latency: cell.latency_execution === 'native' ? cell.latency_p50_ns : null, size: cell.size_bytes}[view] ?? null;
}

export function boardRows(table: Comparison, columns: readonly string[], view: View, each: Each): BoardRow[] {
	return entries(table, each).map(({row, cells}) => {
		const m = metric(row.metric_name);
		const found = columns.map((scheme) => cells.get(scheme));
		const numbers = found.map((c) => (c ? numberOf(c, view) : null));
		const best = bestOf(numbers, view === 'delta' ? m.digits : 1, view === 'delta' ? m.lowerIsBetter : view !== 'sqnr');
		const text = (c: Cell): string => ({delta: () => signed(c.delta, m.digits), sqnr: () => decibel(c.output_sqnr_db), latency: () => latency(c.latency_p50_ns), size: () => bytes(c.size_bytes)})[view]();
		return {key: each === 'job' ? row.job : `${row.job} ${row.metric_name}`, name: row.model?.name ?? row.job, href: `#/jobs/${row.job}`,
			note: `${row.data?.name ?? ''}, ${m.label}${each === 'job' ? `, ${row.job}` : ''}`, float: row.float ?? null,
			floatText: view === 'latency' ? latency(row.float_latency_p50_ns) : fixed(row.float, m.digits),
			cells: found.map((c, i): BoardCell | null => (c ? {number: view === 'delta' ? c.delta ?? null : numbers[i] ?? null, text: text(c), note: view === 'latency' && c.latency_execution === 'emulated' ? 'emul.' : '',
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

/* Post-training quantization as published: arXiv:2303.17951, change against FP32. */
export const PUBLISHED_COLUMNS = ['int8', 'E2', 'E3', 'E4'];
const PUBLISHED: [string, string, number, number[]][] = [
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
	return PUBLISHED.map(([name, note, float, deltas]) => {
		const best = bestOf(deltas, 2, false);
		return {key: name, name, note, href: '', float, floatText: fixed(float, 2),
			cells: deltas.map((delta, i) => ({number: delta, text: signed(delta, 2), note: '', hurt: hurt(delta, '%'), best: best.has(i), title: '', href: ''}))};
	});
}
