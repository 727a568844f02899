// SPDX-License-Identifier: Apache-2.0
// Where latent weights lie between the integers of their grid: over the steps of a training as a heat map, at one of them as bars.
import {share, signed} from '../base/units';
import {axis, tooltip, type Ink, type Option} from './echarts';

export interface Latent {
	steps: readonly number[];
	share: readonly (readonly number[])[]; /* of each step, by bin: the first and last are at thresholds, the middle at an integer */
}

/** The middle of a bin, in steps of the grid from the nearest integer. */
export function place(bin: number, bins: number): number {
	return (bin + 0.5) / bins - 0.5;
}

export function placeText(x: number): string {
	return signed(x, 4);
}

/* Where bins have their names: thresholds, quarters and the integer. */
function named(bin: number, bins: number): string {
	const at = bin / bins;
	return bin === 0 ? '−½ threshold' : bin === bins - 1 ? '+½ threshold' : at === 0.5 ? '0 integer' : at === 0.25 ? '−¼' : at === 0.75 ? '+¼' : '';
}

/** at: the step that is looked at, by its place. */
export function latentHeat(latent: Latent, at: number): (ink: Ink) => Option {
	const bins = latent.share[0]?.length ?? 0;
	const data = latent.share.flatMap((row, x) => row.map((s, y) => [x, y, s]));
	const all = latent.share.flat();
	const least = all.reduce((a, b) => Math.min(a, b), 1);
	const most = all.reduce((a, b) => Math.max(a, b), least + 1e-9);
	return (ink) => ({
		grid: {left: 8, right: 12, top: 10, bottom: 74, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (raw: unknown) => {
			const [x, y, s] = (raw as {value: [number, number, number]}).value;
			return `step ${latent.steps[x] ?? ''}<br>${placeText(place(y, bins))} of a grid step from the integer<br><b>${share(s)}</b> of the weights`;
		}},
		xAxis: {type: 'category', data: latent.steps.map(String), name: 'step', nameLocation: 'middle', nameGap: 26, nameTextStyle: {color: ink.dim}, axisLabel: {color: ink.dim, hideOverlap: true}, axisTick: {show: false}, axisLine: {show: false}},
		yAxis: {type: 'category', data: Array.from({length: bins}, (_, i) => String(i)), axisTick: {show: false}, axisLine: {show: false},
			axisLabel: {color: ink.dim, interval: (i: number) => named(i, bins) !== '', formatter: (_: string, i: number) => named(i, bins)}},
		visualMap: {min: least, max: most, calculable: false, orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 140, itemWidth: 10, text: [`${share(most)} of the weights`, share(least)], textStyle: {color: ink.dim},
			inRange: {color: ink.dark ? ['#19202a', '#27507e', '#58b4f0', '#e9f6ff'] : ['#ffffff', '#a9cdea', '#2a7ab8', '#0b2c4d']}},
		series: [{type: 'heatmap', data, itemStyle: {borderWidth: 0},
			markLine: {silent: true, symbol: 'none', animation: false, label: {show: false}, lineStyle: {color: ink.bad, type: 'solid', width: 2}, data: [{xAxis: at}]}}],
	});
}

export function latentBars(shares: readonly number[], most: number): (ink: Ink) => Option {
	const bins = shares.length;
	return (ink) => ({
		grid: {left: 8, right: 18, top: 24, bottom: 38, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: (raw: unknown) => {
			const i = (raw as {dataIndex: number}[])[0]?.dataIndex ?? 0;
			return `${placeText(place(i, bins))}: <b>${share(shares[i])}</b>`;
		}},
		xAxis: {type: 'category', data: shares.map((_, i) => placeText(place(i, bins))), name: 'distance to the integer, in steps of the grid', nameLocation: 'middle', nameGap: 26, nameTextStyle: {color: ink.dim},
			axisLabel: {color: ink.dim, interval: (i: number) => named(i, bins) !== '', formatter: (_: string, i: number) => named(i, bins).split(' ')[0] ?? ''}, axisTick: {show: false}, axisLine: {lineStyle: {color: ink.line}}},
		yAxis: {...axis(ink, 'y', {label: share}), min: 0, max: most > 0 ? most : 1},
		series: [{type: 'bar', barCategoryGap: '8%', data: shares, itemStyle: {color: ink.accent}}],
	});
}
