// SPDX-License-Identifier: Apache-2.0
// A matrix of magnitudes as cells of a colour: tokens by channels of a residual stream, queries by keys of an attention head.
import {value} from '../base/units';
import {tooltip, type Ink, type Option} from './echarts';

export interface Matrix {
	rows: readonly number[]; /* where each cell begins */
	columns: readonly number[];
	values: readonly (readonly (number | null)[])[]; /* [rows][columns] */
}

export interface MatrixWords {
	row: string;
	column: string;
	log: boolean;
	most: number; /* the end of the colours, the same for maps that are compared */
	least: number; /* of a logarithm: magnitudes below look like it */
}

const SHADES = {dark: ['#19202a', '#27507e', '#58b4f0', '#e9f6ff'], light: ['#ffffff', '#a9cdea', '#2a7ab8', '#0b2c4d']};

/** The largest magnitude, and the smallest that is not 0, over several matrices. */
export function magnitudes(all: readonly Matrix[]): {most: number; least: number} {
	let most = 0;
	let least = Infinity;
	for (const x of all.flatMap((m) => m.values.flat())) {
		const a = Math.abs(x ?? 0);
		most = Math.max(most, a);
		least = a > 0 ? Math.min(least, a) : least;
	}
	return {most, least: Math.min(least, most)};
}

export function matrixHeight(rows: number): number {
	return 110 + Math.min(360, Math.max(120, rows * 7));
}

export function matrix(of: Matrix, words: MatrixWords): (ink: Ink) => Option {
	const floor = words.log ? Math.max(words.least, words.most / 1e3) : 0;
	const shade = (x: number | null): number => {
		const a = Math.abs(x ?? 0);
		return words.log ? Math.log10(Math.max(a, floor)) : a;
	};
	const data = of.values.flatMap((row, y) => row.map((x, i) => ({value: [i, y, x === null ? '-' : shade(x)], x})));
	return (ink) => ({
		grid: {left: 8, right: 12, top: 8, bottom: 78, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (raw: unknown) => {
			const {value: [i, y], data: {x}} = raw as {value: [number, number]; data: {x: number | null}};
			return `${words.row} ${of.rows[y] ?? ''}, ${words.column} ${of.columns[i] ?? ''}<br><b>${value(x)}</b>`;
		}},
		xAxis: {type: 'category', data: of.columns.map(String), name: words.column, nameLocation: 'middle', nameGap: 26, nameTextStyle: {color: ink.dim}, axisLabel: {color: ink.dim, hideOverlap: true}, axisTick: {show: false}, axisLine: {show: false}},
		yAxis: {type: 'category', inverse: true, data: of.rows.map(String), name: words.row, nameLocation: 'middle', nameGap: 34, nameTextStyle: {color: ink.dim}, axisLabel: {color: ink.dim, hideOverlap: true}, axisTick: {show: false}, axisLine: {show: false}},
		visualMap: {min: words.log ? Math.log10(floor || 1) : 0, max: words.log ? Math.log10(words.most || 1) : words.most || 1, calculable: false, orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 120, itemWidth: 10,
			text: [value(words.most), words.log ? `${value(floor)} or less` : '0'], textStyle: {color: ink.dim}, inRange: {color: ink.dark ? SHADES.dark : SHADES.light}},
		series: [{type: 'heatmap', data, progressive: 0, itemStyle: {borderWidth: 0}}],
	});
}
