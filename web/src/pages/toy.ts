// SPDX-License-Identifier: Apache-2.0
// What the toy's page says of its runs; every word comes from the points.
import type {ToyResult} from '../api/client';
import {fixed} from '../base/units';

export type ToyRun = ToyResult['runs'][number];
type Point = ToyRun['points'][number];

/** The step from which on the level stays what it is at the end. */
export function settledAt(points: readonly Point[]): number {
	let i = points.length - 1;
	while (i > 0 && points[i - 1]?.quantized === points[i]?.quantized) {
		i--;
	}
	return points[i]?.step ?? 0;
}

export function frozenAt(points: readonly Point[]): number | null {
	return points.find((p) => p.frozen)?.step ?? null;
}

function levelName(result: ToyResult, level: number): string {
	/* The job computes with float32 weights. */
	const near = (a: number): boolean => Math.abs(level - a) < Math.abs(result.scale) * 1e-3;
	return near(result.upper) ? 'the upper level' : near(result.lower) ? 'the lower level' : `level ${fixed(level, 4)}`;
}

/** How a run ends: it changes levels still, or where it stays and since when. */
export function ending(result: ToyResult, run: ToyRun): string {
	const last = run.points.at(-1);
	if (!last) {
		return 'has no steps';
	}
	if (run.changes > 0) {
		return `changes its level ${run.changes === 1 ? 'once' : `${run.changes} times`} in the last quarter of the steps`;
	}
	const frozen = frozenAt(run.points);
	const since = settledAt(run.points);
	return `stays at ${levelName(result, last.quantized)} ${since === (run.points[0]?.step ?? 0) ? 'from the first step on' : `from step ${since} on`}${frozen === null ? '' : `, frozen at step ${frozen}`}`;
}

