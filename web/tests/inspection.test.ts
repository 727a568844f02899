// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {feeds, held, numbers, windows} from '../src/pages/inspection';

const TEXT = {kind: 'text', bytes: 1115394, tokens: 1115394, distinct: 65, largest: 122, vocabulary: 256} as const;
const DATA = {kind: 'data', arrays: [{name: 'x', type: 'uint8', shape: [9, 3, 8]}, {name: 'y', type: 'int64', shape: [9]}]} as const;
const MODEL = {inputs: [{name: 'ids', type: 'int64', shape: ['N', null]}], outputs: [{name: 'logits', type: 'float32', shape: null}], parameters: 7};

describe('what an upload holds', () => {
	it('is the length of a text', () => {
		expect(held({...TEXT})).toEqual([{text: '', name: 'text', detail: '1\u2009115\u2009394 tokens, 65 different bytes', size: '1\u2009115\u2009394 tokens'}]);
		expect(feeds({...TEXT})).toBe('text 1\u2009115\u2009394 tokens');
		expect(numbers({...TEXT})).toEqual({});
	});
	it('is arrays of data, inputs and outputs of a network', () => {
		const data = {kind: DATA.kind, arrays: DATA.arrays.map((a) => ({...a, shape: [...a.shape]}))};
		expect(held(data).map((h) => h.detail)).toEqual(['uint8 9 × 3 × 8', 'int64 9']);
		expect(feeds(data)).toBe('x 9 × 3 × 8, y 9');
		expect(held(MODEL).map((h) => `${h.text} ${h.name} ${h.detail}`)).toEqual(['in ids int64 N × ?', 'out logits float32 ?']);
		expect(feeds(MODEL)).toBe('ids N × ?');
		expect(numbers(MODEL).parameters).toBe(7);
		expect(numbers(null)).toEqual({});
	});
});

describe('what a text was made into', () => {
	it('is its windows, and what can be reached of copies', () => {
		const text = {task: 'causal', length: 64, windows: 17428, tokens: 1115394, vocabulary: 259, mask_token: 256, start_token: 257, padding_token: 258} as const;
		expect(windows(text)).toBe('causal: 17\u2009428 windows of 64 tokens, vocabulary 259');
		expect(windows({...text, task: 'bigram_backcopy', copied: 0.2346, least_loss: 1.88})).toContain('; 23.5 % of the tokens are copies, and the least loss of tokens there is, is 1.8800 nats');
		expect(windows(undefined)).toBe('');
	});
});
