// SPDX-License-Identifier: Apache-2.0
// What the page of oscillations derives from a qat result.
import type {QatResult, QatSnapshot} from '../api/client';
import type {Latent} from '../charts/latent';
import {isNumber, type Maybe} from '../base/units';

export type Layer = QatResult['layers'][number];

function sum(all: readonly (readonly number[])[]): number[] {
	return all.length === 0 ? [] : (all[0] ?? []).map((_, i) => all.reduce((s, one) => s + (one[i] ?? 0), 0));
}

function shares(counts: readonly number[]): number[] {
	const whole = counts.reduce((a, b) => a + b, 0);
	return counts.map((c) => (whole > 0 ? c / whole : 0));
}

export function tracked(result: QatResult): {layer: Layer; index: number}[] {
	return result.layers.map((layer, index) => ({layer, index})).filter(({layer}) => layer.tracked);
}

/** Latent weights of one layer, or of all that are tracked (-1), at each snapshot. */
export function latent(result: QatResult, index: number): Latent {
	const rows = (result.snapshots ?? []).map((s) => ({step: s.step, counts: sum(s.layers.flatMap((l, i) => (l && (index < 0 || i === index) ? [l.latent] : [])))})).filter((r) => r.counts.length > 0);
	return {steps: rows.map((r) => r.step), share: rows.map((r) => shares(r.counts))};
}

/** The share of weights in the outermost bins, next to a threshold on either side: an eighth of a grid step. */
export function nearThreshold(share: readonly number[]): number | null {
	const edge = Math.round(share.length / 8);
	return share.length === 0 ? null : share.filter((_, i) => i < edge || i >= share.length - edge).reduce((a, b) => a + b, 0);
}

/* Frequencies lie in [0, MOST], those above it in the last bin. */
const MOST = 0.2;

export interface FrequencyBin {
	low: number;
	high: number | null; /* null: and more */
	weights: number;
}

export function frequencies(result: QatResult, index: number): FrequencyBin[] {
	const counts = sum(result.layers.flatMap((l, i) => (l.frequencies && (index < 0 || i === index) ? [l.frequencies] : [])));
	return counts.map((weights, i): FrequencyBin => ({low: (MOST * i) / counts.length, high: i === counts.length - 1 ? null : (MOST * (i + 1)) / counts.length, weights}));
}

/** Up to the last bin that has weights. */
export function withoutTail(bins: readonly FrequencyBin[]): FrequencyBin[] {
	return bins.slice(0, bins.reduce((end, b, i) => (b.weights > 0 ? i + 1 : end), 0));
}

/** Snapshots that compare statistics of batch norms. */
export function normSnapshots(result: QatResult): QatSnapshot[] {
	return (result.snapshots ?? []).filter((s) => s.batch_norms.length > 0);
}

export interface SharePoint {
	step: number;
	oscillating: number | null;
	frozen: number | null;
}

/** Oscillating and frozen shares over the steps: the finer series of steps where it has them, else of snapshots. */
export function sharePoints(result: QatResult): SharePoint[] {
	const of = (rows: readonly {step: number; oscillating?: Maybe; frozen?: Maybe}[]): SharePoint[] => rows
		.map((r) => ({step: r.step, oscillating: r.oscillating ?? null, frozen: r.frozen ?? null})).filter((r) => isNumber(r.oscillating) || isNumber(r.frozen));
	const steps = of(result.steps);
	return steps.length > 0 ? steps : of(result.snapshots ?? []);
}

/** The snapshot in force at a step: the first at or after it, else the last. */
export function snapshotAt(steps: readonly number[], step: number): number {
	const i = steps.findIndex((s) => s >= step);
	return i < 0 ? steps.length - 1 : i;
}
