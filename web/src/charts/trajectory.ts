// SPDX-License-Identifier: Apache-2.0
// A latent weight and its quantized value, step by step, between the levels around its optimum.
import {value} from '../base/units';
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface TrajectoryPoint {
	step: number;
	latent: number;
	quantized: number;
	frozen: boolean;
}

export interface Levels {
	lower: number;
	upper: number;
	target: number;
}

export function threshold(l: Levels): number {
	return (l.lower + l.upper) / 2;
}

/** What all trajectories of a page span, so that they can be compared. */
export function extent(runs: readonly (readonly TrajectoryPoint[])[], l: Levels): [number, number] {
	const all = runs.flatMap((points) => points.flatMap((p) => [p.latent, p.quantized]));
	const low = all.reduce((a, b) => Math.min(a, b), l.lower);
	const high = all.reduce((a, b) => Math.max(a, b), l.upper);
	const margin = (high - low) * 0.08;
	return [low - margin, high + margin];
}

/** at: what comes after that step is only hinted at. */
export function trajectory(points: readonly TrajectoryPoint[], at: number, l: Levels, [low, high]: readonly [number, number]): (ink: Ink) => Option {
	const now = points[at];
	const until = (pick: (p: TrajectoryPoint) => number): [number, number][] => points.slice(0, at + 1).map((p) => [p.step, pick(p)]);
	const whole = (pick: (p: TrajectoryPoint) => number): [number, number][] => points.map((p) => [p.step, pick(p)]);
	return (ink) => {
		const mark = (yAxis: number, name: string, place: string, color: string, type: unknown): Record<string, unknown> =>
			({yAxis, lineStyle: {color, type, width: 1}, label: {formatter: name, color, position: place, distance: place === 'end' ? 10 : 3, fontSize: 11}});
		const line = (name: string, data: [number, number][], faint: boolean): Record<string, unknown> =>
			({name, type: 'line', data, showSymbol: false, silent: faint, z: faint ? 1 : 3, lineStyle: {color: look(0, ink).colour, width: faint ? 1 : 2, opacity: faint ? 0.28 : 1}, itemStyle: {color: look(0, ink).colour}});
		/* A sign a step, as long as they can be told apart. */
		const squares = (name: string, data: [number, number][], faint: boolean): Record<string, unknown> =>
			({name, type: 'scatter', data, symbol: 'rect', symbolSize: points.length <= 130 ? 5 : 2, silent: faint, z: faint ? 1 : 2, itemStyle: {color: look(1, ink).colour, opacity: faint ? 0.28 : 1}});
		return {
			legend: {...legend(ink), data: ['latent', 'quantized']},
			grid: {left: 44, right: 58, top: 32, bottom: 36, containLabel: false},
			tooltip: {...tooltip(ink), trigger: 'axis', formatter: (raw: unknown) => {
				const p = points[(raw as {value: [number, number]}[])[0]?.value[0] ?? -1];
				return p ? `step ${p.step}<br>latent <b>${escaped(value(p.latent))}</b><br>quantized <b>${escaped(value(p.quantized))}</b>${p.frozen ? '<br>frozen' : ''}` : '';
			}},
			xAxis: {...axis(ink, 'x', {name: 'step'}), min: 0, max: points.at(-1)?.step ?? 1, splitLine: {show: false}},
			yAxis: {...axis(ink, 'y', {label: (x) => value(Number(x.toPrecision(3)))}), min: low, max: high, splitLine: {show: false}, axisLabel: {color: ink.dim, showMinLabel: false, showMaxLabel: false, formatter: (x: number) => value(Number(x.toPrecision(3)))}},
			series: [
				{...line('latent', until((p) => p.latent), false), markLine: {silent: true, symbol: 'none', animation: false, precision: 12, data: [
					mark(l.upper, 'upper', 'end', ink.text, 'solid'), mark(l.lower, 'lower', 'end', ink.text, 'solid'),
					mark(threshold(l), 'threshold', 'insideStartTop', ink.dim, [2, 3]), mark(l.target, 'optimum', 'insideEndTop', ink.bad, [7, 4])]}},
				squares('quantized', until((p) => p.quantized), false),
				line('latent later', whole((p) => p.latent), true),
				squares('quantized later', whole((p) => p.quantized), true),
				...(now ? [{name: 'now', type: 'scatter', silent: true, z: 5, data: [{value: [now.step, now.latent], symbol: 'circle'}, {value: [now.step, now.quantized], symbol: 'rect'}],
					symbolSize: 10, itemStyle: {color: ink.card, borderColor: now.frozen ? ink.dim : ink.accent, borderWidth: 2.5}}] : []),
			],
		};
	};
}
