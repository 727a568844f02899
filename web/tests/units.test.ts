// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {ago, bytes, change, code, count, decibel, duration, exact, fixed, grouped, latency, metric, NONE, percent, portion, power2, shape, share, signed, unitOf, value} from '../src/base/units';

describe('numbers as text', () => {
	it('has a real minus sign, and none before a zero', () => {
		expect(fixed(-1.25, 1)).toBe('−1.3');
		expect(fixed(-0.04, 1)).toBe('0.0');
		expect(signed(0.5, 1)).toBe('+0.5');
		expect(signed(0.04, 1)).toBe('0.0');
		expect(signed(-2, 0)).toBe('−2');
	});
	it('says what is missing', () => {
		for (const f of [decibel, bytes, count, grouped, change, exact, latency, duration, percent, portion, share, value, power2]) {
			expect([f(null), f(undefined), f(NaN), f(Infinity)]).toEqual([NONE, NONE, NONE, NONE]);
		}
		expect(code(undefined)).toBe(NONE);
	});
	it('changes unit where three digits would no longer do', () => {
		expect([bytes(0), bytes(999), bytes(1000), bytes(99949), bytes(123456)]).toEqual(['0 B', '999 B', '1.00 kB', '99.9 kB', '123 kB']);
		expect([bytes(999499), bytes(999500), bytes(5e15)]).toEqual(['999 kB', '1.00 MB', '5000 TB']);
		expect([count(7), count(1234567), count(999500)]).toEqual(['7', '1.23 M', '1.00 M']);
		expect([latency(12), latency(1500), latency(999500), latency(2.5e9)]).toEqual(['12.0 ns', '1.50 µs', '1.00 ms', '2.50 s']);
	});
	it('is typed in the unit that it is shown in', () => {
		expect([unitOf(999, 'bytes'), unitOf(309440, 'bytes'), unitOf(48.8e9, 'count'), unitOf(410000, 'latency')]).toEqual([{unit: 'B', one: 1}, {unit: 'kB', one: 1000}, {unit: 'G', one: 1e9}, {unit: 'µs', one: 1000}]);
		expect([unitOf(0, 'count'), unitOf(1e18, 'latency')]).toEqual([{unit: '', one: 1}, {unit: 's', one: 1e9}]);
	});
	it('groups digits by three', () => {
		expect([grouped(999), grouped(1000), grouped(1234567), grouped(-1234)]).toEqual(['999', '1\u2009000', '1\u2009234\u2009567', '−1\u2009234']);
	});
	it('says changes and shares in per cent', () => {
		expect([change(1.53), change(0.9), change(1)]).toEqual(['+53 %', '−10 %', '0 %']);
		expect([value(2.5e20), value(-1.23456e9), value(999999999), value(1e-9)]).toEqual(['2.5e20', '−1.235e9', '1e9', '1e−9']);
		expect([portion(0.00097), portion(0.26464), portion(0), portion(1)]).toEqual(['0.097 %', '26.5 %', '0 %', '100 %']);
		expect([share(0.2646), share(1e-5), share(0)]).toEqual(['26.5 %', '< 0.1 %', '0.0 %']);
		expect([percent(0.999), percent(1)]).toEqual(['99 %', '100 %']);
	});
	it('keeps enough digits', () => {
		expect(value(0.123456)).toBe('0.1235');
		expect(exact(Math.fround(0.1))).toBe('0.100000001');
		expect(exact(-0.3)).toBe('−0.3');
	});
	it('writes powers of two as such beyond what is easily read', () => {
		expect([power2(2 ** -10), power2(1024), power2(64), power2(3000)]).toEqual(['2⁻¹⁰', '2¹⁰', '64', '3000']);
	});
});

describe('codes', () => {
	it('are in hexadecimal and in bits, grouped from the right', () => {
		expect(code('00101010')).toBe('0x2a 0010 1010');
		expect(code('101')).toBe('0x5 101');
		expect(code('000001')).toBe('0x01 00 0001');
		expect(code('1111111111111111')).toBe('0xffff 1111 1111 1111 1111');
	});
});

describe('waits and times', () => {
	it('has units that people use', () => {
		expect([duration(0.04), duration(9.96), duration(59.6), duration(3599), duration(86399), duration(90000)])
			.toEqual(['0.0 s', '10 s', '1 min 0 s', '59 min 59 s', '23 h 59 min', '1 d 1 h']);
		expect(duration(-1)).toBe(NONE);
	});
	it('says how long ago, and never the future', () => {
		const now = Date.parse('2026-01-02T00:00:00Z');
		expect(ago('2026-01-01T23:59:30Z', now)).toBe('just now');
		expect(ago('2026-01-01T22:00:00Z', now)).toBe('2 h ago');
		expect(ago('2025-12-30T00:00:00Z', now)).toBe('3 d ago');
		expect(ago('2026-01-03T00:00:00Z', now)).toBe('just now');
		expect(ago(null, now)).toBe(NONE);
	});
});

describe('shapes and metrics', () => {
	it('shows dimensions that are not known', () => {
		expect([shape(null), shape([]), shape([null, 3, 'N']), shape([1, 8])]).toEqual(['?', 'scalar', '? × 3 × N', '1 × 8']);
	});
	it('knows which way is better, and a metric that it does not know', () => {
		expect(metric('mse').lowerIsBetter).toBe(true);
		expect(metric('top1')).toMatchObject({unit: '%', lowerIsBetter: false});
		expect(metric('new')).toMatchObject({label: 'new', unit: '', lowerIsBetter: false});
	});
});
