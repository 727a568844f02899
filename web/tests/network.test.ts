// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {DiagnoseResult, Graph, PtqResult} from '../src/api/client';
import {BOX, boxesOf, chains, edgesOf, fit, hit, layoutOf, shade, showing, step, visible, zoomed, type Edge, type Layout} from '../src/charts/network';
import {MEASURES, ofDiagnosis, ofMacs, ofSweep, scaleOf, shadeOf, waysOf} from '../src/pages/graph';

const node = (name: string, inputs: (string | null)[], outputs: string[] = [name]) => ({name, type: 'Conv', inputs, outputs});
/* a -> b -> c -> d, and a -> d */
const residual = [node('a', ['x', 'w']), node('b', ['a']), node('c', ['b']), node('d', ['c', 'a', null])];
const EDGES: Edge[] = [[0, 1], [1, 2], [2, 3], [0, 3]];

describe('the edges of a network', () => {
	it('lead from what makes a value to what reads it, once, and from no weight', () => {
		expect(edgesOf(residual)).toEqual(EDGES);
		expect(edgesOf([node('a', ['x']), node('b', ['a', 'a'])])).toEqual([[0, 1]]);
	});
	it('make runs of nodes that feed one another alone', () => {
		expect(chains(4, EDGES)).toEqual([[0], [1, 2], [3]]);
		expect(chains(3, [[0, 1], [1, 2]])).toEqual([[0, 1, 2]]);
		expect(chains(2, [])).toEqual([[0], [1]]);
	});
	it('become boxes as high as their runs', () => {
		const b = boxesOf(4, EDGES);
		expect(b.heights).toEqual([BOX.height, 2 * BOX.height + BOX.gap, BOX.height]);
		expect(b.edges).toEqual([[0, 1], [1, 2], [0, 2]]);
	});
});

const layout = (): Layout => layoutOf(4, boxesOf(4, EDGES), {boxes: [{x: 100, y: 20}, {x: 100, y: 107}, {x: 100, y: 200}], lines: [[{x: 100, y: 40}, {x: 100, y: 60}]]});

describe('a layout', () => {
	it('puts the nodes of a run below each other, with lines between them', () => {
		const l = layout();
		expect(l.at.map((p) => p.y)).toEqual([0, 60, 60 + BOX.height + BOX.gap, 180]);
		expect(new Set(l.at.map((p) => p.x))).toEqual(new Set([100 - BOX.width / 2]));
		expect(l.lines).toHaveLength(2);
		expect([l.width, l.height]).toEqual([100 + BOX.width / 2, 220]);
	});
	it('is seen whole, or from its beginning at a scale that can be read', () => {
		const long: Layout = {at: Array.from({length: 3000}, (_, i) => ({x: 0, y: i * 54})), lines: [], width: BOX.width, height: 3000 * 54};
		const whole = fit(long, 800, 600, true);
		expect(visible(long, whole, 800, 600)).toHaveLength(3000);
		const first = fit(long, 800, 600, false);
		expect(first.scale).toBeGreaterThan(0.5);
		expect(visible(long, first, 800, 600)[0]).toBe(0);
		expect(visible(long, first, 800, 600).length).toBeLessThan(20);
	});
	it('keeps the point under the pointer where it is while it is zoomed, within bounds', () => {
		const v = {x: 10, y: 20, scale: 1};
		const z = zoomed(v, 2, {x: 100, y: 50});
		expect([z.x + 100 / z.scale, z.y + 50 / z.scale]).toEqual([110, 70]);
		expect(zoomed(v, 1e9, {x: 0, y: 0}).scale).toBe(3);
		expect(zoomed(v, 1e-9, {x: 0, y: 0}).scale).toBe(0.002);
	});
	it('is moved to a node that is not in view, and left where it is otherwise', () => {
		const l = layout();
		const v = {x: 0, y: 0, scale: 1};
		expect(showing(v, l, 0, 400, 300)).toBe(v);
		expect(showing({...v, y: 5000}, l, 3, 400, 300)).toEqual({scale: 1, x: 100 - 200, y: 200 - 150});
		expect(showing({...v, scale: 0.01}, l, 3, 400, 300).scale).toBe(0.5);
	});
	it('finds the node under a point', () => {
		expect(hit(layout(), {x: 0, y: 0, scale: 2}, {x: 200, y: 20})).toBe(0);
		expect(hit(layout(), {x: 0, y: 0, scale: 2}, {x: 200, y: 100})).toBe(-1);
	});
	it('is walked along its edges, and sideways', () => {
		const l: Layout = {at: [{x: 0, y: 0}, {x: -200, y: 60}, {x: 0, y: 60}, {x: 300, y: 60}, {x: 0, y: 120}], lines: [], width: 500, height: 200};
		const edges: Edge[] = [[0, 1], [0, 2], [0, 3], [1, 4], [2, 4], [3, 4]];
		expect([step(l, edges, 0, 'down'), step(l, edges, 2, 'left'), step(l, edges, 2, 'right'), step(l, edges, 4, 'up'), step(l, edges, 4, 'down'), step(l, edges, -1, 'down')]).toEqual([2, 1, 3, 2, 4, 0]);
	});
});

describe('what a job says of a node', () => {
	const nodes = residual as unknown as Graph['nodes'];
	const a = nodes[0] as Graph['nodes'][number];
	const sweep = {type: 'ptq', float: {latency: {profile: {steps: [{node: 'a', kind: 'float', ns: 900}]}}}, schemes: [{scheme: 'int8', latency: {profile: {steps: [{node: 'a', kind: 'quantize', ns: 100}, {node: 'a', kind: 'int8', ns: 400, share: 0.5}]}},
		tensors: [{name: 'a', kind: 'activation', layer: 'a', format: 'uint8', sqnr_db: 40, network_sqnr_db: 30}, {name: 'w', kind: 'weight', layer: '', format: 'int8', sqnr_db: 35}, {name: 'b', kind: 'activation', layer: 'b', format: 'uint8', sqnr_db: null, exact: true}]}]} as unknown as PtqResult;
	it('is the lowest SQNR of its tensors, by layer and by name, and the sum of its steps', () => {
		expect(ofSweep(sweep, 'int8', 'sqnr')(a)).toMatchObject({value: 35, text: '35.0 dB', details: [{name: 'activation a', value: 'uint8 40.0 dB, in the network 30.0 dB'}, {name: 'weight w', value: 'int8 35.0 dB'}, {name: 'time quantize'}, {name: 'time int8', value: '400 ns, 50.0 % of the query'}]});
		expect(ofSweep(sweep, 'int8', 'network')(a).value).toBe(30);
		expect(ofSweep(sweep, 'int8', 'time')(a)).toMatchObject({value: 500, text: '500 ns'});
		expect(ofSweep(sweep, 'float', 'time')(a).value).toBe(900);
		expect(ofSweep(sweep, 'int8', 'sqnr')(nodes[1] as Graph['nodes'][number])).toMatchObject({value: null, details: [{value: 'uint8 exact'}]});
		expect(waysOf(sweep)).toEqual(['sqnr', 'network', 'time', 'macs']);
	});
	it('is a share of the noise where layers were tried', () => {
		const d = {type: 'diagnose', tensors: [], layers: [{layer: 'a', noise_share: 0.25, only: {delta: -1, output_sqnr_db: 20}, all_but: {delta: -3, output_sqnr_db: 10}}]} as unknown as DiagnoseResult;
		expect(ofDiagnosis(d, 'sensitivity')(a)).toMatchObject({value: 0.25, text: '25.0 %'});
		expect(waysOf(d)[0]).toBe('sensitivity');
		expect(ofMacs(ofDiagnosis(d, 'macs'))({...a, macs: 2e6})).toMatchObject({value: 2e6, text: '2.00 M MACs', details: [{name: 'share of the noise'}, {}, {}]});
		expect(waysOf(null)).toEqual(['macs']);
	});
	it('has the red end of the colours where it hurts, with a text that is read on it', () => {
		const red = shade(0).fill;
		expect(shadeOf(10, scaleOf([10, 20, null], MEASURES.sqnr), MEASURES.sqnr)?.fill).toBe(red);
		expect(shadeOf(0.9, scaleOf([0, 0.9], MEASURES.sensitivity), MEASURES.sensitivity)?.fill).toBe(red);
		expect(shadeOf(1000, scaleOf([1, 1000, 0], MEASURES.time), MEASURES.time)?.fill).toBe(red);
		expect(shadeOf(0, scaleOf([1, 1000], MEASURES.time), MEASURES.time)).toBeNull();
		expect(shadeOf(null, null, MEASURES.sqnr)).toBeNull();
		expect([shade(0).text, shade(0.5).text, shade(1).text]).toEqual(['#ffffff', '#10161d', '#ffffff']);
	});
});
