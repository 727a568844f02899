// SPDX-License-Identifier: Apache-2.0
// What a new job of each kind starts with, and ready-made choices. A kind that is not here starts with its required fields.
import {TALK} from './hw';
import type {Json} from './schema';

export interface Preset {
	name: string;
	title: string;
	set: Json;
}

const EIGHT = ['int8', 'E2', 'E3', 'E4', 'E5'];

export const STARTERS: Record<string, Json> = {
	ptq: {metric: 'top1', schemes: EIGHT, weights: {granularity: 'per_channel', range: 'mse'}, activations: {granularity: 'per_tensor', range: 'mse'},
		calibration: {samples: 100}, latency: {threads: 1, min_seconds: 1, min_queries: 100}},
	hwcost: {units: TALK.units},
};

export const PRESETS: Record<string, Preset[]> = {
	ptq: [
		{name: 'The talk', title: 'INT8 against every split of an 8 bit float', set: {schemes: EIGHT}},
		{name: 'Integers', title: 'from 8 down to 4 bits', set: {schemes: ['int8', 'int6', 'int4', 'w4a8']}},
		{name: 'Everything', title: 'the talk and low bits', set: {schemes: ['int8', 'int4', ...EIGHT.slice(1), 'w4a8']}},
		{name: 'Latency as MLPerf', title: '10 s and 662 queries of each format', set: {latency: {threads: 1, min_seconds: 10, min_queries: 662}}},
		{name: 'No latency', title: 'accuracy alone', set: {latency: false}},
	],
	hwcost: [
		{name: 'The talk', title: 'INT8 and every split of an 8 bit float, three accumulators', set: {units: TALK.units}},
		{name: 'Four bits', title: 'int4, mxfp4 and int4 with int8', set: {units: ['int4', 'mxfp4', ['int4', 'int8'], 'int8'].map((operands) => ({operands, accumulator: 'fixed'}))}},
	],
};

/** Names to press, of a field that takes a list of names. */
export const SUGGESTED: Record<string, string[]> = {
	schemes: ['int8', 'int6', 'int4', 'w4a8', 'w4a4', 'E2', 'E3', 'E4', 'E5', 'mxfp4'],
	formats: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5', 'e4m3fn', 'e5m2', 'mxfp4', 'mxint8', 'nf4', 'log4'],
};
