// SPDX-License-Identifier: Apache-2.0
// The tables of "Advances in quantization for efficient on-device inference" (van Baalen, tinyML EMEA 2023), what was
// published and what jobs here measured in the same cells. Which job fills a cell is decided here, by rules that the page
// states: a network stands in a row by its upload's name and its operators, or because the reader put it there.
import type {Comparison, Dataset, HwcostResult, Job, Model, OutliersResult, QatResult, SqnrResult} from '../api/client';
import {change, count, decibel, fixed, grouped, isNumber, metric, signed, value, type Maybe} from '../base/units';
import {entries, PUBLISHED_PTQ, type Entry, type Sourced} from './board';
import {expected, expectedText, seconds, type Lab} from './expected';
import {grouping, measured, methodGroups, plain, PUBLISHED_FLOAT, PUBLISHED_METHODS, PUBLISHED_QAT, type Measured, type MethodGroup} from './methods';
import {PUBLISHED as PUBLISHED_OUTLIERS} from './outliers';
import {isObject, type Json} from './schema';
import {networkName} from './training';

export interface Done<R> {
	job: Job;
	result: R;
}

/** What the server knows, each list with the latest first. */
export interface TalkData extends Lab {
	hwcost: readonly Done<HwcostResult>[];
	sqnr: readonly Done<SqnrResult>[];
	ptq: Comparison;
	qat: readonly Done<QatResult>[];
	outliers: readonly Done<OutliersResult>[];
}
export const NOTHING: TalkData = {models: [], datasets: [], past: [], hwcost: [], sqnr: [], ptq: {schemes: [], rows: []}, qat: [], outliers: []};

/** What was measured for a cell: the job that it came from, and of what. */
export interface Found {
	text: string;
	note: string; /* an interval */
	job: string;
	of: string; /* model, data, samples */
	number: number;
}
/** The job that would fill a cell. */
export interface Run {
	href: string;
	time: string;
}
export interface Cell {
	published: string;
	number: number | null; /* published */
	found: Found | null;
	run: Run | null;
}
export interface Choice {
	key: string;
	text: string;
}
export interface Row {
	key: string;
	name: string;
	note: string; /* of what was published */
	of: string; /* what was measured: model, data, samples, conditions; '' for nothing */
	differs: string[]; /* between the two */
	choices: Choice[]; /* what else could stand here */
	chosen: string; /* '' for nothing */
	cells: Cell[];
}
export interface Table {
	key: string;
	title: string;
	source: string;
	head: string; /* of the first column */
	columns: string[];
	rows: Row[];
}
/** What the reader puts into rows, by table and row: an entry's key, or 'none'. */
export type Picks = Readonly<Record<string, string>>;

/* ---- networks ---- */

export interface Network {
	key: string;
	name: string;
	is: RegExp; /* of an upload's name, or of a network by name */
	operators: string[][]; /* of each list an uploaded network has one */
	parameters: number | null; /* where the paper's network is of one known size */
	macs: number | null; /* of one sample */
	data: string;
	samples: number | null; /* that it was evaluated on */
}

const CONVOLUTIONS = [['Conv'], ['Add', 'Sum']];
const ATTENTION = [['Softmax'], ['MatMul', 'Gemm']];
const IMAGENET = {data: 'ImageNet', samples: 50000};

/* Parameters and multiply-accumulates of torchvision's, which have the paper's accuracy within 0.2 points; the more particular name first. */
const NETWORKS: readonly Network[] = [
	{key: 'deeplabv3', name: 'DeepLabV3', is: /deep[-_ ]?lab/i, operators: [['Conv']], parameters: null, macs: null, data: '', samples: null},
	{key: 'salsanext', name: 'SalsaNext', is: /salsa[-_ ]?next/i, operators: [['Conv']], parameters: null, macs: null, data: '', samples: null},
	{key: 'hrnet', name: 'HRNet', is: /hr[-_ ]?net/i, operators: CONVOLUTIONS, parameters: null, macs: null, data: '', samples: null},
	{key: 'mobilenetv2', name: 'MobileNetV2', is: /mobile[-_ ]?net[-_ ]?v2/i, operators: CONVOLUTIONS, parameters: 3504872, macs: 301e6, ...IMAGENET},
	{key: 'resnet18', name: 'ResNet18', is: /resnet/i, operators: CONVOLUTIONS, parameters: 11689512, macs: 1.81e9, ...IMAGENET},
	{key: 'resnet50', name: 'ResNet50', is: /resnet/i, operators: CONVOLUTIONS, parameters: 25557032, macs: 4.09e9, ...IMAGENET},
	{key: 'bert', name: 'BERT-base', is: /bert|mini[-_ ]?lm/i, operators: ATTENTION, parameters: 110e6, macs: null, data: 'GLUE', samples: null},
	{key: 'vit', name: 'ViT', is: /(^|[^a-z])(vit|deit)([^a-z]|$)/i, operators: ATTENTION, parameters: null, macs: null, ...IMAGENET},
	{key: 'opt', name: 'OPT-125m', is: /(^|[^a-z])opt([^a-z]|$)/i, operators: ATTENTION, parameters: 125e6, macs: null, data: '', samples: null},
];

interface Standing {
	network: Network;
	differs: string; /* '' where the network has the published one's size */
}

const SAME = 0.02; /* classes, and batch norms that are folded or not */

/** Which of the talk's networks this one stands for, if any; by its name, unless its operators say that the name lies. Each stands for one alone: of one name the nearest in size. */
export function standsFor(name: string, parameters: number | null, operators: Readonly<Record<string, number>> | null): Standing | null {
	const first = NETWORKS.find((n) => n.is.test(name) && (operators === null || n.operators.every((any) => any.some((o) => (operators[o] ?? 0) > 0))));
	if (!first) {
		return null;
	}
	const far = (n: Network): number => (n.parameters === null || parameters === null || parameters <= 0 ? 0 : Math.abs(Math.log(parameters / n.parameters)));
	const network = NETWORKS.filter((n) => n.is.source === first.is.source).sort((a, b) => far(a) - far(b))[0] ?? first;
	if (network.parameters === null) {
		return {network, differs: 'the paper does not give the size of its network'};
	}
	return {network, differs: parameters === null ? `how many parameters it has is not known; ${network.name} has ${count(network.parameters)}`
		: far(network) <= Math.log(1 + SAME) ? '' : `a network of ${count(parameters)} parameters, ${network.name} has ${count(network.parameters)}`};
}

const inspected = (model: Model | undefined): {parameters: number | null; operators: Record<string, number> | null} => {
	const found = model?.inspection.result;
	return found && 'operators' in found ? {parameters: found.parameters ?? null, operators: (found.operators ?? null) as Record<string, number> | null} : {parameters: null, operators: null};
};

function modelStandsFor(model: Model): Standing | null {
	const {parameters, operators} = inspected(model);
	return standsFor(model.name, parameters, operators);
}

function sampleDiffers(network: Network, samples: number | null, data: string): string[] {
	return network.samples === null ? [] : [`${samples === null ? 'samples' : `${grouped(samples)} samples`} of ${data}, published on ${grouped(network.samples)} of ${network.data}`];
}

/* ---- forms ---- */

/** A form that is filled in with a job; uploads that are '' are chosen there. */
export function formOf(job: Json): string {
	return `#/submit?type=${String(job.type)}&job=${encodeURIComponent(JSON.stringify(job))}`;
}

function runOf(job: Json, lab: Lab): Run {
	return {href: formOf(job), time: expectedText(expected(job, lab))};
}

/* The upload that stands for a network and comes nearest to it, and data that were used with it. */
function uploadFor(network: string, data: TalkData): {model: string; data: string; train: string} {
	const model = data.models.filter((m) => m.inspection.state === 'ok' && modelStandsFor(m)?.network.key === network).sort((a, b) => Number(modelStandsFor(b)?.differs === '') - Number(modelStandsFor(a)?.differs === ''))[0];
	if (!model) {
		return {model: '', data: '', train: ''};
	}
	const job = data.past.find((j) => j.model?.id === model.id && j.data);
	const trained = data.past.find((j) => j.model?.id === model.id && typeof (j.spec as Json).train === 'string');
	return {model: model.id, data: job?.data?.id ?? '', train: trained ? String((trained.spec as Json).train) : ''};
}

/* ---- 1a ---- */

const GATES: readonly (readonly [string, string, readonly number[]])[] = [['int8', 'INT8', [750, 1450, 2350]], ['E4', 'FP8-E4', [1150, 1200, 2125]]];
const ACCUMULATORS = ['fixed', 'fp16', 'fp32'] as const;

const isE = /^(?:fp8_e|E)(\d)(?:m\d)?$/;
/** One name for what formats are called: E4 and fp8_e4m3; of integers whatever their zero point. */
export function formatName(name: string): string {
	const float = isE.exec(name);
	return float ? `E${float[1] ?? ''}` : name.replace(/^u?(int\d+)(_asym)?$/, '$1');
}

function unitOf(data: TalkData, operands: string, accumulator: string): {gates: number; done: Done<HwcostResult>} | null {
	/* Gates of ripple and of fast adders, or of other accumulators, are not compared. */
	const alike = data.hwcost.filter((d) => d.result.adders === data.hwcost[0]?.result.adders && d.result.terms === data.hwcost[0]?.result.terms);
	for (const done of alike) {
		const row = done.result.rows.find((r) => [r.operands].flat().every((o) => formatName(o) === operands) && r.accumulator === accumulator);
		if (row) { return {gates: row.gates, done}; }
	}
	return null;
}

export function gates(data: TalkData): Table {
	const base = unitOf(data, 'int8', 'fixed')?.gates ?? null;
	const missing = GATES.flatMap(([operands]) => ACCUMULATORS.flatMap((accumulator) => (unitOf(data, operands, accumulator) ? [] : [{operands, accumulator}])));
	const against = (x: number, of: number | null, is: boolean): string => (of === null || is ? '' : ` (${change(x / of)})`);
	return {key: '1a', title: '1a. Hardware cost: 2-input gates of one multiply-accumulate unit', source: 'arXiv:2303.17951; changes are against INT8 with a fixed-point accumulator', head: 'Operands',
		columns: ['fixed-point accumulator', 'FP16 accumulator', 'FP32 accumulator'],
		rows: GATES.map(([operands, name, published]): Row => {
			const units = ACCUMULATORS.map((accumulator) => unitOf(data, operands, accumulator));
			const one = units.find((u) => u !== null);
			const r = one?.done.result;
			return {key: operands, name, note: '', choices: [], chosen: '', of: r ? `${r.adders ?? ''} adders, a fixed-point accumulator exact for ${grouped(r.terms)} products` : '',
				differs: r ? ['the paper does not state its adders, its accumulators\' widths or its rounding'] : [],
				cells: published.map((gates, i): Cell => {
					const u = units[i];
					const first = operands === 'int8' && i === 0;
					return {published: `${grouped(gates)}${against(gates, 750, first)}`, number: gates, run: u ? null : runOf({type: 'hwcost', units: missing}, data),
						found: u ? {text: `${grouped(u.gates)}${against(u.gates, base, first)}`, note: '', job: u.done.job.id, of: `${name}, ${ACCUMULATORS[i] ?? ''} accumulator, ${u.done.result.adders ?? ''} adders`, number: u.gates} : null};
				})};
		})};
}

/* ---- 1b ---- */

export const DISTRIBUTIONS: readonly {key: string; name: string; claim: string; spec: Json}[] = [
	{key: 'uniform', name: 'Uniform', claim: 'best in INT8', spec: {name: 'uniform', low: -1, high: 1}},
	{key: 'gaussian', name: 'Gaussian, clipped at 10 σ', claim: '', spec: {name: 'gaussian', sigma: 1, clip: 10}},
	{key: 'student', name: 'Student-t, ν = 8, clipped at 100', claim: 'with outliers FP8 wins', spec: {name: 'student_t', nu: 8, clip: 100}},
	{key: 'outliers', name: 'Gaussian, one in 10 000 a thousand times as wide', claim: 'E4 is best only with large outliers', spec: {name: 'mixture', parts: [{name: 'gaussian', sigma: 1, weight: 0.9999}, {name: 'gaussian', sigma: 1000, weight: 0.0001}]}},
];
export const SQNR_COLUMNS = ['int8', 'E2', 'E3', 'E4', 'E5'];

/* The same parameters, whatever a distribution is called. */
function alikeSpec(x: unknown, spec: Json): boolean {
	const {label: _, ...rest} = isObject(x) ? x : {};
	const text = (o: unknown): string => JSON.stringify(o, (_key, v: unknown) => (isObject(v) ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, v[k]])) : v));
	return text({...DEFAULTS[String(spec.name)], ...rest}) === text({...DEFAULTS[String(spec.name)], ...spec});
}
const DEFAULTS: Record<string, Json> = {gaussian: {mean: 0, sigma: 1}, student_t: {mean: 0, scale: 1}};

/** Of a job's distributions the place of one; -1 where it has it not, or asks something else of it. */
export function placeOf(spec: Json, wanted: Json): number {
	return spec.sweep !== undefined && spec.sweep !== null || spec.range !== undefined || !Array.isArray(spec.distributions) ? -1 : spec.distributions.findIndex((d) => alikeSpec(d, wanted));
}

function sqnrOf(data: TalkData, wanted: Json, format: string): {db: number; job: string} | null {
	for (const {job, result} of data.sqnr) {
		const label = result.distributions[placeOf(job.spec as Json, wanted)]?.label;
		const row = label === undefined ? undefined : result.rows.find((r) => r.distribution === label && formatName(r.asked ?? r.format) === format);
		if (row && isNumber(row.sqnr_db)) { return {db: row.sqnr_db, job: job.id}; }
	}
	return null;
}

export function sqnrs(data: TalkData): Table {
	const missing = DISTRIBUTIONS.filter((d) => SQNR_COLUMNS.some((f) => sqnrOf(data, d.spec, f) === null)).map((d) => d.spec);
	return {key: '1b', title: '1b. SQNR of a distribution under a format', source: 'at the range of least error; the talk shows curves and claims, no numbers', head: 'Distribution', columns: ['INT8', ...SQNR_COLUMNS.slice(1)],
		rows: DISTRIBUTIONS.map((d): Row => {
			const found = SQNR_COLUMNS.map((f) => sqnrOf(data, d.spec, f));
			const top = found.reduce((a, f) => Math.max(a, f?.db ?? -Infinity), -Infinity);
			return {key: d.key, name: d.name, note: d.claim, of: found.some((f) => f !== null) ? 'computed, not sampled' : '', differs: [], choices: [], chosen: '',
				cells: SQNR_COLUMNS.map((format, i): Cell => {
					const f = found[i] ?? null;
					return {published: '', number: null, run: f ? null : runOf({type: 'sqnr', distributions: missing, formats: SQNR_COLUMNS}, data),
						found: f ? {text: `${f.db === top ? '★ ' : ''}${decibel(f.db)}`, note: '', job: f.job, of: `${format} on ${d.name}`, number: f.db} : null};
				})};
		})};
}

/* ---- 1c ---- */

export const FORMATS = ['int8', 'E2', 'E3', 'E4'];
const HEADS = ['FP32', 'INT8', 'E2', 'E3', 'E4'];
const key = (name: string): string => NETWORKS.find((n) => n.name === name)?.key ?? name;
const networkOf = (of: string): Network => NETWORKS.find((n) => n.key === of) as Network;
const metricOf = (note: string): string => (note === 'top-1' ? 'top1' : note === 'mean IoU' ? 'miou' : 'spearman');
const samplesText = (n: number | null): string => (n === null ? 'samples not told' : `${grouped(n)} samples`);

/** Which of the talk's formats a cell of a sweep is: both halves in it, and nothing done beyond choosing ranges. */
export function columnOf(cell: Pick<Sourced, 'scheme' | 'weights' | 'activations' | 'methods'>): string | null {
	if ((cell.methods ?? []).length > 0) {
		return null;
	}
	const [w, a] = [cell.weights?.format, cell.activations?.format].map((f) => (f === undefined ? undefined : formatName(f)));
	const name = w === undefined && a === undefined ? formatName(cell.scheme) : w !== undefined && w === a ? w : '';
	return FORMATS.includes(name) ? name : null;
}

interface Candidate<T> {
	key: string;
	text: string;
	network: string | null; /* that it stands for */
	same: boolean;
	cells: number;
	samples: number;
	age: number;
	entry: T;
}

/* What stands in a row: what the reader chose, else the likest, fullest, largest and latest of what stands for its network. */
function pick<T>(all: readonly Candidate<T>[], network: string, asked: string | undefined): Candidate<T> | null {
	if (asked !== undefined) {
		return all.find((c) => c.key === asked) ?? null;
	}
	return all.filter((c) => c.network === network).sort((a, b) => Number(b.same) - Number(a.same) || b.cells - a.cells || b.samples - a.samples || b.age - a.age)[0] ?? null;
}

const age = (job: string): number => Number(job.slice(1));
const keyOf = (text: string): string => { let h = 0; for (const c of text) { h = (Math.imul(h, 31) + c.charCodeAt(0)) | 0; } return (h >>> 0).toString(36); };
const choices = (all: readonly Candidate<unknown>[], network: string): Choice[] => [...all].sort((a, b) => Number(b.network === network) - Number(a.network === network) || b.age - a.age).map(({key: k, text}) => ({key: k, text}));
const interval = (low: Maybe, high: Maybe, digits: number): string => (isNumber(low) && isNumber(high) ? `${signed(low, digits)} to ${signed(high, digits)}` : '');

function ptqCandidates(data: TalkData): Candidate<Entry>[] {
	return entries(data.ptq, 'delta', 'network').filter((e) => metric(e.row.metric_name).unit === '%' && [...e.cells.values()].some((c) => columnOf(c) !== null)).map((entry): Candidate<Entry> => {
		const model = data.models.find((m) => m.id === entry.row.model?.id);
		const s = model ? modelStandsFor(model) : standsFor(entry.row.model?.name ?? '', null, null);
		const m = metric(entry.row.metric_name);
		return {key: keyOf(entry.key), text: `${entry.row.model?.name ?? '?'} on ${entry.row.data?.name ?? '?'}, ${m.label}, ${entry.how}`, network: s?.network.key ?? null, same: s?.differs === '',
			cells: new Set([...entry.cells.values()].map(columnOf).filter((c) => c !== null)).size, samples: entry.row.samples ?? 0, age: age(entry.row.job), entry};
	});
}

export function ptq(data: TalkData, picks: Picks): Table {
	const all = ptqCandidates(data);
	return {key: '1c', title: '1c. Post-training quantization, change against FP32', source: 'arXiv:2303.17951', head: 'Network', columns: HEADS,
		rows: PUBLISHED_PTQ.map(([name, note, float, deltas]): Row => {
			const network = networkOf(key(name));
			const chosen = pick(all, network.key, picks[`1c.${network.key}`]);
			const e = chosen?.entry;
			const m = metric(e?.row.metric_name);
			const samples = e?.row.samples ?? null;
			const of = e ? `${e.row.model?.name ?? '?'}, ${e.row.data?.name ?? '?'}, ${samplesText(samples)}` : '';
			const cellOf = (format: string): Sourced | undefined => [...(e?.cells.values() ?? [])].find((c) => columnOf(c) === format);
			const model = e ? data.models.find((x) => x.id === e.row.model?.id) : undefined;
			const up = e ? {model: e.row.model?.id ?? '', data: e.row.data?.id ?? ''} : uploadFor(network.key, data);
			const missing = FORMATS.filter((f) => !cellOf(f));
			const before = e ? data.past.find((j) => j.id === e.row.job)?.spec as Json | undefined : undefined;
			/* A job for what a row lacks differs from the one that filled the rest in its schemes alone. */
			const job: Json = before && before.type === 'ptq' ? {...before, model: up.model, data: up.data, schemes: missing, latency: false}
				: {type: 'ptq', model: up.model, data: up.data, metric: metricOf(note), schemes: missing, latency: false};
			const run = missing.length > 0 ? runOf(job, data) : null;
			return {key: network.key, name, note, choices: choices(all, network.key), chosen: chosen?.key ?? '', of: e ? `${of}, ${m.label}; ${e.how}` : '',
				differs: e ? [model ? differsFrom(model.name, inspected(model), network) : differsFrom(e.row.model?.name ?? '', {parameters: null, operators: null}, network),
					...sampleDiffers(network, samples, e.row.data?.name ?? '?'), ...(m.label === note ? [] : [`${m.label}, published ${note}`])].filter((x) => x !== '') : [],
				cells: [{published: fixed(float, 2), number: float, run, found: e && isNumber(e.row.float) ? {text: fixed(e.row.float, m.digits), note: '', job: e.row.job, of, number: e.row.float} : null},
					...FORMATS.map((format, i): Cell => {
						const c = cellOf(format);
						return {published: signed(deltas[i], 2), number: deltas[i] ?? null, run: c ? null : run,
							found: c && isNumber(c.delta) ? {text: signed(c.delta, m.digits), note: interval(c.delta_low, c.delta_high, m.digits), job: c.job, of, number: c.delta} : null};
					})]};
		})};
}

/* How the network in a row differs from the row's; of one that the reader put there the name as well. */
function differsFrom(name: string, found: {parameters: number | null; operators: Record<string, number> | null}, network: Network): string {
	const s = standsFor(name, found.parameters, found.operators);
	return s?.network.key === network.key ? s.differs : `${name} is no ${network.name} by its name`;
}

/* ---- 1d ---- */

function qatMeasured(data: TalkData): {m: Measured; done: Done<QatResult>}[] {
	return data.qat.map((done) => { const s = seconds(done.job); return {m: measured(done.job, done.result, s === null || done.result.steps_done <= 0 ? null : s / done.result.steps_done), done}; });
}

interface QatEntry {
	first: Measured;
	model: Model | undefined;
	modelId: string;
	trainId: string;
	dataId: string;
	jobs: Map<string, {m: Measured; done: Done<QatResult>}>;
}

function standingOf(data: TalkData, done: Done<QatResult>): Standing | null {
	const model = data.models.find((m) => m.id === done.job.model?.id);
	return model ? modelStandsFor(model) : standsFor(networkName(done.job), null, null);
}

/** What the metric of qat jobs is in: changes in points are compared with published ones. */
function qatCandidates(data: TalkData): Candidate<QatEntry>[] {
	const by = new Map<string, QatEntry>();
	for (const one of qatMeasured(data)) {
		const column = formatName(one.m.scheme === 'w8a8' ? 'int8' : one.m.scheme);
		if (!FORMATS.includes(column) || metric(one.m.metricName).unit !== '%') { continue; }
		const at = `${grouping(one.m)}\n${one.m.method}`;
		const spec = one.done.job.spec as Json;
		const entry = by.get(at) ?? {first: one.m, model: data.models.find((m) => m.id === one.done.job.model?.id), modelId: one.done.job.model?.id ?? '', trainId: String(spec.train ?? ''), dataId: one.done.job.data?.id ?? '', jobs: new Map<string, {m: Measured; done: Done<QatResult>}>()};
		if (!entry.jobs.has(column)) { entry.jobs.set(column, one); }
		by.set(at, entry);
	}
	return [...by].map(([at, entry]): Candidate<QatEntry> => {
		const done = [...entry.jobs.values()][0]?.done as Done<QatResult>;
		const s = standingOf(data, done);
		return {key: keyOf(at), text: `${entry.first.network} on ${entry.first.data}, ${entry.first.method}, ${entry.first.epochs} epochs, ${entry.first.samples ?? '?'} samples`, network: s?.network.key ?? null, same: s?.differs === '',
			cells: entry.jobs.size, samples: entry.first.samples ?? 0, age: age(done.job.id), entry};
	});
}

const QAT_EPOCHS = 10;

export function qat(data: TalkData, picks: Picks): Table {
	const all = qatCandidates(data);
	return {key: '1d', title: '1d. Quantization-aware training, change against FP32', source: 'arXiv:2303.17951', head: 'Network', columns: HEADS,
		rows: PUBLISHED_QAT.map(([name, note, float, deltas]): Row => {
			const network = networkOf(key(name));
			const chosen = pick(all, network.key, picks[`1d.${network.key}`]);
			const e = chosen?.entry;
			const f = e?.first;
			const m = metric(f?.metricName);
			const of = f ? `${f.network}, ${f.data}, ${samplesText(f.samples)}` : '';
			const up = e ? {model: e.modelId, data: e.dataId, train: e.trainId} : uploadFor(network.key, data);
			const base: Json = e ? {...([...e.jobs.values()][0]?.done.job.spec as Json), model: up.model, data: up.data, train: up.train} : {type: 'qat', ...up, method: 'lsq', metric: metricOf(note), epochs: QAT_EPOCHS};
			return {key: network.key, name, note, choices: choices(all, network.key), chosen: chosen?.key ?? '',
				of: f ? `${of}, ${m.label}; ${f.method}, ${f.epochs} epochs on ${f.trainSamples === null ? '' : `${grouped(f.trainSamples)} samples of `}${f.train}` : '',
				differs: e && f ? [differsFrom(e.model?.name ?? f.network, inspected(e.model), network), ...sampleDiffers(network, f.samples, f.data), ...(m.label === note ? [] : [`${m.label}, published ${note}`]), 'its best evaluation is kept'].filter((x) => x !== '') : [],
				cells: [{published: fixed(float, 2), number: float, run: e ? null : runOf({...base, scheme: 'int8'}, data), found: f && isNumber(f.float) ? {text: fixed(f.float, m.digits), note: '', job: f.id, of, number: f.float} : null},
					...FORMATS.map((format, i): Cell => {
						const one = e?.jobs.get(format);
						const end = one?.done.result.final;
						return {published: signed(deltas[i], 2), number: deltas[i] ?? null, run: one ? null : runOf({...base, scheme: format}, data),
							found: one && isNumber(one.m.delta) ? {text: signed(one.m.delta, m.digits), note: interval(end?.delta_low, end?.delta_high, m.digits), job: one.m.id, of, number: one.m.delta} : null};
					})]};
		})};
}

/* ---- 3 ---- */

const BITS = ['w4a4', 'w3a3'] as const;
const schemeOf = (scheme: string): string => scheme.replace(/^int(\d)$/, 'w$1a$1');

interface Trained {
	network: string;
	data: string;
	float: number | null;
	metricName: string;
	groups: Map<string, MethodGroup>; /* by scheme */
	all: Measured[];
	job: Job;
}

/** Trainings of one network on the same data and terms, for either number of bits. */
function trainedCandidates(data: TalkData): Candidate<Trained>[] {
	const jobs = qatMeasured(data).filter(({m}) => (BITS as readonly string[]).includes(schemeOf(m.scheme)) && metric(m.metricName).unit === '%');
	return [...new Set(jobs.map(({m}) => grouping(m)))].flatMap((at): Candidate<Trained>[] => {
		const mine = jobs.filter(({m}) => grouping(m) === at);
		const first = mine[0];
		if (!first) { return []; }
		const groups = new Map(methodGroups(mine.map(({m}) => ({...m, scheme: schemeOf(m.scheme)}))).map((g): [string, MethodGroup] => [g.scheme, g]));
		const s = standingOf(data, first.done);
		return [{key: keyOf(at), text: `${first.m.network} on ${first.m.data}, ${first.m.epochs} epochs, ${first.m.samples ?? '?'} samples`, network: s?.network.key ?? null, same: s?.differs === '', cells: [...groups.values()].reduce((n, g) => n + g.rows.length, 0),
			samples: first.m.samples ?? 0, age: age(first.m.id), entry: {network: first.m.network, data: first.m.data, float: first.m.float, metricName: first.m.metricName, groups, all: mine.map(({m}) => m), job: first.done.job}}];
	});
}

/* As a job names what the table calls so. */
const METHODS: Record<string, unknown> = {'lsq+br': ['lsq', 'br'], 'lsq+dampen': ['lsq', 'dampen'], 'lsq+freeze': ['lsq', 'freeze']};

export function trainedTable(data: TalkData, picks: Picks): Table {
	const all = trainedCandidates(data);
	const network = networkOf('mobilenetv2');
	const chosen = pick(all, network.key, picks['3.mobilenetv2']);
	const t = chosen?.entry;
	const m = metric(t?.metricName);
	const f = t?.all[0];
	const of = f ? `${f.network}, ${f.data}, ${samplesText(f.samples)}` : '';
	const up = t ? {model: t.job.model?.id ?? '', data: t.job.data?.id ?? '', train: String((t.job.spec as Json).train ?? '')} : uploadFor(network.key, data);
	const base: Json = t ? {...(t.job.spec as Json), ...up} : {type: 'qat', ...up, metric: 'top1', epochs: QAT_EPOCHS};
	const model = t ? data.models.find((x) => x.id === t.job.model?.id) : undefined;
	const cell = (method: string, scheme: string, published: number | null): Cell => {
		const rows = t?.groups.get(scheme)?.rows.filter((r) => plain(r.method) === method) ?? [];
		const r = [...rows].sort((a, b) => Math.max(...b.jobs.map(age)) - Math.max(...a.jobs.map(age)))[0];
		const s = r?.with ?? r?.without ?? null;
		return {published: fixed(published, 1), number: published, run: s ? null : runOf({...base, scheme, method: METHODS[method] ?? method}, data),
			found: r && s ? {text: fixed(s.mean, m.digits), note: [r.method === method ? '' : r.method.replace(/^[^(]*/, ''), r.with ? '' : 'batch norms as they ran', s.count > 1 ? `${s.count} seeds` : ''].filter((x) => x !== '').join(', '), job: r.jobs[0] ?? '', of, number: s.mean} : null};
	};
	const empty = {choices: [], chosen: '', of: '', differs: [], note: ''};
	return {key: '3', title: '3. Oscillations in QAT: MobileNetV2 on ImageNet, accuracy in %', source: 'arXiv:2203.11086', head: 'Method', columns: ['W4A4', 'W3A3'],
		rows: [{...empty, key: 'mobilenetv2', name: 'Full precision', choices: choices(all, network.key), chosen: chosen?.key ?? '', of: f ? `${of}, ${m.label}; ${f.epochs} epochs on ${f.trainSamples === null ? '' : `${grouped(f.trainSamples)} samples of `}${f.train}` : '',
			differs: t && f ? [differsFrom(model?.name ?? t.network, inspected(model), network), ...sampleDiffers(network, f.samples, f.data), 'compare the order of methods, not levels'].filter((x) => x !== '') : [],
			cells: BITS.map((): Cell => ({published: fixed(PUBLISHED_FLOAT, 1), number: PUBLISHED_FLOAT, run: t ? null : runOf({...base, scheme: 'w4a4', method: 'lsq'}, data), found: t && isNumber(t.float) ? {text: fixed(t.float, m.digits), note: '', job: t.job.id, of, number: t.float} : null}))},
		...PUBLISHED_METHODS.map((p): Row => ({...empty, key: p.method, name: p.name, cells: [cell(p.method, 'w4a4', p.w4a4), cell(p.method, 'w3a3', p.w3a3)]}))]};
}

/** Seconds of a step of a method in the table, evaluations included, and its jobs. */
export function stepSeconds(data: TalkData, picks: Picks, method: string): {seconds: number; jobs: string[]} | null {
	const t = pick(trainedCandidates(data), 'mobilenetv2', picks['3.mobilenetv2'])?.entry;
	const rows = [...(t?.groups.values() ?? [])].flatMap((g) => g.rows.filter((r) => plain(r.method) === method && r.seconds !== null));
	const all = rows.flatMap((r) => (r.seconds ? [r.seconds.mean] : []));
	return all.length === 0 ? null : {seconds: all.reduce((a, b) => a + b, 0) / all.length, jobs: rows.flatMap((r) => r.jobs)};
}

/* ---- 4 ---- */

const ATTENTIONS: Record<string, string> = {vanilla: 'vanilla', clipped_softmax: 'clipped softmax', gated: 'gated attention'};
const KINDS: Record<string, string> = {bert: 'BERT', opt: 'OPT', vit: 'ViT'};
type Summary = OutliersResult['summary'][number];

/** Which variant of attention a row of a report is: as the job named it, or by the name of an upload. */
export function attentionOf(name: string): string | null {
	return /^vanilla|(^|[^a-z])vanilla/i.test(name) ? 'vanilla' : /clip/i.test(name) ? 'clipped_softmax' : /gate/i.test(name) ? 'gated' : null;
}

function outlierCandidates(data: TalkData): Candidate<Done<OutliersResult>>[] {
	return data.outliers.map((done): Candidate<Done<OutliersResult>> => {
		const names = [done.result.model, ...done.result.runs.map((r) => r.model)];
		const s = names.map((n) => standsFor(n, null, null)).find((x) => x !== null) ?? null;
		return {key: done.job.id, text: `${done.job.id}: ${done.result.model} on ${done.result.data}, ${metric(done.result.metric_name).label}, ${grouped(done.result.samples)} samples`, network: s?.network.key ?? null, same: false,
			cells: new Set(done.result.summary.map((x) => attentionOf(x.name)).filter((x) => x !== null)).size, samples: done.result.samples, age: age(done.job.id), entry: done};
	});
}

function eight(s: Summary): Summary['schemes'][number] | undefined {
	return s.schemes.find((x) => /^(w8a8|int8)$/.test(x.scheme));
}

/* What a page of outliers starts with, of the network that a row is of. */
function outlierJob(network: string, data: TalkData): Json {
	const text = data.datasets.find((d: Dataset) => d.inspection.state === 'ok' && d.inspection.result !== null && 'tokens' in d.inspection.result)?.id ?? '';
	const common = {methods: ['vanilla', 'clipped_softmax', 'gated'], epochs: 20, batch: 32};
	return network === 'vit' ? {type: 'outliers', network: {name: 'vit'}, train: '', data: '', metric: 'top1', ...common}
		: {type: 'outliers', network: {name: network, layers: 3, width: 64, heads: 1}, train: text, data: text, text: {task: network === 'bert' ? 'masked' : 'causal', length: 64}, samples: 256, ...common};
}

export function outliersTable(data: TalkData, picks: Picks): Table {
	const all = outlierCandidates(data);
	return {key: '4', title: '4. Outliers in transformers', source: 'arXiv:2306.12929', head: 'Network and method', columns: ['FP16/32', 'max inf norm', 'avg kurtosis', 'W8A8'],
		rows: PUBLISHED_OUTLIERS.flatMap((p): Row[] => {
			const chosen = pick(all, p.network, picks[`4.${p.network}`]);
			const r = chosen?.entry.result;
			const m = metric(r?.metric_name);
			const parameters = r?.runs[0]?.parameters ?? null;
			const network = networkOf(p.network);
			return p.rows.map((row, i): Row => {
				const s = r?.summary.find((x) => attentionOf(x.name) === row.method);
				const of = r ? `${r.model}, ${r.data}, ${grouped(r.samples)} samples` : '';
				const found = (x: Maybe, text: string): Found | null => (chosen && s && isNumber(x) ? {text, note: s.runs > 1 ? `${s.runs} seeds` : '', job: chosen.entry.job.id, of, number: x} : null);
				const values = [[s?.float.mean, fixed(s?.float.mean, m.digits)], [s?.max_inf_norm?.mean, value(Number((s?.max_inf_norm?.mean ?? NaN).toPrecision(3)))], [s?.avg_kurtosis?.mean, value(Number((s?.avg_kurtosis?.mean ?? NaN).toPrecision(3)))],
					[s ? eight(s)?.metric.mean : null, s ? fixed(eight(s)?.metric.mean, m.digits) : '']] as const;
				return {key: i === 0 ? p.network : `${p.network}.${row.method}`, name: `${KINDS[p.network] ?? p.network}, ${ATTENTIONS[row.method] ?? row.method}`, note: i === 0 ? p.note : '', choices: i === 0 ? choices(all, p.network) : [], chosen: i === 0 ? chosen?.key ?? '' : '',
					of: i === 0 && r ? `${of}, ${m.label}; ${r.train ? `trained here on ${r.train}` : 'as uploaded'}, ${r.schemes.join(' and ')}` : '',
					differs: i === 0 && r ? [parameters !== null && network.parameters !== null ? `a network of ${count(parameters)} parameters, ${p.note.split(',')[0] ?? ''} has ${count(network.parameters)}` : parameters !== null ? `a network of ${count(parameters)} parameters` : '', `${m.label} of ${r.data}; published: ${p.note}`].filter((x) => x !== '') : [],
					cells: row.values.map((x, c): Cell => { const [number, text] = values[c] ?? [null, '']; const f = found(number, text); return {published: String(x), number: x, found: f, run: f ? null : runOf(outlierJob(p.network, data), data)}; })};
			});
		})};
}

export function tables(data: TalkData, picks: Picks): Table[] {
	return [gates(data), sqnrs(data), ptq(data, picks), qat(data, picks), trainedTable(data, picks), outliersTable(data, picks)];
}

/** How many cells of the tables hold a number that was measured here, and how many there are. */
export function filled(all: readonly Table[]): {measured: number; cells: number} {
	const cells = all.flatMap((t) => t.rows.flatMap((r) => r.cells));
	return {measured: cells.filter((c) => c.found !== null).length, cells: cells.length};
}
