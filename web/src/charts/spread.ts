// SPDX-License-Identifier: Apache-2.0
// How numbers are spread, a density or a histogram, with a format's grid over it: where the values are and where none are spent.
import {value} from '../base/units';
import {thinned} from './numberline';
import {axis, formatLook, tooltip, type Ink, type Option, type RenderApi} from './echarts';

export interface Spread {
	x: readonly number[];
	p: readonly number[];
}

export interface Overlay {
	name: string;
	values: readonly number[]; /* scaled, rising */
}

/** A histogram's bins as a density, so that it is drawn as one. */
export function ofHistogram(h: {low: number; width: number; counts: readonly number[]}): Spread {
	const total = h.counts.reduce((sum, c) => sum + c, 0) * h.width;
	return {x: h.counts.map((_, i) => h.low + (i + .5) * h.width), p: h.counts.map((c) => c / Math.max(total, Number.MIN_VALUE))};
}

export function spread(curve: Spread, overlay: Overlay | null, log: boolean, stepped: boolean): (ink: Ink) => Option {
	const low = Math.min(...curve.x);
	const high = Math.max(...curve.x);
	const inside = (overlay?.values ?? []).filter((v) => v >= low && v <= high);
	const ticks = thinned(inside, (x) => ((x - low) / (high - low)) * 4000);
	const ends = [overlay?.values[0], overlay?.values.at(-1)].filter((v): v is number => v !== undefined && v > low + (high - low) / 100 && v < high - (high - low) / 100);
	const floor = 10 ** Math.floor(Math.log10(Math.min(...curve.p.filter((p) => p > 0)))); /* the axis begins with a power of ten */
	return (ink) => ({
		grid: {left: 38, right: 20, top: 26, bottom: 36, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', formatter: (raw: unknown) => {
			const hit = (raw as {value: [number, number]; seriesType: string}[]).find((h) => h.seriesType === 'line');
			return hit ? `${value(hit.value[0])}: density ${value(hit.value[1])}` : '';
		}},
		xAxis: {...axis(ink, 'x', {label: value}), min: low, max: high, splitLine: {show: false}},
		yAxis: {...axis(ink, 'y', {name: log ? 'density, logarithmic' : 'density', log, label: value}), nameGap: 58, ...(log ? {min: floor} : {min: 0})},
		dataZoom: [{type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl'}],
		series: [
			{type: 'line', data: curve.x.map((x, i) => [x, log ? Math.max(curve.p[i] ?? 0, floor) : curve.p[i]]), showSymbol: false, step: stepped ? 'middle' : false, lineStyle: {color: ink.accent, width: 2},
				areaStyle: {color: ink.accent, opacity: .18, origin: 'start'},
				...(ends.length > 0 ? {markLine: {silent: true, symbol: 'none', animation: false, lineStyle: {color: ink.bad, type: [4, 3]},
					label: {formatter: 'clipped', color: ink.bad, position: 'end', rotate: 0}, data: ends.map((xAxis) => ({xAxis}))}} : {})},
			{type: 'custom', data: ticks.map((x) => [x, log ? floor : 0]), silent: true, z: 4, clip: true, renderItem: gridTick(overlay?.name ?? '', ink)},
		],
	});
}

function gridTick(format: string, ink: Ink): (params: unknown, api: RenderApi) => unknown {
	return (_params, api) => {
		const [x, y] = api.coord([api.value(0), api.value(1)]);
		return {type: 'line', shape: {x1: x, y1: y, x2: x, y2: y - 46}, style: {stroke: formatLook(format, ink).colour, lineWidth: 1, opacity: .85}};
	};
}
