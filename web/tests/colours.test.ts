// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {formatLook, formatPlace, type Ink} from '../src/charts/echarts';
import {numberLine, stepChart} from '../src/charts/numberline';
import {paretoChart, type ParetoPoint} from '../src/charts/pareto';
import {sqnrBars, sqnrLines} from '../src/charts/sqnr';

const ink = {text: '#000', dim: '#777', line: '#ddd', card: '#fff', accent: '#00f', soft: '#eee', bad: '#f00', dark: false} as Ink;
const KNOWN = ['int8', 'E2', 'E3', 'E4', 'E5', 'int4', 'mxfp4', 'nf4', 'e4m3fn', 'e5m2', 'int6', 'log4', 'mxint8', 'nvfp4', 'w4a8', 'w4a4'];
type Series = {name: string; itemStyle: {color: string}; data: {name?: string; itemStyle?: {color: string; borderColor?: string}}[]}[];

describe('a format', () => {
	it('has one colour in every chart, whatever stands beside it', () => {
		const of = (option: Record<string, unknown>, name: string): string | undefined => (option.series as Series).find((s) => s.name === name)?.itemStyle.color;
		const e4 = formatLook('E4', ink).colour;
		const bar = (format: string) => ({distribution: 'd', format, sqnr_db: 1, best: false});
		expect(of(sqnrBars([bar('E4')])(ink), 'E4')).toBe(e4);
		expect(of(sqnrBars([bar('int8'), bar('nf4'), bar('E4')])(ink), 'E4')).toBe(e4);
		expect(of(sqnrLines([{format: 'E4', value: 1, sqnr_db: 1}], [], 'nu', false, null)(ink), 'E4')).toBe(e4);
		expect(of(stepChart([{name: 'int8', values: [1, 2], hit: null}, {name: 'E4', values: [1, 2, 4], hit: null}])(ink), 'E4')).toBe(e4);
		const line = (numberLine([{name: 'int8', values: [0, 1], hit: null}, {name: 'E4', values: [0, 1], hit: null}], false, null)(ink).series as {renderItem: (p: unknown, api: unknown) => {style: {stroke: string}}}[])[0];
		expect(line?.renderItem(null, {value: (d: number) => [0.5, 1][d], coord: () => [0, 0]}).style.stroke).toBe(e4);
		const point = (series: string, name: string): ParetoPoint => ({key: name + series, series, name, cost: 1, change: 0, low: null, high: null, front: true, detail: ''});
		const dots = (points: ParetoPoint[]): (string | undefined)[] => (paretoChart(points, {cost: '', change: '', digits: 1, costText: String}, {cost: null, change: null, lowest: null})(ink).series as Series).flatMap((s) => s.data.filter((d) => d.name === 'E4').map((d) => d.itemStyle?.color));
		expect(dots([point('a', 'int8'), point('a', 'E4')])).toEqual([e4]);
	});
	it('has the same one under each of its names', () => {
		expect(['fp8_e4m3', 'E4'].map(formatPlace)).toEqual([3, 3]);
		expect(['int8', 'uint8', 'uint8_asym', 'int8_asym', 'w8a8'].map(formatPlace)).toEqual([0, 0, 0, 0, 0]);
		expect(formatPlace('w4a4')).not.toBe(formatPlace('int4'));
		expect(formatPlace('mine')).toBe(formatPlace('mine'));
		expect(formatPlace('mine')).toBeGreaterThanOrEqual(24);
	});
	it('is told from every other that is known by two of colour, dash and sign', () => {
		const looks = KNOWN.map((n) => formatLook(n, ink));
		for (const [i, a] of looks.entries()) {
			for (const b of looks.slice(i + 1)) {
				expect(Number(a.colour === b.colour) + Number(String(a.dash) === String(b.dash) && a.symbol === b.symbol)).toBeLessThan(2);
			}
		}
	});
});
