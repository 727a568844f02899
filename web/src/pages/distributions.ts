// SPDX-License-Identifier: Apache-2.0
// What the sliders of the Distributions page mean in a job's words.
import type {SqnrResult} from '../api/client';
import type {SweepPoint} from '../charts/sqnr';
import {value, type Maybe} from '../base/units';
import type {Json} from './schema';

export type Shape = 'uniform' | 'gaussian' | 'laplace' | 'logistic' | 'student_t' | 'outliers';
export type SweepName = 'nu' | 'range' | 'outlier_mass' | 'bits' | 'clip';

export interface Settings {
	shape: Shape;
	width: number;
	nu: number;
	clip: number; /* NO_CLIP and more: not clipped */
	mass: number;
	far: number;
}

export const NO_CLIP = 1000;

/* The first three are the talk's. */
export const SHAPES: {name: Shape; text: string; title: string; start: Partial<Settings>}[] = [
	{name: 'uniform', text: 'uniform', title: 'no outliers at all', start: {shape: 'uniform', width: 1}},
	{name: 'gaussian', text: 'Gaussian', title: 'as most weights are', start: {shape: 'gaussian', width: 1, clip: 10}},
	{name: 'student_t', text: 'Student-t', title: 'the smaller ν, the heavier the tails', start: {shape: 'student_t', width: 1, nu: 8, clip: 100}},
	{name: 'outliers', text: 'Gaussian with outliers', title: 'few numbers far away, as in transformers', start: {shape: 'outliers', width: 1, clip: NO_CLIP}},
	{name: 'laplace', text: 'Laplace', title: 'exponential tails', start: {shape: 'laplace', width: 1, clip: NO_CLIP}},
	{name: 'logistic', text: 'logistic', title: 'between Gaussian and Laplace', start: {shape: 'logistic', width: 1, clip: NO_CLIP}},
];

export function distribution(s: Settings): Json {
	const clip = s.clip < NO_CLIP ? {clip: s.clip} : {};
	switch (s.shape) {
	case 'uniform':
		return {name: 'uniform', low: -s.width, high: s.width};
	case 'gaussian':
		return {name: 'gaussian', sigma: s.width, ...clip};
	case 'student_t':
		return {name: 'student_t', nu: s.nu, scale: s.width, ...clip};
	case 'outliers':
		return {name: 'mixture', ...clip, parts: [{name: 'gaussian', sigma: s.width, weight: 1 - s.mass}, {name: 'gaussian', sigma: s.width * s.far, weight: s.mass}]};
	default:
		return {name: s.shape, scale: s.width, ...clip};
	}
}

/** So many numbers from low to high, each the same factor or the same step above the last. */
export function between(low: number, high: number, count: number, log: boolean): number[] {
	return Array.from({length: count}, (_, i) => {
		const t = i / (count - 1);
		return Number((log ? low * (high / low) ** t : low + (high - low) * t).toPrecision(4));
	});
}

interface Sweep {
	text: string;
	axis: string;
	log: boolean;
	fits: (shape: Shape) => boolean;
	values: (s: Settings) => number[];
	mark: (s: Settings) => number | null; /* where the sliders are */
	at: (x: number) => Partial<Settings>; /* what a click on the chart sets */
}

export const SWEEPS: Record<SweepName, Sweep> = {
	nu: {text: 'ν', axis: 'degrees of freedom ν', log: true, fits: (shape) => shape === 'student_t',
		values: (s) => between(s.clip < NO_CLIP ? 1 : 2.2, 100, 25, true), mark: (s) => s.nu, at: (nu) => ({nu})},
	outlier_mass: {text: 'outliers', axis: 'share of outliers', log: true, fits: () => true,
		values: () => between(1e-7, 0.2, 26, true), mark: (s) => (s.shape === 'outliers' ? s.mass : null), at: (mass) => ({mass})},
	range: {text: 'range', axis: 'range c', log: true, fits: () => true, values: (s) => between(s.width * 0.3, s.width * 100, 41, true), mark: () => null, at: () => ({})},
	clip: {text: 'clip', axis: 'clip', log: true, fits: (shape) => shape !== 'uniform', values: (s) => between(s.width, s.width * 1000, 25, true),
		mark: (s) => (s.clip < NO_CLIP ? s.clip : null), at: (clip) => ({clip})},
	/* A cell of a logistic density is a quadrature, and one of a mixture the sum of its parts: two bits fewer are answered at once. */
	bits: {text: 'bits', axis: 'bits', log: false, fits: () => true,
		values: (s) => (s.shape === 'logistic' || s.shape === 'outliers' ? between(4, 10, 7, false) : between(4, 12, 9, false)), mark: () => 8, at: () => ({})},
};

type Row = SqnrResult['rows'][number];

/** The lines of a sweep's chart: one a format of the job. */
export function sweepPoints(rows: readonly Row[]): SweepPoint[] {
	return rows.flatMap((r) => (r.value === null || r.value === undefined ? [] : [{format: r.asked, value: r.value, sqnr_db: r.sqnr_db ?? r.measured_sqnr_db ?? null}]));
}

/** Where the best format changes along one distribution's sweep, in sentences; else what its rows say instead. */
export function sweepSentences(rows: readonly Row[], crossings: SqnrResult['crossings'], axis: string): string[] {
	if (crossings.length > 0) {
		return crossings.map((c) => `Between ${axis} ${value(c.from)} and ${value(c.to)} the best changes from ${c.before} to ${c.after}.`);
	}
	const values = new Map<Maybe, Set<string>>();
	for (const r of rows) {
		const best = values.get(r.value) ?? new Set<string>();
		if (r.best) { best.add(r.asked); }
		values.set(r.value, best);
	}
	const throughout = [...new Set(rows.map((r) => r.asked))].filter((format) => [...values.values()].every((best) => best.has(format)));
	if (values.size === 0 || throughout.length === 0) {
		return [`No format is the best at every point computed.`];
	}
	return [throughout.length === 1 ? `${throughout[0]} is the best at every point computed.` : `${throughout.join(' and ')} are equally good, and the best, at every point computed.`];
}
