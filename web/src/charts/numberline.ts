// SPDX-License-Identifier: Apache-2.0
// Every value of a format on a line, one line a format; and how far apart neighbours are.
import {power2, value} from '../base/units';
import {axis, escaped, formatLook, legend, tooltip, type Ink, type Option, type RenderApi} from './echarts';

export interface Line {
	name: string;
	values: readonly number[]; /* scaled, rising */
	hit: number | null; /* what the number typed becomes */
}

export function numberLineHeight(lines: number): number {
	return 60 + lines * 52;
}

/** Values of one line that fall on different pixels; a wide format has more values than a screen has columns. */
export function thinned(values: readonly number[], place: (x: number) => number): number[] {
	let last = NaN;
	return values.filter((x) => {
		const p = Math.round(place(x));
		const keep = p !== last;
		last = p;
		return keep;
	});
}

/* Four steps a pixel of the widest screen. */
const STEPS = 8000;

export function numberLine(lines: readonly Line[], log: boolean, typed: number | null): (ink: Ink) => Option {
	const shown = lines.map((l) => (log ? l.values.filter((x) => x > 0) : l.values));
	const low = Math.min(...shown.map((v) => v[0] ?? Infinity));
	const high = Math.max(...shown.map((v) => v.at(-1) ?? -Infinity));
	const place = log ? (x: number) => (Math.log(x / low) / Math.log(high / low)) * STEPS : (x: number) => ((x - low) / (high - low)) * STEPS;
	const marked = typed === null || (log && typed === 0) ? null : log ? Math.abs(typed) : typed;
	const ticks = shown.flatMap((values, row) => thinned(values, place).map((x) => [x, row]));
	const hits = lines.flatMap((l, row) => (marked !== null && l.hit !== null && (!log || l.hit !== 0) ? [[log ? Math.abs(l.hit) : l.hit, row]] : []));
	return (ink) => ({
		grid: {left: 8, right: 20, top: 12, bottom: 42, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (hit: unknown) => {
			const [x, row] = (hit as {value: [number, number]}).value;
			const line = lines[row];
			return line ? `<b>${escaped(line.name)}</b> ${value(x)}` : '';
		}},
		xAxis: {...axis(ink, 'x', {name: log ? 'magnitude, positive values, each doubling equally wide' : 'value', log, label: log ? power2 : value}), ...(log ? {logBase: 2} : {}), min: low, max: high},
		yAxis: {type: 'category', inverse: true, data: lines.map((l) => l.name), axisLine: {show: false}, axisTick: {show: false}, splitLine: {show: false},
			axisLabel: {color: ink.text, fontSize: 13, fontWeight: 'bold'}},
		dataZoom: [{type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl'}],
		series: [
			{type: 'custom', data: ticks, encode: {x: 0, y: 1}, clip: true, renderItem: tick(lines, ink, 15, 1)},
			{type: 'custom', data: hits, encode: {x: 0, y: 1}, z: 5, clip: true, silent: true, renderItem: pointer(ink),
				...(marked === null ? {} : {markLine: {silent: true, symbol: 'none', animation: false, lineStyle: {color: ink.bad, type: [4, 3], width: 1.5},
					label: {formatter: value(marked), color: ink.bad, position: 'end'}, data: [{xAxis: Math.min(high, Math.max(low, marked))}]}})},
		],
	});
}

function tick(lines: readonly Line[], ink: Ink, half: number, width: number): (params: unknown, api: RenderApi) => unknown {
	return (_params, api) => {
		const row = api.value(1);
		const [x, y] = api.coord([api.value(0), row]);
		return {type: 'line', shape: {x1: x, y1: y - half, x2: x, y2: y + half}, style: {stroke: formatLook(lines[row]?.name ?? '', ink).colour, lineWidth: width}};
	};
}

/* A triangle over the value that the number becomes: a shape, not a colour, tells it from the others. */
function pointer(ink: Ink): (params: unknown, api: RenderApi) => unknown {
	return (_params, api) => {
		const [x, y] = api.coord([api.value(0), api.value(1)]);
		return {type: 'group', children: [
			{type: 'line', shape: {x1: x, y1: y - 20, x2: x, y2: y + 20}, style: {stroke: ink.bad, lineWidth: 2.5}},
			{type: 'polygon', shape: {points: [[x - 6, y - 25], [x + 6, y - 25], [x, y - 16]]}, style: {fill: ink.bad}}]};
	};
}

/** The distance to the next value, over the magnitude: an integer's is flat, a float's doubles with every octave. */
export function stepChart(lines: readonly Line[]): (ink: Ink) => Option {
	const series = lines.map((l) => {
		const positive = l.values.filter((x) => x > 0);
		const points: [number, number][] = [];
		positive.forEach((x, i) => {
			const step = (positive[i + 1] ?? NaN) - x;
			const last = points.at(-1);
			if (step > 0 && (!last || Math.abs(last[1] - step) > 1e-6 * step)) {
				points.push([x, step]);
			}
		});
		const end = positive.at(-1);
		const last = points.at(-1);
		return {name: l.name, points: end !== undefined && last ? [...points, [end, last[1]] as [number, number]] : points};
	});
	return (ink) => ({
		legend: legend(ink),
		grid: {left: 34, right: 20, top: 34, bottom: 36, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', formatter: (hits: unknown) => (hits as {seriesName: string; value: [number, number]}[])
			.map((h) => `<b>${escaped(h.seriesName)}</b> at ${value(h.value[0])}: step ${value(h.value[1])}`).join('<br>')},
		xAxis: {...axis(ink, 'x', {name: 'magnitude', log: true, label: power2}), logBase: 2},
		yAxis: {...axis(ink, 'y', {name: 'step to the next value', log: true, label: power2}), logBase: 2},
		series: series.map((s) => ({name: s.name, type: 'line', step: 'end', data: s.points, symbol: formatLook(s.name, ink).symbol, symbolSize: 5,
			lineStyle: {color: formatLook(s.name, ink).colour, type: formatLook(s.name, ink).dash, width: 2}, itemStyle: {color: formatLook(s.name, ink).colour}})),
	});
}
