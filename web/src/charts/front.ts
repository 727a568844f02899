// SPDX-License-Identifier: Apache-2.0
// What quality a budget buys: the front of a search for mixed precision, and the point that it chose.
import {decibel, isNumber} from '../base/units';
import {axis, escaped, legend, look, tooltip, type Ink, type Option} from './echarts';

export interface FrontPoint {
	cost: number;
	predicted_db: number | null;
	measured_db: number | null;
	text: string;
}

export function frontChart(points: readonly FrontPoint[], chosen: FrontPoint | null, budget: number, name: string, text: (x: number) => string): (ink: Ink) => Option {
	const measured = points.filter((p) => isNumber(p.measured_db));
	return (ink) => ({
		legend: legend(ink),
		grid: {left: 34, right: 30, top: 40, bottom: 38, containLabel: true},
		tooltip: {...tooltip(ink), formatter: (raw: unknown) => {
			const hit = raw as {seriesIndex: number; dataIndex: number};
			const p = hit.seriesIndex === 2 ? chosen : (hit.seriesIndex === 1 ? measured : points)[hit.dataIndex];
			return p ? `${text(p.cost)}<br>predicted ${decibel(p.predicted_db)}, measured ${decibel(p.measured_db)}<br>${escaped(p.text)}` : '';
		}},
		xAxis: {...axis(ink, 'x', {name, label: text}), scale: true},
		yAxis: {...axis(ink, 'y', {name: 'output SQNR in dB'}), scale: true},
		series: [
			{name: 'predicted', type: 'line', data: points.map((p) => [p.cost, p.predicted_db]), symbol: look(0, ink).symbol, symbolSize: 5, lineStyle: {color: look(0, ink).colour}, itemStyle: {color: look(0, ink).colour},
				markLine: {silent: true, symbol: 'none', animation: false, data: [{xAxis: budget}], lineStyle: {color: ink.dim, type: [4, 3]}, label: {formatter: `budget ${text(budget)}`, color: ink.text, rotate: 0}}},
			{name: 'measured', type: 'line', data: measured.map((p) => [p.cost, p.measured_db]), symbol: look(1, ink).symbol, symbolSize: 8, lineStyle: {color: look(1, ink).colour, type: look(1, ink).dash}, itemStyle: {color: look(1, ink).colour}},
			...(chosen ? [{name: 'chosen', type: 'line', data: [[chosen.cost, chosen.measured_db]], symbol: 'pin', symbolSize: 34, itemStyle: {color: ink.bad}}] : []),
		],
	});
}
