// SPDX-License-Identifier: Apache-2.0
// Numbers along a training, a line a run.
import {portion, value} from '../base/units';
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface Curve {
	name: string;
	look: number; /* the same for a run in every chart */
	points: readonly (readonly [number, number | null])[];
}

export interface CurvesWords {
	x: string;
	log: boolean;
	share: boolean;
	zero?: boolean; /* the axis begins at 0 */
	markers: boolean;
	whole?: boolean; /* x is an integer */
	mark?: number | null; /* a place along x */
}

export function curves(lines: readonly Curve[], words: CurvesWords, named: boolean): (ink: Ink) => Option {
	const text = words.share ? portion : value;
	return (ink) => ({
		...(named ? {legend: {...legend(ink), type: 'scroll', pageIconColor: ink.text, pageTextStyle: {color: ink.dim}}} : {}),
		grid: {left: 8, right: 18, top: named ? 40 : 14, bottom: 34, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', formatter: (raw: unknown) => {
			const hits = raw as {seriesName: string; value: [number, number | null]; marker: string}[];
			return `${escaped(words.x)} ${value(hits[0]?.value[0])}<br>` + hits.map((h) => `${h.marker} ${named ? `${escaped(h.seriesName)} ` : ''}<b>${text(h.value[1])}</b>`).join('<br>');
		}},
		xAxis: {...axis(ink, 'x', {name: words.x, label: value}), min: 0, max: 'dataMax', splitLine: {show: false}, ...(words.whole ? {minInterval: 1} : {})},
		yAxis: {...axis(ink, 'y', {log: words.log, label: text}), ...(words.share || words.zero ? {min: 0} : {scale: true})},
		dataZoom: [{type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl'}],
		series: lines.map((l, i) => ({name: l.name, type: 'line', data: l.points, connectNulls: false, showSymbol: words.markers || l.points.length < 2, symbol: look(l.look, ink).symbol, symbolSize: 6,
			lineStyle: {color: look(l.look, ink).colour, type: look(l.look, ink).dash, width: words.markers ? 2 : 1.6}, itemStyle: {color: look(l.look, ink).colour},
			...(i === 0 && typeof words.mark === 'number' ? {markLine: {silent: true, symbol: 'none', animation: false, data: [{xAxis: words.mark}], lineStyle: {color: ink.bad, type: [4, 3]}, label: {show: false}}} : {})})),
	});
}
