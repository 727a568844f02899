// SPDX-License-Identifier: Apache-2.0
// SQNR, layers or tensors downwards, formats across.
import {decibel, isNumber} from '../base/units';
import {escaped, tooltip, type Ink, type Option} from './echarts';
import {RAMP} from './network';

export interface HeatCell {
	row: string;
	column: string;
	db: number | null;
	exact?: boolean; /* no error at all: db is infinite, which JSON cannot say */
	best: boolean;
	detail: string;
}

export function uniqueInOrder(names: readonly string[]): string[] {
	return [...new Set(names)];
}

/** The end of a long name tells more than its beginning. */
export function shortened(name: string, most: number): string {
	return name.length <= most ? name : `…${name.slice(name.length - most + 1)}`;
}

export function heatmapHeight(layers: number): number {
	return 84 + Math.max(4, layers) * 20;
}

export function heatmap(cells: readonly HeatCell[], schemes: readonly string[], narrow: boolean): (ink: Ink) => Option {
	const layers = uniqueInOrder(cells.map((c) => c.row));
	const row = new Map(layers.map((layer, i) => [layer, i]));
	const column = new Map(schemes.map((scheme, i) => [scheme, i]));
	const known = cells.map((c) => c.db).filter(isNumber);
	const low = Math.floor(Math.min(...known, 0) / 5) * 5;
	const high = Math.ceil(Math.max(...known, low + 10) / 5) * 5;
	const data = cells.map((c, i) => ({value: [column.get(c.column) ?? 0, row.get(c.row) ?? 0, c.exact ? high : c.db ?? '-'], cell: i}));
	return (ink) => ({
		grid: {left: 8, right: 12, top: narrow ? 44 : 28, bottom: 30, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (hit: unknown) => {
			const c = cells[(hit as {data: {cell: number}}).data.cell];
			return c ? `<b>${escaped(c.row)}</b><br>${escaped(c.column)}: <b>${c.exact ? 'exact' : decibel(c.db)}</b>${c.best ? ', the best' : ''}<br>${escaped(c.detail)}` : '';
		}},
		xAxis: {type: 'category', data: [...schemes], position: 'top', axisLabel: {color: ink.text, interval: 0, rotate: narrow ? 45 : 0},
			axisLine: {show: false}, axisTick: {show: false}},
		yAxis: {type: 'category', data: layers, inverse: true, axisLine: {show: false}, axisTick: {show: false},
			axisLabel: {color: ink.text, fontSize: 11, interval: 0, formatter: (name: string) => shortened(name, narrow ? 14 : 34)}},
		visualMap: {min: low, max: high, calculable: false, orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 140, itemWidth: 10,
			text: [`${high} dB`, `${low} dB`], textStyle: {color: ink.dim},
			inRange: {color: RAMP.map(([r, g, b]) => `rgb(${r},${g},${b})`)}},
		series: [{type: 'heatmap', data, itemStyle: {borderColor: ink.card, borderWidth: 1},
			label: {show: schemes.length * (narrow ? 46 : 60) < 900, fontSize: 10,
				formatter: (hit: unknown) => {
					const {value, data} = hit as {value: [number, number, number | string]; data: {cell: number}};
					return typeof value[2] === 'number' ? `${cells[data.cell]?.best ? '★' : ''}${cells[data.cell]?.exact ? 'exact' : value[2].toFixed(0)}` : '';
				}}}],
	});
}
