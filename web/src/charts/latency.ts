// SPDX-License-Identifier: Apache-2.0
// Latency of a network under several formats: the median as a bar, up to the 90th and 99th percentile as whiskers.
import {isNumber, latency} from '../base/units';
import {escaped, formatLook, tooltip, type Ink, type Option} from './echarts';

export interface LatencyBar {
	scheme: string;
	execution: string;
	p50_ns: number | null;
	p90_ns: number | null;
	p99_ns: number | null;
	count: number;
	short: boolean;
}

export function latencyHeight(bars: number): number {
	return 70 + bars * 34;
}

export function latencyChart(bars: readonly LatencyBar[]): (ink: Ink) => Option {
	const names = bars.map((b) => `${b.scheme}${b.execution === 'emulated' ? ' (emulated)' : ''}`);
	const most = Math.max(1, ...bars.map((b) => b.p99_ns ?? b.p50_ns ?? 0));
	const scale = most >= 1e9 ? 1e9 : most >= 1e6 ? 1e6 : most >= 1e3 ? 1e3 : 1;
	const unit = {1e9: 's', 1e6: 'ms', 1e3: 'µs', 1: 'ns'}[scale];
	return (ink) => ({
		grid: {left: 8, right: 24, top: 10, bottom: 36, containLabel: true},
		tooltip: {...tooltip(ink), trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: (hits: unknown) => {
			const bar = bars[(hits as {dataIndex: number}[])[0]?.dataIndex ?? -1];
			return bar ? `<b>${escaped(bar.scheme)}</b> ${escaped(bar.execution)}<br>p50 ${latency(bar.p50_ns)}<br>p90 ${latency(bar.p90_ns)}` +
				`<br>p99 ${latency(bar.p99_ns)}<br>${bar.count} queries${bar.short ? ', short run' : ''}` : '';
		}},
		xAxis: {type: 'value', name: unit, nameLocation: 'middle', nameGap: 24, nameTextStyle: {color: ink.dim}, axisLabel: {color: ink.dim},
			splitLine: {lineStyle: {color: ink.line}}},
		yAxis: {type: 'category', inverse: true, data: names, axisLabel: {color: ink.text}, axisLine: {lineStyle: {color: ink.line}}, axisTick: {show: false}},
		series: [
			{type: 'bar', barMaxWidth: 18, data: bars.map((b) => ({value: isNumber(b.p50_ns) ? b.p50_ns / scale : null, itemStyle: b.execution === 'emulated'
				? {color: ink.soft, borderColor: ink.dim, borderType: 'dashed', borderWidth: 1} : {color: b.scheme === 'float' ? ink.dim : formatLook(b.scheme, ink).colour}}))},
			{type: 'custom', z: 5, data: bars.map((b, i) => [i, (b.p50_ns ?? NaN) / scale, (b.p90_ns ?? NaN) / scale, (b.p99_ns ?? NaN) / scale]),
				encode: {x: [1, 2, 3], y: 0}, renderItem: whiskers(ink)},
		],
	});
}

interface RenderApi {
	value(dimension: number): number;
	coord(point: [number, number]): [number, number];
}

function whiskers(ink: Ink): (params: unknown, api: RenderApi) => unknown {
	return (_params, api) => {
		const row = api.value(0);
		const [x50 = 0, y = 0] = api.coord([api.value(1), row]);
		const x90 = api.coord([api.value(2), row])[0];
		const x99 = api.coord([api.value(3), row])[0];
		const line = (x1: number, y1: number, x2: number, y2: number) =>
			({type: 'line', shape: {x1, y1, x2, y2}, style: {stroke: ink.text, lineWidth: 1.4}});
		return {type: 'group', children: [line(x50, y, x99, y), line(x90, y - 5, x90, y + 5), line(x99, y - 8, x99, y + 8)]};
	};
}
