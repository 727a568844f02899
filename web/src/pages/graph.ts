// SPDX-License-Identifier: Apache-2.0
// What a job says of each node of its network: a number that colours the node, and every line that its details show.
import type {DiagnoseResult, Graph, PtqResult} from '../api/client';
import {count, decibel, isNumber, latency, measuredDecibel, share, signed, type Maybe} from '../base/units';
import {shade, type Shade} from '../charts/network';

export type By = 'macs' | 'sqnr' | 'network' | 'time' | 'sensitivity';

export interface Measure {
	text: string;
	more: string; /* what the far end of the colours is called */
	least: string;
	/* Colours run the other way where little is good. */
	falling: boolean;
	log: boolean;
}
export const MEASURES: Record<By, Measure> = {
	macs: {text: 'multiply-accumulates', least: 'few', more: 'many', falling: true, log: true},
	sqnr: {text: 'SQNR of its own', least: 'low SQNR', more: 'high SQNR', falling: false, log: false},
	network: {text: 'SQNR in the network', least: 'low SQNR', more: 'high SQNR', falling: false, log: false},
	time: {text: 'time', least: 'short', more: 'long', falling: true, log: true},
	sensitivity: {text: 'sensitivity', least: 'little of the noise', more: 'much of the noise', falling: true, log: false},
};

interface Detail {
	name: string;
	value: string;
}

interface NodeSays {
	value: number | null; /* that colours it */
	text: string; /* the value, or '' */
	details: Detail[];
}

type Node = Graph['nodes'][number];

interface Tensor {
	name: string;
	kind: string;
	layer?: string | undefined;
	format?: string | undefined;
	sqnr_db?: Maybe;
	sqnr_high_db?: Maybe;
	network_sqnr_db?: Maybe;
	network_sqnr_high_db?: Maybe;
	exact?: boolean | undefined;
}
interface Tensors {
	own: number | null; /* the least */
	network: number | null;
	details: Detail[];
}

const least = (numbers: readonly Maybe[]): number | null => numbers.filter(isNumber).reduce<number | null>((a, b) => (a === null || b < a ? b : a), null);

/* The tensors of a node: those that a layer is said to have, and by name what it makes and the weights that it reads. */
function tensorsOf(tensors: readonly Tensor[]): (node: Node) => Tensors {
	const by = new Map<string, Tensor[]>();
	const add = (key: string, t: Tensor): void => { by.set(key, [...(by.get(key) ?? []), t]); };
	for (const t of tensors) {
		if (t.layer) { add(`layer ${t.layer}`, t); }
		add(`${t.kind} ${t.name}`, t);
	}
	return (node) => {
		const mine = [...new Set([...(by.get(`layer ${node.name}`) ?? []), ...(node.outputs ?? []).flatMap((o) => by.get(`activation ${o ?? ''}`) ?? []), ...(node.inputs ?? []).flatMap((v) => by.get(`weight ${v ?? ''}`) ?? [])])];
		return {own: least(mine.map((t) => t.sqnr_db)), network: least(mine.filter((t) => t.kind === 'activation').map((t) => t.network_sqnr_db)),
			details: mine.map((t) => ({name: `${t.kind} ${t.name}`, value: `${t.format ?? ''} ${t.exact ? 'exact' : measuredDecibel(t.sqnr_db, t.sqnr_high_db)}${t.kind === 'activation' && isNumber(t.network_sqnr_db) ? `, in the network ${measuredDecibel(t.network_sqnr_db, t.network_sqnr_high_db)}` : ''}`}))};
	};
}

/** Of a sweep: SQNR of a node's tensors under a scheme, and its time where steps were timed. */
export function ofSweep(result: PtqResult, scheme: string, by: By): (node: Node) => NodeSays {
	const s = result.schemes.find((x) => x.scheme === scheme);
	const of = tensorsOf(s?.tensors ?? []);
	const profile = by === 'time' && scheme === 'float' ? result.float.latency?.profile : s?.latency?.profile ?? null;
	const all = profile?.steps ?? [];
	return (node) => {
		const t = of(node);
		const steps = all.filter((x) => x.node === node.name);
		const ns = steps.length > 0 ? steps.reduce((sum, x) => sum + x.ns, 0) : null;
		const details = [...t.details, ...steps.map((x) => ({name: `time ${x.kind}`, value: `${latency(x.ns)}${isNumber(x.share) ? `, ${share(x.share)} of the query` : ''}${x.implementation ? `, ${x.implementation}` : ''}`}))];
		const value = by === 'time' ? ns : by === 'network' ? t.network : by === 'sqnr' ? t.own : null;
		return {value, text: value === null ? '' : by === 'time' ? latency(value) : decibel(value), details};
	};
}

/** Of a diagnosis: a layer's share of the noise, and SQNR of its tensors. */
export function ofDiagnosis(result: DiagnoseResult, by: By): (node: Node) => NodeSays {
	const of = tensorsOf(result.tensors);
	const layers = new Map(result.layers.map((l) => [l.layer, l]));
	return (node) => {
		const l = layers.get(node.name);
		const t = of(node);
		const details = [...(l ? [{name: 'share of the noise', value: share(l.noise_share)}, {name: 'only it quantized', value: `${signed(l.only.delta, 2)}, ${decibel(l.only.output_sqnr_db)}`}, {name: 'all but it', value: `${signed(l.all_but.delta, 2)}, ${decibel(l.all_but.output_sqnr_db)}`}] : []), ...t.details];
		const value = by === 'sensitivity' ? (isNumber(l?.noise_share) ? l.noise_share : null) : by === 'network' ? t.network : by === 'sqnr' ? t.own : null;
		return {value, text: value === null ? '' : by === 'sensitivity' ? share(value) : decibel(value), details};
	};
}

/** Without a job, or by multiply-accumulates: those, beside the details of the job. */
export function ofMacs(rest: ((node: Node) => NodeSays) | null): (node: Node) => NodeSays {
	return (node) => ({value: node.macs || null, text: node.macs ? `${count(node.macs)} MACs` : '', details: rest?.(node).details ?? []});
}

/** By what a job can colour: of a sweep SQNR and, where steps were timed, time; of a diagnosis sensitivity as well. */
export function waysOf(result: PtqResult | DiagnoseResult | null): By[] {
	if (result === null) { return ['macs']; }
	if (result.type === 'diagnose') { return ['sensitivity', 'sqnr', 'network', 'macs']; }
	const timed = [result.float.latency, ...result.schemes.map((s) => s.latency)].some((l) => l?.profile);
	return ['sqnr', 'network', ...(timed ? ['time' as const] : []), 'macs'];
}

export interface Scale {
	low: number;
	high: number;
}

export function scaleOf(values: readonly (number | null)[], m: Measure): Scale | null {
	const known = values.filter((v): v is number => v !== null && (!m.log || v > 0));
	return known.length === 0 ? null : {low: known.reduce((a, b) => Math.min(a, b)), high: known.reduce((a, b) => Math.max(a, b))};
}

/** A node's colour: the far end of the colours is what hurts, dark red, whichever way numbers run. */
export function shadeOf(value: number | null, s: Scale | null, m: Measure): Shade | null {
	if (value === null || s === null || (m.log && value <= 0)) { return null; }
	const f = (x: number): number => (m.log ? Math.log(x) : x);
	const at = s.high > s.low ? (f(value) - f(s.low)) / (f(s.high) - f(s.low)) : 0.5;
	return shade(m.falling ? 1 - at : at);
}
