// SPDX-License-Identifier: Apache-2.0
// Lays boxes out in layers, off the page's own thread.
import {graphlib, layout} from '@dagrejs/dagre';
import {BOX, type Boxes, type Placed} from './network';

self.onmessage = (e: MessageEvent<Boxes>) => {
	const g = new graphlib.Graph();
	g.setGraph({rankdir: 'TB', nodesep: 26, ranksep: 34, edgesep: 12, ranker: 'tight-tree'});
	g.setDefaultEdgeLabel(() => ({}));
	e.data.heights.forEach((height, i) => { g.setNode(String(i), {width: BOX.width, height}); });
	for (const [from, to] of e.data.edges) { g.setEdge(String(from), String(to)); }
	layout(g);
	const placed: Placed = {boxes: e.data.heights.map((_, i) => { const {x, y} = g.node(String(i)) as {x: number; y: number}; return {x, y}; }),
		lines: e.data.edges.map(([from, to]) => ((g.edge(String(from), String(to)) as {points?: {x: number; y: number}[]}).points ?? []).map(({x, y}) => ({x, y})))};
	self.postMessage(placed);
};
