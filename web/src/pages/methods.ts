// SPDX-License-Identifier: Apache-2.0
// Methods of quantization-aware training by schemes, from qat jobs; and what was published.
import type {Job, QatResult} from '../api/client';
import {fixed, isNumber, metric, signed, value, type Maybe} from '../base/units';
import {hurt, publishedBoard, PUBLISHED_COLUMNS, type BoardRow, type Published} from './board';
import {sharePoints} from './oscillations';
import {isObject, type Json} from './schema';
import {methodName, networkName, schemeName} from './training';

/** What the tables need of a qat job. */
export interface Measured {
	id: string;
	network: string;
	data: string;
	train: string;
	trainSamples: number | null;
	samples: number | null;
	metricName: string;
	float: number | null;
	scheme: string;
	method: string;
	seed: string;
	reestimated: boolean; /* before evaluations, which choose what is kept */
	metrics: {running: number | null; reestimated: number | null}; /* by the statistics of batch norms; of a job before both were told the one that it measured */
	alike: string; /* what else the job says: jobs that differ in it are not compared */
	epochs: number;
	steps: number;
	delta: number | null;
	oscillating: number | null; /* shares, at the last step: the network that is kept may be of an earlier one */
	frozen: number | null;
	secondsPerStep: number | null;
	conditions: string;
}

/* What changes nothing in what is compared, or is compared. */
const ASIDE = ['type', 'scheme', 'method', 'seed', 'threads', 'latency', 'export', 'profile', 'checkpoint_every', 'model', 'data', 'train', 'samples', 'metric'];

function sorted(x: unknown): unknown {
	return Array.isArray(x) ? (x as unknown[]).map(sorted) : isObject(x) ? Object.fromEntries(Object.keys(x).sort().map((k) => [k, sorted(x[k])])) : x;
}

function alike(spec: Json): Json {
	const rest = Object.fromEntries(Object.entries(spec).filter(([name]) => !ASIDE.includes(name)));
	if (isObject(rest.batch_norm)) {
		const {reestimate: _, ...norm} = rest.batch_norm;
		rest.batch_norm = Object.keys(norm).length > 0 ? norm : undefined;
	}
	return sorted(Object.fromEntries(Object.entries(rest).filter(([, v]) => v !== undefined))) as Json;
}

function words(spec: Json): string {
	const text = (v: unknown): string => (isObject(v) ? Object.entries(v).map(([k, x]) => `${k.replace(/_/g, ' ')} ${text(x)}`).join(' ') : Array.isArray(v) ? (v as unknown[]).map(text).join(' ') : typeof v === 'number' ? value(v) : String(v));
	return Object.entries(spec).filter(([name]) => name !== 'epochs').map(([name, v]) => `${name.replace(/_/g, ' ')} ${text(v)}`).join(', ');
}

/* Statistics are re-estimated before evaluations unless the job says 0, or they do not change. */
function reestimates(spec: Json): boolean {
	const norm = isObject(spec.batch_norm) ? spec.batch_norm : {};
	return norm.mode !== 'frozen' && norm.reestimate !== 0;
}

export function measured(job: Job, r: QatResult, secondsPerStep: number | null): Measured {
	const spec = job.spec as Json;
	const same = alike(spec);
	const end = sharePoints(r).at(-1);
	const reestimated = reestimates(spec);
	const metrics = {running: r.final.running_metric ?? (reestimated ? null : r.final.metric ?? null), reestimated: r.final.reestimated_metric ?? (reestimated ? r.final.metric ?? null : null)};
	return {id: job.id, network: networkName(job), data: r.data, train: r.train ?? '', trainSamples: r.train_samples ?? null, samples: r.samples ?? null, metricName: r.metric_name, float: r.float.metric ?? null,
		scheme: schemeName(spec.scheme) || r.scheme, method: methodName(spec.method), seed: String(spec.seed ?? 'default'), reestimated, metrics, alike: JSON.stringify(same), epochs: r.epochs, steps: r.steps_done,
		delta: r.final.delta ?? null, oscillating: end?.oscillating ?? null, frozen: end?.frozen ?? null, secondsPerStep: r.profile?.seconds_per_step ?? secondsPerStep, conditions: words(same)};
}

const unique = (all: readonly string[]): string[] => [...new Set(all)];

/** Numbers of one job or of several that differ in their seed alone. */
export interface Spread {
	mean: number;
	low: number;
	high: number;
	count: number;
}

export function spreadOf(numbers: readonly Maybe[]): Spread | null {
	const known = numbers.filter(isNumber);
	return known.length === 0 ? null : {mean: known.reduce((a, b) => a + b, 0) / known.length, low: Math.min(...known), high: Math.max(...known), count: known.length};
}

export interface MethodRow {
	method: string;
	without: Spread | null; /* metric */
	with: Spread | null;
	delta: Spread | null; /* change against float, re-estimated if there is such a job */
	oscillating: Spread | null;
	frozen: Spread | null;
	seconds: Spread | null;
	ratio: number | null; /* of a step's time to plain lsq's */
	jobs: string[];
	published: number | null; /* accuracy of MobileNetV2 on ImageNet */
}

export interface MethodGroup {
	key: string;
	network: string;
	scheme: string;
	metricName: string;
	float: number | null;
	about: string;
	rows: MethodRow[];
}

/** The latest job of each seed. */
function latest(jobs: readonly Measured[]): Measured[] {
	const age = (j: Measured): number => Number(j.id.slice(1));
	const by = new Map<string, Measured>();
	for (const j of [...jobs].sort((a, b) => age(a) - age(b))) {
		by.set(`${j.seed} ${j.reestimated ? 'with' : 'without'}`, j);
	}
	return [...by.values()];
}

/* In the order of the talk's table; what it does not have comes behind. */
const ORDER = ['lsq', 'lsq_plus', 'pact', 'dsq', 'ewgs', 'lsq+br', 'lsq+dampen', 'lsq+freeze'];

/** The methods of a name without their parameters. */
export function plain(method: string): string {
	return method.replace(/ \([^)]*\)/g, '');
}

function place(method: string): number {
	const i = ORDER.indexOf(plain(method));
	return i < 0 ? ORDER.length : i;
}

/* A number a seed: of the job that was run so, or else what another tells beside its own. */
function bySeed(jobs: readonly Measured[], reestimated: boolean): Maybe[] {
	return unique(jobs.map((j) => j.seed)).map((seed) => {
		const of = jobs.filter((j) => j.seed === seed);
		const metrics = (of.find((j) => j.reestimated === reestimated) ?? of[0])?.metrics;
		return reestimated ? metrics?.reestimated : metrics?.running;
	});
}

function rowOf(method: string, jobs: readonly Measured[], lsq: Spread | null, published: number | null): MethodRow {
	const all = latest(jobs);
	const pick = (reestimated: boolean): Measured[] => all.filter((j) => j.reestimated === reestimated);
	const best = pick(true).length > 0 ? pick(true) : pick(false);
	const seconds = spreadOf(all.map((j) => j.secondsPerStep));
	return {method, without: spreadOf(bySeed(all, false)), with: spreadOf(bySeed(all, true)), delta: spreadOf(best.map((j) => j.delta)),
		oscillating: spreadOf(all.map((j) => j.oscillating)), frozen: spreadOf(all.map((j) => j.frozen)), seconds, ratio: seconds && lsq && lsq.mean > 0 ? seconds.mean / lsq.mean : null, jobs: all.map((j) => j.id), published};
}

/** What jobs have in common whose methods, schemes and seeds are compared. */
export const grouping = (m: Measured): string => [m.network, m.train, m.data, m.samples, m.metricName, m.float?.toFixed(4), m.alike].join('\n');

/** Jobs of one network, scheme, data and training, a row a method. */
export function methodGroups(all: readonly Measured[]): MethodGroup[] {
	const keys = unique(all.map((m) => `${grouping(m)}\n${m.scheme}`));
	return keys.flatMap((key): MethodGroup[] => {
		const jobs = all.filter((m) => `${grouping(m)}\n${m.scheme}` === key);
		const first = jobs[0];
		if (!first) {
			return [];
		}
		const of = (method: string): Measured[] => jobs.filter((j) => j.method === method);
		const lsq = spreadOf(latest(of('lsq')).map((j) => j.secondsPerStep));
		const rows = unique(jobs.map((j) => j.method)).sort((a, b) => place(a) - place(b) || a.localeCompare(b)).map((method) => rowOf(method, of(method), lsq, isMobileNet(first.network) ? publishedFor(method, first.scheme) : null));
		return [{key, network: first.network, scheme: first.scheme, metricName: first.metricName, float: first.float, rows,
			about: [`${first.train || 'training data'}${first.trainSamples ? `, ${first.trainSamples} samples` : ''}`, `${first.epochs} epochs`, `evaluated on ${first.data}${first.samples ? `, ${first.samples} samples` : ''}`, first.conditions].filter((x) => x !== '').join('; ')}];
	});
}

/** How many seeds were run, and their range; nothing of one alone. */
export function seedsText(s: Spread | null, digits: number): string {
	return s === null || s.count < 2 ? '' : `${s.count} seeds, ${fixed(s.low, digits)} to ${fixed(s.high, digits)}`;
}

/* ---- published ---- */

export interface PublishedMethod {
	method: string;
	name: string;
	w4a4: number;
	w3a3: number | null;
}

/** MobileNetV2 on ImageNet, validation accuracy in per cent (arXiv:2203.11086 and the talk); in full precision 71.7. */
export const PUBLISHED_FLOAT = 71.7;
export const PUBLISHED_METHODS: readonly PublishedMethod[] = [
	{method: 'lsq', name: 'LSQ with re-estimated batch norms (Esser et al., 2020)', w4a4: 69.5, w3a3: 65.3},
	{method: 'pact', name: 'PACT (Choi et al., 2018)', w4a4: 61.4, w3a3: null},
	{method: 'dsq', name: 'DSQ (Gong et al., 2019)', w4a4: 64.8, w3a3: null},
	{method: 'ewgs', name: 'EWGS (J. Lee et al., 2021)', w4a4: 70.3, w3a3: null},
	{method: 'lsq+br', name: 'LSQ + BR (Han et al., 2021)', w4a4: 70.4, w3a3: 67.4},
	{method: 'lsq+dampen', name: 'LSQ + dampening (Nagel et al., 2022)', w4a4: 70.5, w3a3: 67.8},
	{method: 'lsq+freeze', name: 'LSQ + freezing (Nagel et al., 2022)', w4a4: 70.6, w3a3: 67.6},
];

function isMobileNet(network: string): boolean {
	return /mobilenet[_-]?v2/i.test(network);
}

export function publishedFor(method: string, scheme: string): number | null {
	const row = PUBLISHED_METHODS.find((p) => p.method === plain(method));
	return /^(w4a4|int4)$/.test(scheme) ? row?.w4a4 ?? null : /^(w3a3|int3)$/.test(scheme) ? row?.w3a3 ?? null : null;
}

/* Quantization-aware training as published: arXiv:2303.17951, change against FP32. */
export const PUBLISHED_QAT: Published = [
	['ResNet18', 'top-1', 69.72, [0.71, 0.53, 0.48, -0.37]],
	['MobileNetV2', 'top-1', 71.70, [0.12, 0.06, -0.14, -0.81]],
	['HRNet', 'mean IoU', 81.05, [0.22, 0.15, 0.09, 0.01]],
	['DeepLabV3', 'mean IoU', 72.91, [1.08, 0.76, 0.83, 0.31]],
	['SalsaNext', 'mean IoU', 55.80, [-1.10, -0.50, -0.10, -0.60]],
	['BERT-base', 'GLUE', 83.06, [0.20, -1.86, 0.68, 0.85]],
];

export function publishedQat(): BoardRow[] {
	return publishedBoard(PUBLISHED_QAT);
}

/** Networks by 8-bit formats after training: the mean change against float, of the seeds that were run. */
export function formatRows(all: readonly Measured[]): BoardRow[] {
	const eight = all.filter((m) => PUBLISHED_COLUMNS.includes(m.scheme));
	return unique(eight.map((m) => `${grouping(m)}\n${m.method}`)).flatMap((key): BoardRow[] => {
		const jobs = eight.filter((m) => `${grouping(m)}\n${m.method}` === key);
		const first = jobs[0];
		if (!first) {
			return [];
		}
		const m = metric(first.metricName);
		return [{key, name: first.network, href: '', float: first.float, floatText: fixed(first.float, m.digits),
			note: [first.method, m.label, `${first.epochs} epochs on ${first.train}`, `${first.samples ?? '?'} samples of ${first.data}`, first.conditions].filter((x) => x !== '').join(', '),
			cells: PUBLISHED_COLUMNS.map((scheme) => {
				const of = latest(jobs.filter((j) => j.scheme === scheme));
				const chosen = of.some((j) => j.reestimated) ? of.filter((j) => j.reestimated) : of;
				const s = spreadOf(chosen.map((j) => j.delta));
				return s === null ? null : {number: s.mean, text: signed(s.mean, m.digits), note: s.count > 1 ? `${s.count} seeds, ${signed(s.low, m.digits)} to ${signed(s.high, m.digits)}` : '', interval: '', hurt: hurt(s.mean, m.unit), best: false,
					title: chosen.map((j) => `${j.id}: ${fixed(j.reestimated ? j.metrics.reestimated : j.metrics.running, m.digits)}`).join(', '), href: `#/jobs/${chosen[0]?.id ?? ''}`};
			})}];
	});
}
