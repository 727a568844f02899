// SPDX-License-Identifier: Apache-2.0
// What the pages derive from a hwcost result.
import type {HwcostResult} from '../api/client';
import type {Bar} from '../charts/stacked';

export type HwRow = HwcostResult['rows'][number];

export interface HwUnit extends Bar {
	operands: string;
	file: string | null; /* of its Verilog, if the job wrote it */
	row: HwRow;
}

export function hwUnits(result: HwcostResult): HwUnit[] {
	return result.rows.map((row): HwUnit => {
		const both = typeof row.operands === 'string' ? [row.operands] : row.operands;
		return {name: `${both.join(' × ')} + ${row.accumulator}`, operands: both.join(' × '), parts: row.parts, total: row.gates, beside: row.published ?? null,
			file: row.verilog ?? null, row};
	});
}

/** The units of the published table and the formats between them. */
export const TALK = {type: 'hwcost', units: ['int8', 'E2', 'E3', 'E4', 'E5', 'int4'].flatMap((operands) =>
	['fixed', 'fp16', 'fp32'].map((accumulator) => ({operands, accumulator})))};
