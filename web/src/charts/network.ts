// SPDX-License-Identifier: Apache-2.0
// A network as a graph: which node feeds which, where each is drawn, and what of it is in view. Runs of nodes that feed one
// another alone are laid out as one box, which is what most of a network is, so that thousands of nodes take seconds.

export interface GraphNode {
	name: string;
	type: string;
	inputs?: readonly (string | null)[] | undefined;
	outputs?: readonly (string | null)[] | undefined;
}

export type Edge = readonly [from: number, to: number];

/** Which node feeds which; each pair once. Values that no node makes, weights and inputs, make no edge. */
export function edgesOf(nodes: readonly GraphNode[]): Edge[] {
	const maker = new Map<string, number>();
	nodes.forEach((n, i) => { for (const o of n.outputs ?? []) { if (o) { maker.set(o, i); } } });
	return nodes.flatMap((n, to) => [...new Set((n.inputs ?? []).flatMap((v) => { const from = v ? maker.get(v) : undefined; return from === undefined || from === to ? [] : [from]; }))].map((from): Edge => [from, to]));
}

/** Runs of nodes of which each but the last feeds the next alone, and each but the first is fed by it alone. */
export function chains(count: number, edges: readonly Edge[]): number[][] {
	const users: number[][] = Array.from({length: count}, () => []);
	const feeders: number[][] = Array.from({length: count}, () => []);
	for (const [from, to] of edges) {
		users[from]?.push(to);
		feeders[to]?.push(from);
	}
	const follows = (i: number): number => { const next = users[i]?.length === 1 ? users[i]?.[0] ?? -1 : -1; return next >= 0 && feeders[next]?.length === 1 ? next : -1; };
	const followed = new Set(Array.from({length: count}, (_, i) => follows(i)).filter((i) => i >= 0));
	return Array.from({length: count}, (_, i) => i).filter((i) => !followed.has(i)).map((first) => {
		const run = [first];
		for (let next = follows(first); next >= 0 && next !== first; next = follows(next)) { run.push(next); }
		return run;
	});
}

export const BOX = {width: 168, height: 40, gap: 14};

/** What a layout is asked for: boxes, one a chain, and which feeds which. */
export interface Boxes {
	heights: number[];
	edges: Edge[];
	chains: number[][];
}

export function boxesOf(count: number, edges: readonly Edge[]): Boxes {
	const runs = chains(count, edges);
	const of = new Map(runs.flatMap((run, i) => run.map((node): [number, number] => [node, i])));
	const seen = new Set<string>();
	return {chains: runs, heights: runs.map((run) => run.length * (BOX.height + BOX.gap) - BOX.gap), edges: edges.flatMap(([a, b]): Edge[] => {
		const from = of.get(a) ?? 0;
		const to = of.get(b) ?? 0;
		const key = `${from} ${to}`;
		if (from === to || seen.has(key)) { return []; }
		seen.add(key);
		return [[from, to]];
	})};
}

export interface Point {
	x: number;
	y: number;
}

/** Middles of boxes, and the points of the edges between them, as a layout gives them. */
export interface Placed {
	boxes: Point[];
	lines: Point[][];
}

export interface Layout {
	at: Point[]; /* the upper left corner of each node */
	lines: Point[][]; /* of each edge that is drawn */
	width: number;
	height: number;
}

export function layoutOf(count: number, boxes: Boxes, placed: Placed): Layout {
	const at: Point[] = Array.from({length: count}, () => ({x: 0, y: 0}));
	const inside: Point[][] = [];
	boxes.chains.forEach((run, i) => {
		const middle = placed.boxes[i] ?? {x: 0, y: 0};
		run.forEach((node, k) => {
			const y = middle.y - (boxes.heights[i] ?? 0) / 2 + k * (BOX.height + BOX.gap);
			at[node] = {x: middle.x - BOX.width / 2, y};
			if (k > 0) { inside.push([{x: middle.x, y: y - BOX.gap}, {x: middle.x, y}]); }
		});
	});
	const all = [...at.map((p) => ({x: p.x + BOX.width, y: p.y + BOX.height})), ...placed.lines.flat()];
	return {at, lines: [...inside, ...placed.lines], width: all.reduce((m, p) => Math.max(m, p.x), 0), height: all.reduce((m, p) => Math.max(m, p.y), 0)};
}

/* ---- the view ---- */

export interface View {
	x: number; /* of the layout at the left edge */
	y: number;
	scale: number; /* pixels a unit of the layout */
}

const SCALES = {least: 0.002, most: 3};

/** The whole of it, or of a long one its beginning at a scale that can be read. */
export function fit(l: Layout, width: number, height: number, whole: boolean): View {
	const all = Math.min(width / (l.width + 40), height / (l.height + 40), 1.2);
	const scale = Math.max(SCALES.least, whole ? all : Math.max(all, Math.min(0.9, width / (l.width + 40), width / (3 * BOX.width)), 0.35));
	const first = l.at[0];
	const wide = l.width * scale <= width;
	return {scale, x: whole || wide || !first ? (l.width - width / scale) / 2 : first.x + BOX.width / 2 - width / scale / 2, y: whole ? (l.height - height / scale) / 2 : Math.max(-20, (first?.y ?? 0) - 20)};
}

/** Closer or further by a factor, about a point of the screen that stays where it is. */
export function zoomed(v: View, factor: number, at: Point): View {
	const scale = Math.min(SCALES.most, Math.max(SCALES.least, v.scale * factor));
	return {scale, x: v.x + at.x / v.scale - at.x / scale, y: v.y + at.y / v.scale - at.y / scale};
}

/** With a node in the middle, unless it is in view already. */
export function showing(v: View, l: Layout, node: number, width: number, height: number): View {
	const p = l.at[node];
	if (!p) { return v; }
	const scale = Math.max(v.scale, 0.5);
	const inside = scale === v.scale && p.x >= v.x && p.y >= v.y && p.x + BOX.width <= v.x + width / scale && p.y + BOX.height <= v.y + height / scale;
	return inside ? v : {scale, x: p.x + BOX.width / 2 - width / scale / 2, y: p.y + BOX.height / 2 - height / scale / 2};
}

/** The node under a point of the screen; -1 for none. */
export function hit(l: Layout, v: View, at: Point): number {
	const x = v.x + at.x / v.scale;
	const y = v.y + at.y / v.scale;
	return l.at.findIndex((p) => x >= p.x && x <= p.x + BOX.width && y >= p.y && y <= p.y + BOX.height);
}

export function visible(l: Layout, v: View, width: number, height: number): number[] {
	const right = v.x + width / v.scale;
	const low = v.y + height / v.scale;
	return l.at.flatMap((p, i) => (p.x + BOX.width >= v.x && p.x <= right && p.y + BOX.height >= v.y && p.y <= low ? [i] : []));
}

export type Way = 'up' | 'down' | 'left' | 'right';

/** Where an arrow key leads: down to what a node feeds, up to what feeds it, sideways to the nearest beside it. */
export function step(l: Layout, edges: readonly Edge[], node: number, way: Way): number {
	const here = l.at[node];
	if (!here) { return l.at.length > 0 ? 0 : -1; }
	const x = (i: number): number => l.at[i]?.x ?? 0;
	const y = (i: number): number => l.at[i]?.y ?? 0;
	const nearest = (all: readonly number[], far: (i: number) => number): number => all.reduce<number>((a, b) => (a < 0 || far(b) < far(a) ? b : a), -1);
	if (way === 'up' || way === 'down') {
		const to = edges.flatMap(([a, b]) => (way === 'down' && a === node ? [b] : way === 'up' && b === node ? [a] : []));
		const next = nearest(to, (i) => Math.abs(x(i) - here.x) + Math.abs(y(i) - here.y) / 100);
		return next < 0 ? node : next;
	}
	const beside = l.at.flatMap((p, i) => (i !== node && Math.abs(p.y - here.y) < BOX.height && (way === 'left' ? p.x < here.x : p.x > here.x) ? [i] : []));
	const next = nearest(beside, (i) => Math.abs(x(i) - here.x));
	return next < 0 ? node : next;
}

/* ---- colours ---- */

/* From little to much; those of the heat maps, so that a colour says one thing on all pages. */
export const RAMP: readonly (readonly [number, number, number])[] = [[127, 29, 79], [200, 85, 61], [240, 180, 92], [207, 227, 154], [75, 165, 140], [29, 90, 120]];

export interface Shade {
	fill: string;
	text: string;
}

/** A share of the way along the ramp, and a text colour that is read on it. */
export function shade(share: number): Shade {
	const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
	const i = Math.min(RAMP.length - 2, Math.floor(at));
	const [a, b] = [RAMP[i] ?? [0, 0, 0], RAMP[i + 1] ?? [0, 0, 0]];
	const rgb = [0, 1, 2].map((k) => Math.round((a[k] ?? 0) + ((b[k] ?? 0) - (a[k] ?? 0)) * (at - i)));
	const light = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, k) => sum + c * ([0.2126, 0.7152, 0.0722][k] ?? 0), 0);
	return {fill: `rgb(${rgb.join(' ')})`, text: light > 0.18 ? '#10161d' : '#ffffff'};
}
