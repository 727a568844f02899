// SPDX-License-Identifier: Apache-2.0
// One or two numbers of each thing, as bars with the numbers beside them.
import {value} from '../base/units';
import {shortened} from './heatmap';
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface BarsWords {
	axis: string;
	text: (x: number | null | undefined) => string;
	log?: boolean;
}

export interface BarsOf {
	name: string;
	values: readonly (number | null)[]; /* in the order of the rows */
}

export function barsHeight(rows: number, series: number): number {
	return 70 + (series > 1 ? 26 : 0) + Math.max(1, rows) * (12 + 15 * series);
}

export function bars(rows: readonly string[], of: readonly BarsOf[], words: BarsWords, narrow: boolean): (ink: Ink) => Option {
	return (ink) => ({
		...(of.length > 1 ? {legend: legend(ink)} : {}),
		grid: {left: 8, right: 64, top: of.length > 1 ? 34 : 8, bottom: 38, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: (raw: unknown) => {
			const hits = raw as {dataIndex: number; seriesName: string; value: number | null; marker: string}[];
			return `<b>${escaped(rows[hits[0]?.dataIndex ?? -1] ?? '')}</b><br>${hits.map((h) => `${h.marker} ${of.length > 1 ? `${escaped(h.seriesName)} ` : ''}${words.text(h.value)}`).join('<br>')}`;
		}},
		xAxis: {...axis(ink, 'x', {name: words.axis, log: words.log ?? false, label: value}), ...(words.log ? {} : {min: 0})},
		yAxis: {type: 'category', inverse: true, data: [...rows], axisTick: {show: false}, axisLine: {lineStyle: {color: ink.line}},
			axisLabel: {color: ink.text, interval: 0, fontSize: 11, formatter: (name: string) => shortened(name, narrow ? 16 : 36)}},
		series: of.map((s, i) => ({name: s.name, type: 'bar', barMaxWidth: 13, data: s.values, itemStyle: {color: look(i, ink).colour},
			label: {show: true, position: 'right', color: ink.text, fontSize: 11, formatter: (h: {dataIndex: number}) => words.text(s.values[h.dataIndex])}})),
	});
}
