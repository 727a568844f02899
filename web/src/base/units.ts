// SPDX-License-Identifier: Apache-2.0
// Every number that a person reads is turned into text here, and nowhere else.

export type Maybe = number | null | undefined;

export const NONE = '–';

export function isNumber(x: Maybe): x is number {
	return typeof x === 'number' && Number.isFinite(x);
}

/** A plain number with so many digits behind the point; a real minus sign, so that columns align. */
export function fixed(x: Maybe, digits: number): string {
	if (!isNumber(x)) {
		return NONE;
	}
	const text = Math.abs(x).toFixed(digits);
	return x < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A change: always with its sign, but for a zero. */
export function signed(x: Maybe, digits: number): string {
	if (!isNumber(x)) {
		return NONE;
	}
	const text = fixed(x, digits);
	return x > 0 && Number(text) !== 0 ? `+${text}` : text;
}

export function decibel(x: Maybe): string {
	return isNumber(x) ? `${fixed(x, 1)} dB` : NONE;
}

/** Half of a symmetric interval in decibels: ±0.4 dB. */
export function halfDecibel(db: Maybe, high: Maybe): string {
	return isNumber(db) && isNumber(high) ? `±${fixed(high - db, 1)} dB` : '';
}

/** An SQNR and half its interval, where there is one: 22.1 ±0.4 dB. */
export function measuredDecibel(db: Maybe, high: Maybe): string {
	return isNumber(db) && isNumber(high) ? `${fixed(db, 1)} ±${fixed(high - db, 1)} dB` : decibel(db);
}

const BYTES = [' B', ' kB', ' MB', ' GB', ' TB'];
const COUNTS = ['', ' k', ' M', ' G', ' T'];
const TIMES = [' ns', ' µs', ' ms', ' s'];

/** The unit in which a number of that size is typed, and what one of it is. */
export function unitOf(x: number, of: 'bytes' | 'count' | 'latency'): {unit: string; one: number} {
	const units = {bytes: BYTES, count: COUNTS, latency: TIMES}[of];
	const i = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, x)) / 3)));
	return {unit: (units[i] ?? '').trim(), one: 1000 ** i};
}

/* Three digits in the first unit in which a number is below a thousand. */
function scaled(x: number, units: readonly string[], whole: boolean): string {
	let i = 0;
	while (Math.abs(x) >= 999.5 && i < units.length - 1) {
		x /= 1000;
		i++;
	}
	return `${(whole && i === 0) || x >= 99.95 ? x.toFixed(0) : x.toPrecision(3)}${units[i]}`;
}

export function bytes(x: Maybe): string {
	return isNumber(x) ? scaled(x, BYTES, true) : NONE;
}

/** 1234567 -> 1.23 M */
export function count(x: Maybe): string {
	return isNumber(x) ? scaled(x, COUNTS, true) : NONE;
}

/** 1234567 -> 1 234 567, exactly. */
export function grouped(x: Maybe): string {
	return isNumber(x) ? fixed(x, 0).replace(/\B(?=(\d{3})+$)/g, '\u2009') : NONE;
}

/** A ratio as a change: 1.53 -> +53 %. */
export function change(ratio: Maybe): string {
	return isNumber(ratio) ? `${signed((ratio - 1) * 100, 0)} %` : NONE;
}

/** A code in hexadecimal and in bits: 00101010 -> 0x2a 0010 1010. */
export function code(bits: string | undefined): string {
	if (!bits) {
		return NONE;
	}
	const hex = parseInt(bits, 2).toString(16).padStart(Math.ceil(bits.length / 4), '0');
	return `0x${hex} ${bits.replace(/\B(?=(\d{4})+$)/g, ' ')}`;
}

const RAISED: Record<string, string> = {'-': '⁻', '0': '⁰', '1': '¹', '2': '²', '3': '³', '4': '⁴', '5': '⁵', '6': '⁶', '7': '⁷', '8': '⁸', '9': '⁹'};

/** A power of two as one, beyond what is easily read: 2⁻¹⁰. */
export function power2(x: Maybe): string {
	const e = isNumber(x) && x > 0 ? Math.log2(x) : NaN;
	return Math.abs(e - Math.round(e)) < 1e-3 && Math.abs(e) > 6 ? `2${String(Math.round(e)).replace(/./g, (c) => RAISED[c] ?? c)}` : value(x);
}

/** A number with all the digits that tell it from its neighbours in float32. */
export function exact(x: Maybe): string {
	return isNumber(x) ? String(Number(x.toPrecision(9))).replace('-', '−') : NONE;
}

/** A latency: ns, µs, ms or s with three digits. */
export function latency(ns: Maybe): string {
	return isNumber(ns) ? scaled(ns, TIMES, false) : NONE;
}

/** A wait that a person lived through. */
export function duration(seconds: Maybe): string {
	if (!isNumber(seconds) || seconds < 0) {
		return NONE;
	}
	if (seconds < 9.95) {
		return `${seconds.toFixed(1)} s`;
	}
	const s = Math.round(seconds);
	if (s < 60) {
		return `${s} s`;
	}
	if (s < 3600) {
		return `${Math.floor(s / 60)} min ${s % 60} s`;
	}
	if (s < 86400) {
		return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	}
	return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function percent(fraction: Maybe): string {
	return isNumber(fraction) ? `${Math.floor(fraction * 100)} %` : NONE;
}

/** A share of something: 0.2646 -> 26.5 %; what is hardly there says so. */
export function share(fraction: Maybe): string {
	return !isNumber(fraction) ? NONE : fraction > 0 && fraction < 5e-4 ? '< 0.1 %' : `${fixed(fraction * 100, 1)} %`;
}

/** A share that may be small, with three digits: 0.00097 -> 0.097 %. */
export function portion(fraction: Maybe): string {
	return isNumber(fraction) ? `${value(Number((fraction * 100).toPrecision(3)))} %` : NONE;
}

/** A value of a tensor: short, whatever its magnitude. */
export function value(x: Maybe): string {
	if (!isNumber(x)) {
		return NONE;
	}
	const short = Number(x.toPrecision(4));
	return (Math.abs(short) >= 1e9 ? short.toExponential().replace('e+', 'e') : String(short)).replace(/-/g, '−');
}

/** What a grid spans: around 0, or with a zero point anywhere. */
export function span(r: {range?: Maybe; low?: Maybe; high?: Maybe; zero?: Maybe}): string {
	return (isNumber(r.zero) && r.zero !== 0) || r.low === 0 ? `${value(r.low)} to ${value(r.high)}` : isNumber(r.range) ? `±${value(r.range)}` : NONE;
}

export function shape(dims: readonly (number | string | null)[] | null | undefined): string {
	if (!dims) {
		return '?';
	}
	return dims.length === 0 ? 'scalar' : dims.map((d) => d ?? '?').join(' × ');
}

export function time(rfc3339: string | null | undefined): string {
	if (!rfc3339) {
		return NONE;
	}
	return new Date(rfc3339).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'short'});
}

export function ago(rfc3339: string | null | undefined, now: number): string {
	if (!rfc3339) {
		return NONE;
	}
	const s = Math.max(0, (now - Date.parse(rfc3339)) / 1000);
	if (s < 60) {
		return 'just now';
	}
	if (s < 3600) {
		return `${Math.floor(s / 60)} min ago`;
	}
	if (s < 86400) {
		return `${Math.floor(s / 3600)} h ago`;
	}
	return `${Math.floor(s / 86400)} d ago`;
}

/* What a metric is called, its unit, how many digits it has, and which way is better. */
export interface Metric {
	label: string;
	unit: string;
	digits: number;
	lowerIsBetter: boolean;
}

const METRICS: Record<string, Metric> = {
	top1: {label: 'top-1', unit: '%', digits: 2, lowerIsBetter: false},
	top5: {label: 'top-5', unit: '%', digits: 2, lowerIsBetter: false},
	accuracy: {label: 'accuracy', unit: '%', digits: 2, lowerIsBetter: false},
	f1: {label: 'F1', unit: '%', digits: 2, lowerIsBetter: false},
	matthews: {label: 'Matthews correlation', unit: '%', digits: 2, lowerIsBetter: false},
	pearson: {label: 'Pearson correlation', unit: '%', digits: 2, lowerIsBetter: false},
	spearman: {label: 'Spearman correlation', unit: '%', digits: 2, lowerIsBetter: false},
	auc: {label: 'area under the ROC curve', unit: '%', digits: 2, lowerIsBetter: false},
	miou: {label: 'mean IoU', unit: '%', digits: 2, lowerIsBetter: false},
	mse: {label: 'mean squared error', unit: '', digits: 5, lowerIsBetter: true},
	perplexity: {label: 'perplexity', unit: '', digits: 3, lowerIsBetter: true},
	perplexity_causal: {label: 'perplexity', unit: '', digits: 3, lowerIsBetter: true},
	token_loss: {label: 'loss of tokens', unit: 'nats', digits: 4, lowerIsBetter: true},
	token_accuracy: {label: 'accuracy of tokens', unit: '%', digits: 2, lowerIsBetter: false},
	cosine: {label: 'cosine', unit: '', digits: 4, lowerIsBetter: false},
};

export function isMetric(name: string): boolean {
	return Object.hasOwn(METRICS, name);
}

export function metric(name: string | undefined): Metric {
	return METRICS[name ?? ''] ?? {label: name ?? 'metric', unit: '', digits: 3, lowerIsBetter: false};
}
