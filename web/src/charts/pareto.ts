// SPDX-License-Identifier: Apache-2.0
// A metric's change against a cost: points with their intervals, and of each series the front, above and left of which nothing lies.
import {isNumber, signed} from '../base/units';
import {axis, escaped, formatLook, legend, look, tooltip, type Ink, type Option, type RenderApi} from './echarts';

export interface ParetoPoint {
	key: string; /* told when the point is pressed */
	series: string;
	name: string;
	cost: number;
	change: number;
	low: number | null;
	high: number | null;
	front: boolean;
	detail: string;
}

export interface ParetoWords {
	cost: string;
	change: string;
	digits: number;
	costText: (x: number) => string;
}

export interface Marks {
	cost: number | null; /* limits */
	change: number | null;
	lowest: number | null; /* what lies below is not drawn */
}

const LEGEND_LINE = 24;

/** How much higher than one without a legend the chart has to be. */
export function legendHeight(names: readonly string[]): number {
	const series = new Set(names);
	return series.size > 1 ? LEGEND_LINE * legendLines([...series]) : 0;
}

/* A name that is long takes a line of the legend. */
function legendLines(series: readonly string[]): number {
	return series.some((name) => name.length > 34) ? series.length : Math.ceil(series.length / 4);
}

export function paretoChart(points: readonly ParetoPoint[], words: ParetoWords, marks: Marks): (ink: Ink) => Option {
	const series = [...new Set(points.map((p) => p.series))];
	const of = (name: string): ParetoPoint[] => points.filter((p) => p.series === name).sort((a, b) => a.cost - b.cost);
	return (ink) => {
		const limits = [...(marks.cost === null ? [] : [{xAxis: marks.cost, label: {formatter: 'limit', color: ink.text, position: 'end', rotate: 0}}]),
			...(marks.change === null ? [] : [{yAxis: marks.change, label: {formatter: 'limit', color: ink.text, position: 'insideEndTop'}}])];
		return {
			legend: {...legend(ink), show: series.length > 1, data: series},
			grid: {left: 44, right: 30, top: series.length > 1 ? 30 + LEGEND_LINE * legendLines(series) : 16, bottom: 38, containLabel: true},
			tooltip: {...tooltip(ink), formatter: (raw: unknown) => {
				const p = points.find((o) => o.key === (raw as {data: {key?: string}}).data.key);
				return p ? `<b>${escaped(p.name)}</b>${series.length > 1 ? ` ${escaped(p.series)}` : ''}<br>${escaped(p.detail)}` : '';
			}},
			xAxis: {...axis(ink, 'x', {name: words.cost, label: words.costText}), min: 0},
			yAxis: {...axis(ink, 'y', {name: words.change, label: (x) => signed(x, x % 1 === 0 ? 0 : words.digits)}), scale: true, ...(marks.lowest === null ? {} : {min: marks.lowest})},
			series: series.flatMap((name, i) => {
				const {colour, symbol, dash} = look(i, ink);
				/* Of one network a point has the colour of its format. */
				const own = (p: ParetoPoint): string => (series.length > 1 ? colour : formatLook(p.name, ink).colour);
				const mine = of(name);
				const front = mine.filter((p) => p.front);
				return [
					{name, type: 'line', data: front.map((p) => [p.cost, p.change]), step: 'end', showSymbol: false, silent: true, lineStyle: {color: colour, type: series.length > 1 ? dash : 'solid', width: 1.5, opacity: .7}, itemStyle: {color: colour},
						...(i === 0 && limits.length > 0 ? {markLine: {silent: true, symbol: 'none', animation: false, precision: 12, lineStyle: {color: ink.bad, type: [4, 3]}, data: limits}} : {})},
					{name, type: 'custom', silent: true, clip: true, data: mine.filter((p) => isNumber(p.low) && isNumber(p.high)).map((p) => [p.cost, p.low, p.high]), encode: {x: 0, y: [1, 2]}, renderItem: interval(colour)},
					{name, type: 'scatter', z: 5, clip: true, symbol, symbolSize: 11, data: mine.map((p) => ({value: [p.cost, p.change], key: p.key, name: p.name,
						itemStyle: p.front ? {color: own(p)} : {color: ink.card, borderColor: own(p), borderWidth: 1.5}})),
						label: {show: true, formatter: '{b}', position: 'right', color: ink.text, fontSize: 11}, labelLayout: {hideOverlap: true}},
				];
			}),
		};
	};
}

function interval(colour: string): (params: unknown, api: RenderApi) => unknown {
	return (_params, api) => {
		const [x, low] = api.coord([api.value(0), api.value(1)]);
		const high = api.coord([api.value(0), api.value(2)])[1];
		const line = (x1: number, y1: number, x2: number, y2: number) => ({type: 'line', shape: {x1, y1, x2, y2}, style: {stroke: colour, lineWidth: 1.2, opacity: .8}});
		return {type: 'group', children: [line(x, low, x, high), line(x - 4, low, x + 4, low), line(x - 4, high, x + 4, high)]};
	};
}
