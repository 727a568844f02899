// SPDX-License-Identifier: Apache-2.0
// What an upload holds, in words.
import type {Inspection, Text} from '../api/client';
import {fixed, grouped, isNumber, shape} from '../base/units';

/** An array, an input or output of a network, or a text. */
export interface Held {
	text: string;
	name: string;
	detail: string;
	/** The shape, or what stands for it. */
	size: string;
}

const line = (text: string) => (a: {name: string; type: string; shape: (number | string | null)[] | null}): Held => ({text, name: a.name, detail: `${a.type} ${shape(a.shape)}`, size: shape(a.shape)});

export function held(found: Inspection): Held[] {
	if ('arrays' in found) {
		return found.arrays.map(line(''));
	}
	if ('tokens' in found) {
		const size = `${grouped(found.tokens)} tokens`;
		return [{text: '', name: 'text', detail: `${size}, ${found.distinct} different bytes`, size}];
	}
	return [...found.inputs.map(line('in')), ...found.outputs.map(line('out'))];
}

/** What a job's form says of the file: what feeds the network, or what the network wants. */
export function feeds(found: Inspection): string {
	return held(found).filter((h) => h.text !== 'out').map((h) => `${h.name} ${h.size}`).join(', ');
}

/** Of a network; nothing of data. */
export function numbers(found: Inspection | null): {parameters?: number; macs?: number} {
	return found && 'inputs' in found ? found : {};
}

/** What a text was made into, where the data of a job is one. */
export function windows(text: Text | undefined): string {
	if (!text) {
		return '';
	}
	const made = `${text.task}: ${grouped(text.windows)} windows of ${text.length} tokens, vocabulary ${text.vocabulary}`;
	return isNumber(text.least_loss) && isNumber(text.copied) ? `${made}; ${fixed(100 * text.copied, 1)} % of the tokens are copies, and the least loss of tokens there is, is ${fixed(text.least_loss, 4)} nats` : made;
}
