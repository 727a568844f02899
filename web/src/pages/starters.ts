// SPDX-License-Identifier: Apache-2.0
// What a new job of each kind starts with, and ready-made choices. A kind that is not here starts with its required fields.
import {TALK} from './hw';
import {isObject, type Json} from './schema';

export interface Preset {
	name: string;
	title: string;
	set: Json;
	/** Fields that it does not have. */
	without?: string[];
}

export function applied(spec: Json, preset: Preset): Json {
	return Object.fromEntries(Object.entries({...spec, ...preset.set}).filter(([name]) => !preset.without?.includes(name)));
}

const EIGHT = ['int8', 'E2', 'E3', 'E4', 'E5'];

const ADAMW = {optimizer: {name: 'adamw', lr: 1e-3}, schedule: {warm_up: 1}};

const TOY_METHODS = ['lsq', {name: 'dampen', lambda: 1}, 'freeze'];

/** One weight between two levels: it oscillates, it is dampened, it is frozen. */
export const TOY: Json = {type: 'toy', methods: TOY_METHODS};

/* An upload that is '' becomes one that fits. */
export const STARTERS: Record<string, Json> = {
	ptq: {metric: 'top1', schemes: EIGHT, weights: {granularity: 'per_channel', range: 'mse'}, activations: {granularity: 'per_tensor', range: 'mse'},
		calibration: {samples: 100}, latency: {threads: 1, min_seconds: 1, min_queries: 100}},
	hwcost: {units: TALK.units},
	sqnr: {distributions: [{name: 'uniform', low: -1, high: 1}, {name: 'gaussian', sigma: 1, clip: 10}, {name: 'student_t', nu: 8, clip: 100}], formats: EIGHT},
	diagnose: {metric: 'top1', scheme: 'int4', weights: {granularity: 'per_channel', range: 'mse'}, activations: {granularity: 'per_tensor', range: 'mse'}, mixed: {candidates: ['int8'], budget: {kind: 'size', share: 0.2}}},
	toy: {methods: TOY_METHODS},
	train: {network: 'resnet8', metric: 'top1', epochs: 20, batch: 64, optimizer: {lr: 0.1, weight_decay: 5e-4}, schedule: {warm_up: 1}, augment: {flip: true, crop: 4}},
	qat: {scheme: 'w4a4', method: 'lsq', metric: 'top1', epochs: 10, batch: 64},
	outliers: {network: {name: 'opt', layers: 3, width: 64, heads: 1, bias: false}, train: '', text: {task: 'bigram_backcopy', length: 64, sequences: 2048},
		methods: ['vanilla', 'clipped_softmax', 'gated'], samples: 256, epochs: 60, batch: 32, optimizer: {lr: 0.001, weight_decay: 1e-4},
		schedule: {name: 'constant', warm_up: 1}, evaluate_every: 5},
	tensor: {formats: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5', 'mxfp4', 'nvfp4']},
};

export const PRESETS: Record<string, Preset[]> = {
	ptq: [
		{name: 'The talk', title: 'INT8 against every split of an 8 bit float', set: {schemes: EIGHT}},
		{name: 'Integers', title: 'from 8 down to 4 bits', set: {schemes: ['int8', 'int6', 'int4', 'w4a8']}},
		{name: 'Everything', title: 'the talk and low bits', set: {schemes: ['int8', 'int4', ...EIGHT.slice(1), 'w4a8']}},
		{name: 'Latency as MLPerf', title: '10 s and 662 queries of each format', set: {latency: {threads: 1, min_seconds: 10, min_queries: 662}}},
		{name: 'No latency', title: 'accuracy alone', set: {latency: false}},
	],
	sqnr: [
		{name: 'The talk', title: 'uniform, Gaussian and Student-t', set: {distributions: [{name: 'uniform', low: -1, high: 1}, {name: 'gaussian', sigma: 1, clip: 10}, {name: 'student_t', nu: 8, clip: 100}], formats: EIGHT}},
		{name: 'Heavier tails', title: 'Student-t against nu', set: {distributions: [{name: 'student_t', clip: 100}], sweep: {parameter: 'nu', values: [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64]}}},
		{name: 'More outliers', title: 'a Gaussian with another ten times as wide', set: {distributions: [{name: 'gaussian'}], sweep: {parameter: 'outlier_mass', values: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1]}}},
	],
	train: [
		{name: 'Images', title: 'flipped and cropped, SGD on a cosine', set: {network: 'resnet8', metric: 'top1', optimizer: {lr: 0.1, weight_decay: 5e-4}, schedule: {warm_up: 1}, augment: {flip: true, crop: 4}}, without: ['text']},
		{name: 'Sounds', title: 'moved in time, with noise', set: {network: 'ds_cnn', metric: 'top1', optimizer: {name: 'adam'}, schedule: {warm_up: 1}, augment: {shift: 2, noise: 0.05}}, without: ['text']},
		{name: 'Text', title: 'a causal transformer of bytes', set: {network: {name: 'opt', layers: 2, width: 128, heads: 4}, metric: 'perplexity', text: {task: 'causal', length: 128}, batch: 16, ...ADAMW}, without: ['augment']},
		{name: 'Masked text', title: 'BERT of bytes', set: {network: {name: 'bert', layers: 2, width: 128, heads: 4}, metric: 'perplexity', text: {task: 'masked', length: 128}, batch: 16, ...ADAMW}, without: ['augment']},
		{name: 'Copies', title: 'bigrams of a text, and tokens copied after triggers', set: {network: {name: 'opt', layers: 3, width: 128, heads: 1}, metric: 'token_loss', text: {task: 'bigram_backcopy', length: 64}, samples: 256, batch: 16, ...ADAMW}, without: ['augment']},
	],
	qat: [
		...(['w4a4', 'w3a3', 'w2a2', 'int8', 'E4'].map((scheme): Preset => ({name: scheme, title: `train for ${scheme}`, set: {scheme}}))),
		{name: 'Dampened', title: 'weights are drawn to their levels', set: {method: ['lsq', 'dampen']}},
		{name: 'Frozen', title: 'weights that oscillate are pinned', set: {method: ['lsq', 'freeze']}},
		{name: 'Batch norms as they ran', title: 'no re-estimation before evaluations', set: {batch_norm: {reestimate: 0}}},
	],
	toy: [
		{name: 'The talk', title: 'oscillating, dampened and frozen', set: {methods: TOY_METHODS}},
		{name: 'Every estimator', title: 'what else passes for the gradient of rounding', set: {methods: ['lsq', 'lsq_plus', 'ewgs', 'dsq', 'br']}},
		{name: 'Near a level', title: 'a target close to the lower level: long periods', set: {target: 0.68, steps: 120}},
		{name: 'Batches', title: 'gradients that vary from batch to batch', set: {deviation: 0.5, steps: 200}},
	],
	hwcost: [
		{name: 'The talk', title: 'INT8 and every split of an 8 bit float, three accumulators', set: {units: TALK.units}},
		{name: 'Four bits', title: 'int4, mxfp4 and int4 with int8', set: {units: ['int4', 'mxfp4', ['int4', 'int8'], 'int8'].map((operands) => ({operands, accumulator: 'fixed'}))}},
	],
};

/** What a job is about; the form folds the other fields. A kind that is not here shows all. */
export const ESSENTIAL: Record<string, readonly string[]> = {
	ptq: ['schemes', 'metric', 'preprocess', 'latency'],
	diagnose: ['scheme', 'metric', 'preprocess', 'mixed'],
	train: ['network', 'metric', 'preprocess', 'epochs', 'batch', 'optimizer'],
	qat: ['scheme', 'method', 'metric', 'preprocess', 'epochs', 'batch'],
	sqnr: ['distributions', 'formats', 'sweep'],
	tensor: ['formats', 'granularities'],
	hwcost: ['units'],
	toy: ['methods', 'steps', 'format', 'target'],
};

/** Names to press, of a field that takes a list of names. */
export const SUGGESTED: Record<string, string[]> = {
	schemes: ['int8', 'int6', 'int4', 'w4a8', 'w4a4', 'E2', 'E3', 'E4', 'E5', 'mxfp4'],
	formats: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5', 'e4m3fn', 'e5m2', 'mxfp4', 'mxint8', 'nf4', 'log4'],
};

export interface Asked {
	scheme: string | null; /* its name in a result */
	at: string | null; /* its place in the job's schemes, which names alone do not tell */
	export: string | null;
}

/** A job made of another: of the same kind (`other` null), for one of its schemes if one is named, or of another kind, with what both have in common. */
export function derivedJob(same: Json, other: Json | null, known: readonly string[], asked: Asked): Json {
	const schemes = Array.isArray(same.schemes) ? same.schemes as unknown[] : [];
	const scheme = asked.scheme === null ? null : (asked.at === null ? undefined : schemes[Number(asked.at)]) ?? schemes.find((s) => isObject(s) && s.name === asked.scheme) ?? asked.scheme;
	if (other === null) {
		return {...same, ...(scheme === null ? {} : {schemes: [scheme]}), ...(asked.export === null ? {} : {export: [asked.export], latency: false})};
	}
	const common = Object.fromEntries(Object.entries(same).filter(([name]) => known.includes(name) && name !== 'samples'));
	return {...other, ...common, ...(scheme === null ? {} : {scheme})};
}
