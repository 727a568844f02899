// SPDX-License-Identifier: Apache-2.0
// The form of a ptq job and its JSON, back and forth. What the form does not know it keeps.

export type Json = Record<string, unknown>;

export interface Part {
	granularity: string;
	range: string;
	percentile: number | null;
}

export interface Form {
	model: string;
	data: string;
	metric: string;
	schemes: unknown[];
	weights: Part;
	activations: Part;
	calibration: number | null;
	seed: number | null;
	samples: number | null;
	scale: string;
	mean: string;
	std: string;
	latency: 'off' | 'short' | 'full';
	threads: number | null;
	fresh: boolean;
}

export const PRESETS: {name: string; title: string; schemes: string[]}[] = [
	{name: 'The talk', title: 'INT8 against every split of an 8 bit float', schemes: ['int8', 'E2', 'E3', 'E4', 'E5']},
	{name: 'Integers', title: 'from 8 down to 4 bits', schemes: ['int8', 'int6', 'int4', 'w4a8']},
	{name: 'Everything', title: 'the talk and low bits', schemes: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5', 'w4a8']},
];

export const SUGGESTED = ['int8', 'int6', 'int4', 'w4a8', 'w4a4', 'E2', 'E3', 'E4', 'E5'];

export function emptyForm(): Form {
	return {model: '', data: '', metric: 'top1', schemes: ['int8', 'E2', 'E3', 'E4', 'E5'],
		weights: {granularity: 'per_channel', range: 'mse', percentile: null},
		activations: {granularity: 'per_tensor', range: 'mse', percentile: null},
		calibration: 100, seed: 1, samples: null, scale: '', mean: '', std: '', latency: 'short', threads: 1, fresh: false};
}

/** "0.5" -> 0.5, "1, 2, 3" -> [1, 2, 3], nothing -> undefined; what is no number stays, for the server to name it. */
export function factor(text: string): unknown {
	const parts = text.split(/[\s,;]+/).filter((p) => p !== '');
	if (parts.length === 0) {
		return undefined;
	}
	const numbers = parts.map((p) => (Number.isFinite(Number(p)) ? Number(p) : p));
	return numbers.length === 1 ? numbers[0] : numbers;
}

function part(p: Part): Json {
	return {granularity: p.granularity, range: p.range, ...(p.range === 'percentile' && p.percentile !== null ? {percentile: p.percentile} : {})};
}

export function toSpec(form: Form, kept: Json = {}): Json {
	const spec: Json = {...kept, type: 'ptq', model: form.model, data: form.data, metric: form.metric, schemes: form.schemes,
		weights: {...(kept.weights as Json | undefined), ...part(form.weights)},
		activations: {...(kept.activations as Json | undefined), ...part(form.activations)}};
	const set = (name: string, value: unknown): void => {
		if (value === undefined || value === null) {
			delete spec[name];
		} else {
			spec[name] = value;
		}
	};
	const pre: Json = {};
	for (const name of ['scale', 'mean', 'std'] as const) {
		const value = factor(form[name]);
		if (value !== undefined) {
			pre[name] = value;
		}
	}
	set('preprocess', Object.keys(pre).length > 0 ? pre : null);
	set('calibration', form.calibration === null ? null : {samples: form.calibration});
	set('seed', form.seed);
	set('samples', form.samples);
	set('fresh', form.fresh ? true : null);
	const threads = form.threads ?? 1;
	spec.latency = form.latency === 'off' ? false
		: form.latency === 'full' ? {threads, min_seconds: 10, min_queries: 662} : {threads, min_seconds: 1, min_queries: 100};
	return spec;
}

function partOf(json: unknown, start: Part): Part {
	const p = (json ?? {}) as Json;
	return {granularity: typeof p.granularity === 'string' ? p.granularity : start.granularity, range: typeof p.range === 'string' ? p.range : start.range,
		percentile: typeof p.percentile === 'number' ? p.percentile : start.percentile};
}

function factorText(x: unknown): string {
	return x === undefined ? '' : Array.isArray(x) ? x.join(', ') : String(x);
}

export function fromSpec(spec: Json): Form {
	const form = emptyForm();
	const text = (x: unknown, start: string): string => (typeof x === 'string' ? x : start);
	const num = (x: unknown, start: number | null): number | null => (typeof x === 'number' ? x : start);
	const pre = (spec.preprocess ?? {}) as Json;
	const lat = spec.latency;
	const options = (typeof lat === 'object' && lat !== null ? lat : {}) as Json;
	return {...form, model: text(spec.model, ''), data: text(spec.data, ''), metric: text(spec.metric, form.metric),
		schemes: Array.isArray(spec.schemes) ? spec.schemes : form.schemes,
		weights: partOf(spec.weights, form.weights), activations: partOf(spec.activations, form.activations),
		calibration: num(((spec.calibration ?? {}) as Json).samples, form.calibration), seed: num(spec.seed, form.seed), samples: num(spec.samples, null),
		scale: factorText(pre.scale), mean: factorText(pre.mean), std: factorText(pre.std),
		latency: lat === false ? 'off' : typeof options.min_seconds === 'number' && options.min_seconds < 10 ? 'short' : 'full',
		threads: num(options.threads, 1), fresh: spec.fresh === true};
}

export function schemeName(scheme: unknown): string {
	if (typeof scheme === 'string') {
		return scheme;
	}
	const s = (scheme ?? {}) as Json;
	return typeof s.name === 'string' ? s.name : JSON.stringify(scheme);
}
