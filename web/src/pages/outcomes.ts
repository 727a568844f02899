// SPDX-License-Identifier: Apache-2.0
// What a training began with and ended with, as rows of a table.
import type {QatResult} from '../api/client';
import {fixed, isNumber, metric, type Maybe} from '../base/units';
import type {Run, TrainingResult} from './training';

export interface Outcome {
	kind: 'float' | 'start' | 'final';
	name: string;
	note: string;
	metric: Maybe;
	delta: Maybe;
	low: Maybe;
	high: Maybe;
	running: Maybe; /* metric with the statistics of batch norms as they ran, and re-estimated */
	reestimated: Maybe;
	latent: Maybe; /* metric of the float weights without quantizers */
	sqnr_db: Maybe;
	sqnr_high_db: Maybe;
	size_bytes: Maybe;
	gates: Maybe;
	latency_ns: Maybe;
	execution: string | null;
	nan_outputs: number;
}

const NOTHING = {delta: null, low: null, high: null, running: null, reestimated: null, latent: null, sqnr_db: null, sqnr_high_db: null, size_bytes: null, gates: null, latency_ns: null, execution: null, nan_outputs: 0};

export function isQat(result: TrainingResult): result is QatResult {
	return result.type === 'qat';
}

function quantized(kind: 'start' | 'final', note: string, o: QatResult['start']): Outcome {
	return {kind, name: o.scheme, note, metric: o.metric, delta: o.delta, low: o.delta_low, high: o.delta_high, running: o.running_metric, reestimated: o.reestimated_metric, latent: o.latent_metric, sqnr_db: o.output_sqnr_db, sqnr_high_db: o.output_sqnr_high_db, size_bytes: o.size_bytes,
		gates: o.gates?.network, latency_ns: o.latency?.p50_ns, execution: o.latency?.execution ?? null, nan_outputs: o.nan_outputs ?? 0};
}

/** Of qat: float, the scheme by post-training quantization, and what training made of it. Of train: before and after. */
export function outcomes(run: Run): Outcome[] {
	const r = run.result;
	if (!r) {
		return [];
	}
	if (isQat(r)) {
		return [{...NOTHING, kind: 'float', name: 'float', note: 'the network as it came', metric: r.float.metric, size_bytes: r.float.size_bytes, gates: r.float.gates?.network,
			latency_ns: r.float.latency?.p50_ns, execution: r.float.latency?.execution ?? null},
		quantized('start', 'by post-training quantization', r.start), quantized('final', 'after training', r.final)];
	}
	const rise = isNumber(r.final.metric) && isNumber(r.start.metric) ? r.final.metric - r.start.metric : null;
	return [{...NOTHING, kind: 'start', name: 'start', note: 'before training', metric: r.start.metric}, {...NOTHING, kind: 'final', name: 'final', note: 'after training; the change is against the start', metric: r.final.metric, delta: r.final.delta ?? rise, low: r.final.delta_low, high: r.final.delta_high, size_bytes: r.float.size_bytes, latency_ns: r.final.latency?.p50_ns, execution: r.final.latency?.execution ?? null}];
}

/* A network chosen on the samples that measure it looks better than it is; held-out ones chose it otherwise. */
function choice(r: TrainingResult): string {
	const evaluations = r.history.filter((e) => isNumber(e.metric));
	const last = evaluations.at(-1);
	const m = metric(r.metric_name);
	if (evaluations.length < 2) {
		return '';
	}
	if (r.validation_samples) {
		return ` It is the best of ${evaluations.length} on ${r.validation_samples} samples that were held out of the training data.`;
	}
	return ` It is the best of ${evaluations.length} on the same samples, and so optimistic${last && last.epoch !== r.best?.epoch ? `; after the last epoch it was ${fixed(last.metric, m.digits)}` : ''}.`;
}

/* Trainings for wider schemes before that of the job's own. */
function stages(r: TrainingResult): string {
	const all = isQat(r) ? r.stages ?? [] : [];
	const m = metric(r.metric_name);
	return all.length === 0 ? '' : ` Before, it was trained for ${all.map((s) => `${s.scheme} (${m.label} ${fixed(s.final.metric, m.digits)} after ${s.epochs} epochs)`).join(', then for ')}.`;
}

/** How a training ended, and which of its networks is kept. */
export function ended(run: Run): string {
	const r = run.result;
	if (!r) {
		return '';
	}
	const m = metric(r.metric_name);
	return `${r.steps_done} steps, ${r.epochs} epochs${r.ended === 'early_stop' ? ', stopped early: no better evaluation came' : ''}${r.train_samples ? `, ${r.train_samples} training samples` : ''}.` +
		(r.best ? ` Kept is the network after epoch ${r.best.epoch}, the best evaluation: ${m.label} ${fixed(r.best.metric, m.digits)}.${choice(r)}` : '') + stages(r);
}
