// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {control, fields, likely, numbersOf, resolved, shown, starting, textOf, variantOf, variants, withField, type Schema} from '../src/pages/schema';

const root: Schema = {$defs: {part: {properties: {format: {type: 'string'}}}, factor: {anyOf: [{type: 'number'}, {type: 'array', items: {type: 'number'}}]},
	unit: {properties: {operands: {type: 'string'}, rounds: {type: 'integer', minimum: 2}, kind: {enum: ['a', 'b']}}, required: ['operands', 'rounds', 'kind']}}};

describe('the control of a field', () => {
	const cases: [Schema, string][] = [
		[{const: 'ptq'}, 'fixed'], [{enum: ['a', 'b']}, 'choice'], [{type: 'boolean'}, 'switch'], [{type: 'integer'}, 'number'], [{type: 'string'}, 'text'],
		[{$ref: '#/$defs/factor'}, 'numbers'], [{type: 'array', items: {type: 'number'}}, 'numbers'], [{type: 'array', items: {type: 'string'}}, 'names'],
		[{type: 'array', items: {$ref: '#/$defs/unit'}}, 'list'], [{$ref: '#/$defs/part'}, 'group'], [{anyOf: [{type: 'boolean'}, {$ref: '#/$defs/part'}]}, 'variants'],
		[{anyOf: [{type: 'string'}, {$ref: '#/$defs/part'}]}, 'text'], [{type: 'object'}, 'json'], [{}, 'json'],
	];
	it.each(cases)('%j is a %s', (schema, expected) => {
		expect(control(resolved(schema, root), root)).toBe(expected);
	});
	it('of choices among choices is one choice of them all', () => {
		const nested: Schema = {$defs: {method: {anyOf: [{title: 'freeze', properties: {name: {const: 'freeze'}}}, {title: 'by name', enum: ['lsq', 'freeze']}]}}};
		const entry: Schema = {anyOf: [{$ref: '#/$defs/method'}, {type: 'array', items: {$ref: '#/$defs/method'}}]};
		const all = variants(entry, nested);
		expect(all.map((v) => v.title ?? v.type)).toEqual(['freeze', 'by name', 'array']);
		expect(control({type: 'array', items: entry}, nested)).toBe('list');
		expect([{name: 'freeze'}, 'lsq', ['lsq', 'freeze']].map((x) => variantOf(x, all))).toEqual([0, 1, 2]);
	});
	it('leaves out what the server fills in', () => {
		expect(fields({properties: {type: {}, model: {}, workdir: {}, fresh: {}, seed: {}}}).map(([name]) => name)).toEqual(['model', 'seed']);
	});
});

describe('the upload that a field starts with', () => {
	it('is training data for training, other data for evaluation, and any where there is no such', () => {
		const uploads = [{name: 'digits-train.npz'}, {name: 'digits-test.npz'}];
		expect(['train', 'data', 'model'].map((field) => likely(field, uploads)?.name)).toEqual(['digits-train.npz', 'digits-test.npz', 'digits-train.npz']);
		expect(likely('train', [{name: 'x.npz'}])?.name).toBe('x.npz');
		expect(likely('data', [])).toBeUndefined();
	});
});

describe('what is typed', () => {
	it('becomes numbers, a list only where there are several or one is wanted', () => {
		expect([numbersOf('0.5', false), numbersOf('0.5', true), numbersOf('1, 2;3', false), numbersOf(' ', false)]).toEqual([0.5, [0.5], [1, 2, 3], undefined]);
		expect(numbersOf('1 two', false)).toEqual([1, 'two']);
	});
	it('becomes JSON where it looks so, text otherwise', () => {
		expect([textOf('{"format": "int4"}'), textOf('["a"]'), textOf('null'), textOf('{broken'), textOf(' int8 '), textOf('')])
			.toEqual([{format: 'int4'}, ['a'], null, '{broken', 'int8', undefined]);
	});
	it('is shown as it can be typed again', () => {
		for (const x of [[1, 2, 3], {format: 'int4'}, 'int8', null, ['a', 'b']]) {
			const text = shown(x);
			expect(Array.isArray(x) && typeof x[0] === 'number' ? numbersOf(text, true) : textOf(text)).toEqual(x);
		}
		expect(shown(undefined)).toBe('');
	});
});

describe('objects of a form', () => {
	it('gain and lose fields as copies', () => {
		const before = {a: 1};
		expect(withField(before, 'b', 2)).toEqual({a: 1, b: 2});
		expect(withField(before, 'a', undefined)).toEqual({});
		expect(before).toEqual({a: 1});
	});
	it('start with their required fields', () => {
		expect(starting({$ref: '#/$defs/unit'}, root)).toEqual({operands: '', rounds: 2, kind: 'a'});
		expect([starting({default: 7, type: 'integer'}, root), starting({const: 'x'}, root), starting({type: 'array'}, root)]).toEqual([7, 'x', []]);
	});
	it('have the variant whose constants agree', () => {
		const all = variants({anyOf: [{type: 'boolean'}, {properties: {name: {const: 'uniform'}}}, {properties: {name: {enum: ['gaussian', 'laplace']}}}]}, root);
		expect([variantOf(false, all), variantOf({name: 'uniform'}, all), variantOf({name: 'laplace'}, all), variantOf({name: 'else'}, all), variantOf('x', all)])
			.toEqual([0, 1, 2, -1, -1]);
		expect(variantOf('b', [{properties: {name: {const: 'b'}}}, {enum: ['a', 'b']}])).toBe(1);
	});
});

/* What the worker says of its kinds of job, where tests/web/functions.sh put it. */
const TYPES = Object.values(import.meta.glob<{types: {type: string; schema: Schema}[]}>('./types.json', {eager: true, import: 'answer'})).flatMap((t) => t.types);

describe('the schemas of the jobs themselves', () => {
	it.each(['diagnose', 'hwcost', 'ptq', 'sqnr', 'tensor'])('%s has a control for every field', (name) => {
		const schema = TYPES.find((t) => t.type === name)?.schema ?? {};
		expect(fields(schema).length).toBeGreaterThan(0);
		for (const [, field] of fields(schema)) {
			const s = resolved(field, schema);
			const kind = control(s, schema);
			expect(kind).not.toBe('fixed');
			if (kind === 'group') {
				expect(fields(s).length).toBeGreaterThan(0);
			}
		}
		expect(starting(schema, schema)).toMatchObject({type: name});
	});
});
