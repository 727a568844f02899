// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import type {Dataset, Job, Model} from '../src/api/client';
import {whyNot} from '../src/pages/fits';
import {entryName, objectOf, simplified, type Schema} from '../src/pages/schema';
import {asCli, asCurl, asPython, tookText} from '../src/pages/submission';

type Dims = (number | string | null)[] | null;
const network = (...inputs: [string, Dims][]) => ({inspection: {state: 'ok', result: {inputs: inputs.map(([name, shape]) => ({name, type: 'float32', shape}))}}}) as unknown as Model;
const data = (...arrays: [string, number[]][]) => ({name: 'd', inspection: {state: 'ok', result: {arrays: arrays.map(([name, shape]) => ({name, type: 'uint8', shape}))}}}) as unknown as Dataset;

describe('data for a network', () => {
	const images = network(['image', ['N', 3, 32, 32]]);
	it('fit by the name of the input, or as x where there is one input', () => {
		expect(whyNot(images, data(['x', [9, 3, 32, 32]]))).toBe('');
		expect(whyNot(images, data(['image', [9, 3, 32, 32]], ['x', [9, 1]]))).toBe('');
		expect(whyNot(images, data(['y', [9]]))).toBe('no array for the input image');
		expect(whyNot(network(['a', ['N', 2]], ['b', ['N', 2]]), data(['a', [9, 2]], ['x', [9, 2]]))).toBe('no array for the input b');
	});
	it('fit by every dimension but the batch and those that are free', () => {
		expect(whyNot(images, data(['x', [9, 1, 16, 16]]))).toBe('x is 9 × 1 × 16 × 16, the input takes N × 3 × 32 × 32');
		expect(whyNot(images, data(['x', [9, 3072]]))).not.toBe('');
		expect(whyNot(network(['ids', ['N', 'length']]), data(['ids', [9, 77]]))).toBe('');
		expect(whyNot(network(['ids', ['N', null]]), data(['ids', [9, 77]]))).toBe('');
	});
	it('may hold several rows a sample', () => {
		expect(whyNot(images, data(['x', [9, 5, 3, 32, 32]]))).toBe('');
		expect(whyNot(images, data(['x', [9, 5, 2, 32, 32]]))).not.toBe('');
	});
	it('may be a text, where the network takes tokens', () => {
		const text = {name: 't', inspection: {state: 'ok', result: {kind: 'text', tokens: 9}}} as unknown as Dataset;
		expect(whyNot(network(['ids', ['N', 64]]), text)).toBe('');
		expect(whyNot(images, text)).toBe('a text becomes windows of tokens, N × length');
	});
	it('are not refused while too little is known', () => {
		expect(whyNot(undefined, data(['x', [1]]))).toBe('');
		expect(whyNot(network(['x', null]), data(['x', [1, 2]]))).toBe('');
		expect(whyNot(images, {name: 'd', inspection: {state: 'pending', result: null}} as unknown as Dataset)).toBe('');
	});
});

describe('a job to take along', () => {
	const job = {type: 'ptq', model: "it's", latency: false, layers: null, schemes: ['int8', {weights: 'int4', methods: [true]}]};
	it('is a curl command whose quotes are the shell\'s', () => {
		expect(asCurl(job, 'http://h:1')).toContain(`-d '{"type":"ptq","model":"it'\\''s"`);
	});
	it('is a document for the command line', () => {
		const text = asCli(job, 'http://h:1');
		expect(text).toMatch(/^quantbench submit - --server 'http:\/\/h:1' --wait <<'END'\n/);
		expect(JSON.parse(text.split("'END'\n")[1]!.replace(/\nEND$/, ''))).toEqual(job);
	});
	it('is Python', () => {
		expect(asPython(job, 'http://h:1')).toContain('job = {"type": "ptq", "model": "it\'s", "latency": False, "layers": None, "schemes": ["int8", {"weights": "int4", "methods": [True]}]}');
	});
});

describe('what jobs like it took', () => {
	const ended = (id: string, seconds: number, schemes = 2) => ({id, state: 'succeeded', started: '2026-01-01T00:00:00Z', finished: new Date(Date.parse('2026-01-01T00:00:00Z') + seconds * 1000).toISOString(), spec: {schemes: Array.from({length: schemes}, () => 'int8')}}) as unknown as Job;
	it('is told of those that ended, and of none where none did', () => {
		expect(tookText([])).toBe('');
		expect(tookText([{...ended('j1', 5), state: 'failed'} as Job])).toBe('');
		expect(tookText([ended('j1', 72, 1)])).toBe('The one such job so far, j1 with 1 scheme, took 1 min 12 s.');
		expect(tookText([ended('j3', 20), ended('j2', 90), ended('j1', 5)])).toBe('The latest 3 such jobs took 5.0 s to 1 min 30 s; j3 with 2 schemes 20 s.');
	});
});

describe('entries of a list of schemes', () => {
	const root: Schema = {};
	const items: Schema = {anyOf: [{type: 'string'}, {properties: {name: {type: 'string'}, scheme: {type: 'string'}}}]};
	it('are called as results call them', () => {
		expect(['int8', {scheme: 'w4a8', methods: ['adaround', {name: 'gptq'}]}, {scheme: 'w4a8', name: 'mine', methods: ['gptq']}, {weights: 'int4'}].map(entryName)).toEqual(['int8', 'w4a8+adaround+gptq', 'mine', '{"weights":"int4"}']);
	});
	it('become objects where they may, and names again where they say no more', () => {
		expect(objectOf(items, root)).toBe(items.anyOf?.[1]);
		expect(objectOf({type: 'string'}, root)).toBe(null);
		expect([simplified({scheme: 'int8'}), simplified({scheme: 'int8', name: 'a'}), simplified('E4')]).toEqual(['int8', {scheme: 'int8', name: 'a'}, 'E4']);
	});
});
