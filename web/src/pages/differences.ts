// SPDX-License-Identifier: Apache-2.0
// Jobs side by side: what was asked of each and what each found, a row for each setting and each number.
import type {Comparison, Job} from '../api/client';
import {bytes, decibel, fixed, isNumber, latency, metric, signed} from '../base/units';
import {columnsOf} from './board';
import {isObject, type Json} from './schema';

export interface Line {
	part: 'settings' | 'results';
	name: string;
	texts: string[]; /* of each job; '': it has none */
	differs: boolean;
	meet: boolean; /* they differ, but the 95 % intervals of any two have a point in common */
}

type Row = Comparison['rows'][number];
type Cell = Row['cells'][number];

/** JSON as people read it. */
function plain(value: unknown): string {
	return Array.isArray(value) ? value.map(plain).join(', ') : isObject(value) ? `(${Object.entries(value).map(([key, v]) => `${key}: ${plain(v)}`).join(', ')})` : String(value);
}

/** Settings by their path, each list in one line. */
export function flat(value: unknown, path = ''): [string, string][] {
	if (isObject(value)) {
		return Object.entries(value).flatMap(([key, v]) => flat(v, path === '' ? key : `${path}.${key}`));
	}
	return [[path, plain(value)]];
}

const UPLOADS = ['model', 'data', 'train'];

/** An upload by its name, with its id where another one of these jobs has that name too. */
function uploads(job: Job, jobs: readonly Job[]): Json {
	return Object.fromEntries(UPLOADS.flatMap((field) => {
		const of = (j: Job): {id: string; name: string} | null => (field === 'model' ? j.model : field === 'data' ? j.data : null) ?? null;
		const own = of(job);
		return own === null ? [] : [[field, jobs.some((j) => of(j)?.name === own.name && of(j)?.id !== own.id) ? `${own.name} (${own.id})` : own.name]];
	}));
}

function line(part: Line['part'], name: string, texts: string[], intervals: ([number, number] | null)[] = []): Line {
	const differs = new Set(texts).size > 1;
	const known = intervals.filter((i): i is [number, number] => i !== null);
	return {part, name, texts, differs, meet: differs && known.length === texts.length && Math.max(...known.map((i) => i[0])) <= Math.min(...known.map((i) => i[1]))};
}

export function sideBySide(jobs: readonly Job[], table: Comparison): Line[] {
	const rows = jobs.map((j) => table.rows.find((r) => r.job === j.id));
	const settings = jobs.map((j, i) => new Map(flat({...(j.spec as Json), ...uploads(j, jobs), engine: rows[i]?.engine ?? j.engine,
		...(rows[i]?.cpu ? {processor: [rows[i]?.cpu, rows[i]?.isa].filter(Boolean).join(', ')} : {})})));
	const names = [...new Set(settings.flatMap((s) => [...s.keys()]))];
	const metrics = new Set(rows.flatMap((r) => r?.metric_name ?? []));
	const m = metric([...metrics][0]);
	const cellsOf = (scheme: string): (Cell | undefined)[] => rows.map((r) => r?.cells.find((c) => c.scheme === scheme));
	/* A scheme that one job alone has is compared with nothing; the setting `schemes` tells of it. */
	const results = columnsOf(table.schemes).filter((scheme) => cellsOf(scheme).filter((c) => c).length > 1).flatMap((scheme) => {
		const cells = cellsOf(scheme);
		const each = (what: string, text: (c: Cell) => string, ends: (c: Cell) => [number, number] | null = () => null): Line[] => {
			const texts = cells.map((c) => (c ? text(c) : ''));
			return texts.every((t) => t === '' || t === '–') ? [] : [line('results', `${scheme}: ${what}`, texts, cells.map((c) => (c ? ends(c) : null)))];
		};
		const interval = (c: Cell): [number, number] | null => (isNumber(c.delta_low) && isNumber(c.delta_high) ? [Math.min(c.delta_low, c.delta_high), Math.max(c.delta_low, c.delta_high)] : null);
		return [
			...(metrics.size === 1 ? each(`change of ${m.label}`, (c) => { const i = interval(c); return `${signed(c.delta, m.digits)}${i ? ` (${signed(i[0], m.digits)} to ${signed(i[1], m.digits)})` : ''}`; }, interval) : []),
			...each('output SQNR', (c) => decibel(c.output_sqnr_db)),
			...each('size', (c) => bytes(c.size_bytes)),
			...each('latency', (c) => (c.latency_execution === 'native' ? latency(c.latency_p50_ns) : '')),
		];
	});
	return [...names.map((name) => line('settings', name, settings.map((s) => s.get(name) ?? ''))),
		...(metrics.size === 1 ? [line('results', `float: ${m.label}`, rows.map((r) => fixed(r?.float, m.digits)))] : []), ...results];
}
