// SPDX-License-Identifier: Apache-2.0
// Gates of multiply-accumulate units, stacked by part; beside each, what was published.
import {grouped} from '../base/units';
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface Unit {
	name: string;
	parts: Readonly<Record<string, number>>;
	gates: number;
	published: number | null;
}

export function gatesHeight(units: readonly Unit[]): number {
	return 100 + units.reduce((sum, u) => sum + (u.published === null ? 36 : 48), 0);
}

interface Hit {
	seriesName: string;
	dataIndex: number;
	value: number | null;
	marker: string;
}

export function gatesChart(units: readonly Unit[], narrow: boolean): (ink: Ink) => Option {
	const parts = [...new Set(units.flatMap((u) => Object.keys(u.parts)))].filter((p) => units.some((u) => (u.parts[p] ?? 0) > 0));
	const anyPublished = units.some((u) => u.published !== null);
	return (ink) => ({
		aria: {enabled: true, decal: {show: true, decals: decals(ink)}, label: {enabled: false}},
		legend: legend(ink),
		grid: {left: 8, right: 56, top: narrow ? 76 : 52, bottom: 38, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: (raw: unknown) => {
			const hits = raw as Hit[];
			const unit = units[hits[0]?.dataIndex ?? -1];
			return unit ? `<b>${escaped(unit.name)}</b><br>${hits.filter((h) => h.value).map((h) => `${h.marker} ${escaped(h.seriesName)} ${grouped(h.value)}`).join('<br>')}` +
				`<br><b>${grouped(unit.gates)} gates</b>` : '';
		}},
		xAxis: axis(ink, 'x', {name: '2-input gates', label: grouped}),
		yAxis: {type: 'category', inverse: true, data: units.map((u) => u.name), axisLine: {lineStyle: {color: ink.line}}, axisTick: {show: false},
			axisLabel: {color: ink.text, interval: 0}},
		series: [
			...parts.map((part, i) => ({name: part, type: 'bar', stack: 'ours', barMaxWidth: 18, barGap: '15%', itemStyle: {color: look(i, ink).colour, borderColor: ink.card, borderWidth: 1},
				data: units.map((u) => u.parts[part] ?? 0),
				...(i === parts.length - 1 ? {label: {show: true, position: 'right', color: ink.text, formatter: (h: {dataIndex: number}) => grouped(units[h.dataIndex]?.gates)}} : {})})),
			...(anyPublished ? [{name: 'published', type: 'bar', stack: 'published', barMaxWidth: 12, data: units.map((u) => u.published),
				itemStyle: {color: 'transparent', borderColor: ink.text, borderWidth: 1.5, borderType: 'dashed', decal: {symbol: 'none'}},
				label: {show: true, position: 'right', color: ink.dim, formatter: (h: {value: number | null}) => (h.value ? grouped(h.value) : '')}}] : []),
		],
	});
}

/** Patterns of the parts, so that a print in grey can still be read. */
function decals(ink: Ink): unknown[] {
	const color = ink.dark ? 'rgba(0,0,0,.35)' : 'rgba(255,255,255,.45)';
	const lines = (rotation: number, gap: number) => ({symbol: 'rect', color, dashArrayX: [1, 0], dashArrayY: [2, gap], rotation});
	return [{symbol: 'none'}, lines(Math.PI / 4, 5), {symbol: 'circle', color, dashArrayX: [[6, 6], [0, 6, 6, 0]], dashArrayY: [6, 0], symbolSize: .6}, lines(-Math.PI / 4, 5),
		lines(0, 4), lines(Math.PI / 2, 4), {symbol: 'rect', color, dashArrayX: [[4, 4], [0, 4, 4, 0]], dashArrayY: [4, 0]}, lines(Math.PI / 6, 9)];
}
