// SPDX-License-Identifier: Apache-2.0
// Sums of parts side by side, each part with a colour and a pattern: gates of a unit, times of a network's operators.
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface Bar {
	name: string;
	parts: Readonly<Record<string, number>>;
	total: number;
	beside: number | null; /* drawn dashed, below the bar: what was published */
}

export interface Words {
	axis: string;
	beside: string;
	text: (x: number | null | undefined) => string;
}

export function stackedHeight(bars: readonly Bar[]): number {
	return 100 + bars.reduce((sum, b) => sum + (b.beside === null ? 36 : 48), 0);
}

interface Hit {
	seriesName: string;
	dataIndex: number;
	value: number | null;
	marker: string;
}

export function stacked(bars: readonly Bar[], words: Words, narrow: boolean): (ink: Ink) => Option {
	const parts = [...new Set(bars.flatMap((b) => Object.keys(b.parts)))].filter((p) => bars.some((b) => (b.parts[p] ?? 0) > 0));
	const anyBeside = bars.some((b) => b.beside !== null);
	const end = (b: Bar | undefined): string => (b ? words.text(b.total) : '');
	return (ink) => ({
		aria: {enabled: true, decal: {show: true, decals: decals(ink)}, label: {enabled: false}},
		legend: legend(ink),
		grid: {left: 8, right: 64, top: narrow ? 30 + 22 * Math.ceil(parts.length / 3) : 30 + 22 * Math.ceil(parts.length / 8), bottom: 38, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: (raw: unknown) => {
			const hits = raw as Hit[];
			const bar = bars[hits[0]?.dataIndex ?? -1];
			return bar ? `<b>${escaped(bar.name)}</b><br>${hits.filter((h) => h.value).map((h) => `${h.marker} ${escaped(h.seriesName)} ${words.text(h.value)}`).join('<br>')}` +
				`<br><b>${words.text(bar.total)}</b>` : '';
		}},
		xAxis: axis(ink, 'x', {name: words.axis, label: words.text}),
		yAxis: {type: 'category', inverse: true, data: bars.map((b) => b.name), axisLine: {lineStyle: {color: ink.line}}, axisTick: {show: false},
			axisLabel: {color: ink.text, interval: 0}},
		series: [
			...parts.map((part, i) => ({name: part, type: 'bar', stack: 'parts', barMaxWidth: 18, barGap: '15%', itemStyle: {color: look(i, ink).colour, borderColor: ink.card, borderWidth: 1},
				data: bars.map((b) => b.parts[part] ?? 0),
				...(i === parts.length - 1 ? {label: {show: true, position: 'right', color: ink.text, formatter: (h: {dataIndex: number}) => end(bars[h.dataIndex])}} : {})})),
			...(anyBeside ? [{name: words.beside, type: 'bar', stack: 'beside', barMaxWidth: 12, data: bars.map((b) => b.beside),
				itemStyle: {color: 'transparent', borderColor: ink.text, borderWidth: 1.5, borderType: 'dashed', decal: {symbol: 'none'}},
				label: {show: true, position: 'right', color: ink.dim, formatter: (h: {value: number | null}) => (h.value ? words.text(h.value) : '')}}] : []),
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
