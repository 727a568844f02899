// SPDX-License-Identifier: Apache-2.0
// SQNR of formats: as bars for each distribution, and along a sweep, with the places where another format becomes the best.
import {decibel, fixed, isNumber, value} from '../base/units';
import {axis, escaped, formatLook, legend, tooltip, type Ink, type Option} from './echarts';

export interface SqnrBar {
	distribution: string;
	format: string;
	sqnr_db: number | null;
	best: boolean;
}

const unique = (names: readonly string[]): string[] => [...new Set(names)];

export function sqnrBarsHeight(bars: readonly SqnrBar[]): number {
	return 80 + unique(bars.map((b) => b.distribution)).length * (22 + unique(bars.map((b) => b.format)).length * 19);
}

export function sqnrBars(bars: readonly SqnrBar[]): (ink: Ink) => Option {
	const distributions = unique(bars.map((b) => b.distribution));
	const formats = unique(bars.map((b) => b.format));
	const at = (distribution: string, format: string) => bars.find((b) => b.distribution === distribution && b.format === format);
	return (ink) => ({
		grid: {left: 8, right: 64, top: 8, bottom: 36, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (raw: unknown) => {
			const hit = raw as {seriesName: string; name: string};
			return `${escaped(hit.name)}<br><b>${escaped(hit.seriesName)}</b> ${decibel(at(hit.name, hit.seriesName)?.sqnr_db)}`;
		}},
		xAxis: axis(ink, 'x', {name: 'SQNR in dB', label: value}),
		yAxis: {type: 'category', inverse: true, data: distributions, axisLine: {lineStyle: {color: ink.line}}, axisTick: {show: false},
			axisLabel: {color: ink.text, interval: 0, width: 130, overflow: 'break', show: distributions.length > 1}},
		series: formats.map((format) => ({name: format, type: 'bar', barMaxWidth: 16, itemStyle: {color: formatLook(format, ink).colour},
			data: distributions.map((d) => at(d, format)?.sqnr_db ?? null),
			label: {show: true, position: 'right', color: ink.text, fontSize: 11,
				formatter: (h: {name: string}) => { const b = at(h.name, format); return b ? `${b.best ? '★ ' : ''}${format} ${fixed(b.sqnr_db, 1)}` : ''; }}})),
	});
}

export interface SweepPoint {
	format: string;
	value: number;
	sqnr_db: number | null;
}

export interface Crossing {
	from: number;
	to: number;
	before: string;
	after: string;
}

export function sqnrLines(points: readonly SweepPoint[], crossings: readonly Crossing[], name: string, log: boolean, mark: number | null): (ink: Ink) => Option {
	const formats = unique(points.map((p) => p.format));
	const middle = (c: Crossing): number => (log ? Math.sqrt(c.from * c.to) : (c.from + c.to) / 2);
	return (ink) => ({
		legend: legend(ink),
		grid: {left: 34, right: 24, top: formats.length > 8 ? 80 : 54, bottom: 36, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', formatter: (raw: unknown) => {
			const hits = (raw as {seriesName: string; value: [number, number | null]; marker: string}[]).filter((h) => isNumber(h.value[1]));
			return `${escaped(name)} ${value(hits[0]?.value[0])}<br>` + [...hits].sort((a, b) => (b.value[1] ?? 0) - (a.value[1] ?? 0))
				.map((h, i) => `${h.marker} ${i === 0 ? '★ ' : ''}${escaped(h.seriesName)} <b>${decibel(h.value[1])}</b>`).join('<br>');
		}},
		xAxis: {...axis(ink, 'x', {name, log, label: value}), min: 'dataMin', max: 'dataMax'},
		yAxis: {...axis(ink, 'y', {name: 'SQNR in dB'}), scale: true},
		series: formats.map((format, i) => ({name: format, type: 'line', data: points.filter((p) => p.format === format).map((p) => [p.value, p.sqnr_db]),
			symbol: formatLook(format, ink).symbol, symbolSize: 6, showSymbol: true, lineStyle: {color: formatLook(format, ink).colour, type: formatLook(format, ink).dash, width: 2}, itemStyle: {color: formatLook(format, ink).colour},
			...(i === 0 ? {markLine: {silent: true, symbol: 'none', animation: false, precision: 15, data: [
				...crossings.map((c) => ({xAxis: middle(c), lineStyle: {color: ink.dim, type: 'solid', width: 1}, label: {formatter: `${c.before} ▸ ${c.after}`, color: ink.text, position: 'end', rotate: 0}})),
				...(mark === null ? [] : [{xAxis: mark, lineStyle: {color: ink.bad, type: [4, 3], width: 1.5}, label: {formatter: value(mark), color: ink.bad, position: 'start', rotate: 0, backgroundColor: ink.card, padding: [1, 3]}}])]}} : {})})),
	});
}
