// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {placed, walk} from '../src/charts/walk';

const at = (series: number, index: number) => ({series, index});

describe('a walk through curves', () => {
	const curves = {series: [{silent: true, data: [[0, 0]]}, {data: [[0, 1], [10, null], [20, 3]]}, {data: [[5, 1], [19, 2]]}]};
	it('begins with what can be pointed at, and passes over gaps', () => {
		expect(walk(curves, null, 'ArrowRight')).toEqual(at(1, 0));
		expect(walk(curves, at(1, 0), 'ArrowRight')).toEqual(at(1, 2));
		expect(walk(curves, at(1, 2), 'ArrowLeft')).toEqual(at(1, 0));
		expect(walk(curves, at(1, 2), 'ArrowRight')).toBeNull();
		expect([walk(curves, at(1, 0), 'End'), walk(curves, at(1, 2), 'Home')]).toEqual([at(1, 2), at(1, 0)]);
	});
	it('goes to the nearest of another series', () => {
		expect(walk(curves, at(1, 2), 'ArrowDown')).toEqual(at(2, 1));
		expect(walk(curves, at(2, 0), 'ArrowUp')).toEqual(at(1, 0));
		expect(walk(curves, at(2, 1), 'ArrowDown')).toEqual(at(1, 2));
	});
	it('of nothing leads nowhere', () => {
		expect(walk({series: []}, null, 'ArrowRight')).toBeNull();
	});
});

describe('a walk through a heat map', () => {
	const map = {yAxis: {inverse: true}, series: [{data: [{value: [0, 0, 5]}, {value: [1, 0, 6]}, {value: [0, 1, '-']}, {value: [1, 1, 7]}, {value: [0, 2, 8]}]}]};
	it('follows rows and columns as they are drawn', () => {
		expect(walk(map, at(0, 0), 'ArrowRight')).toEqual(at(0, 1));
		expect(walk(map, at(0, 1), 'ArrowDown')).toEqual(at(0, 3));
		expect(walk(map, at(0, 0), 'ArrowDown')).toEqual(at(0, 4)); // over what was not measured
		expect(walk({...map, yAxis: {}}, at(0, 4), 'ArrowDown')).toEqual(at(0, 0));
		expect(walk(map, at(0, 1), 'ArrowRight')).toBeNull();
	});
});

describe('a walk through bars', () => {
	const bars = {series: [{data: [3, 4]}, {data: [5, {value: 6, key: 'two'}]}]};
	it('goes along a series and to the same place of another', () => {
		expect(walk(bars, at(0, 1), 'ArrowUp')).toEqual(at(1, 1));
		expect(walk({series: [{data: [3, 4]}]}, at(0, 0), 'ArrowDown')).toEqual(at(0, 1));
	});
	it('tells where it is and what a press would', () => {
		expect(placed(bars, at(1, 1))).toEqual({x: 1, y: 6, key: 'two'});
		expect(placed(bars, at(0, 0))).toEqual({x: 0, y: 3, key: null});
	});
});
