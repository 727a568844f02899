// SPDX-License-Identifier: Apache-2.0
// Which data a network can be fed, by the names and shapes that inspection found: as core/tensor/binding.h decides it, and
// never against data of which too little is known.
import type {Dataset, Model} from '../api/client';
import {shape} from '../base/units';

type Dims = readonly (number | string | null)[];

/* dims[0] is the batch; arrays may have one dimension more, behind it: samples of several rows. */
function sameShape(wanted: Dims | null, given: Dims | null): boolean {
	if (!wanted || !given) {
		return true;
	}
	const rest = given.slice(given.length === wanted.length + 1 ? 2 : 1);
	return (given.length === wanted.length || given.length === wanted.length + 1) &&
		wanted.slice(1).every((d, i) => typeof d !== 'number' || typeof rest[i] !== 'number' || d === rest[i]);
}

/** Why a network cannot be fed these data; '' where nothing says that it cannot. */
export function whyNot(model: Model | undefined, data: Dataset): string {
	const network = model?.inspection.result;
	const found = data.inspection.result;
	if (!network || !found) {
		return '';
	}
	if (!('arrays' in found)) {
		return network.inputs.every((i) => !i.shape || i.shape.length === 2) ? '' : 'a text becomes windows of tokens, N × length';
	}
	for (const input of network.inputs) {
		const array = found.arrays.find((a) => a.name === input.name) ?? (network.inputs.length === 1 ? found.arrays.find((a) => a.name === 'x') : undefined);
		if (!array) {
			return `no array for the input ${input.name}`;
		}
		if (!sameShape(input.shape, array.shape)) {
			return `${array.name} is ${shape(array.shape)}, the input takes ${shape(input.shape)}`;
		}
	}
	return '';
}
