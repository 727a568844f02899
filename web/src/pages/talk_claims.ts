// SPDX-License-Identifier: Apache-2.0
// What the talk claims, and what the numbers of the page's tables say of it: a claim holds, or not, by numbers that are
// named beside it; where they are missing it says which.
import {change, decibel, fixed, signed} from '../base/units';
import {stepSeconds, type Cell, type Picks, type Row, type Table, type TalkData} from './talk';

type Verdict = 'holds' | 'in part' | 'does not hold' | 'not measured';
export interface Claim {
	table: string;
	claim: string;
	verdict: Verdict;
	says: string; /* the numbers */
	jobs: string[];
}

const unique = (all: readonly string[]): string[] => [...new Set(all.filter((x) => x !== ''))];
const jobsOf = (cells: readonly (Cell | undefined)[]): string[] => unique(cells.map((c) => c?.found?.job ?? ''));
const row = (t: Table, key: string): Row | undefined => t.rows.find((r) => r.key === key);
const number = (c: Cell | undefined): number | null => c?.found?.number ?? null;

function unmeasured(table: string, claim: string, what: string): Claim {
	return {table, claim, verdict: 'not measured', says: `${what.charAt(0).toUpperCase()}${what.slice(1)} missing in table ${table}.`, jobs: []};
}

function gateClaim(t: Table): Claim {
	const claim = 'FP8 costs 53 % to 183 % more gates than INT8 with a fixed-point accumulator.';
	const int8 = row(t, 'int8')?.cells[0];
	const e4 = row(t, 'E4')?.cells ?? [];
	const base = number(int8);
	const [fixedPoint, , float32] = e4.map(number);
	if (base === null || fixedPoint === null || fixedPoint === undefined || float32 === null || float32 === undefined) {
		return unmeasured('1a', claim, 'units are');
	}
	const more = fixedPoint > base && float32 > base;
	const near = (x: number, published: number): boolean => Math.abs((x / base - 1) - published) <= 0.1;
	return {table: '1a', claim, verdict: !more ? 'does not hold' : near(fixedPoint, 0.53) && near(float32, 1.83) ? 'holds' : 'in part', jobs: jobsOf([int8, ...e4]),
		says: `Ours: ${change(fixedPoint / base)} with a fixed-point accumulator, ${change(float32 / base)} with FP32's. ${more ? 'E4 is the larger one' : 'E4 is not larger'}${more && !(near(fixedPoint, 0.53) && near(float32, 1.83)) ? ', by another factor than published; docs/hardware.md says what of it we can explain' : ''}.`};
}

/* The best column of a row, and how far ahead of another it is. */
function best(r: Row, columns: readonly string[], skip = 0): {name: string; number: number} | null {
	return r.cells.slice(skip).reduce<{name: string; number: number} | null>((a, c, i) => { const x = number(c); return x !== null && (a === null || x > a.number) ? {name: columns[i + skip] ?? '', number: x} : a; }, null);
}

function sqnrClaims(t: Table): Claim[] {
	const winner = (key: string): {name: string; number: number; r: Row} | null => { const r = row(t, key); const b = r && r.cells.every((c) => c.found !== null) ? best(r, t.columns) : null; return r && b ? {...b, r} : null; };
	const int8 = (r: Row): number => number(r.cells[0]) ?? NaN;
	const uniform = winner('uniform');
	const student = winner('student');
	const all = t.rows.map((r) => winner(r.key));
	const whole = all.every((w) => w !== null);
	const first = 'A uniform distribution is best in INT8.';
	const second = 'With outliers FP8 wins.';
	const third = 'FP8-E4 is best only with large outliers.';
	const four = all.filter((w) => w?.name === 'E4').map((w) => w?.r.name ?? '');
	const spares = all.filter((w) => w !== null && w.name !== 'E4').map((w) => `${w?.r.name ?? ''}: ${w?.name ?? ''}`);
	return [uniform === null ? unmeasured('1b', first, 'the uniform row is') : {table: '1b', claim: first, verdict: uniform.name === 'INT8' ? 'holds' : 'does not hold', jobs: jobsOf(uniform.r.cells), says: `${uniform.name} has the most: ${decibel(uniform.number)}; the next best ${decibel([...uniform.r.cells].map(number).filter((x): x is number => x !== null).sort((a, b) => b - a)[1])}.`},
		student === null ? unmeasured('1b', second, 'the Student-t row is') : {table: '1b', claim: second, verdict: /^E/.test(student.name) ? 'holds' : 'does not hold', jobs: jobsOf(student.r.cells), says: `Student-t: ${student.name} has ${decibel(student.number)}, INT8 ${decibel(int8(student.r))}.`},
		!whole ? unmeasured('1b', third, 'some rows are') : {table: '1b', claim: third, verdict: four.length === 1 && four[0] === row(t, 'outliers')?.name ? 'holds' : four.length === 0 ? 'in part' : 'does not hold', jobs: unique(all.flatMap((w) => jobsOf(w?.r.cells ?? []))),
			says: `${four.length === 0 ? 'E4 is best in no row' : `E4 is best for: ${four.join('; ')}`}. Best elsewhere: ${spares.join('; ')}.`}];
}

const FP8 = ['E2', 'E3', 'E4'];

/* Changes of the formats of a row, where all were measured. */
function changes(r: Row): {name: string; int8: number; fp8: {name: string; number: number}[]; cells: Cell[]} | null {
	const [int8, ...floats] = r.cells.slice(1).map(number);
	return int8 === null || int8 === undefined || floats.length !== FP8.length || floats.some((x) => x === null) ? null : {name: r.name, int8, fp8: floats.map((x, i) => ({name: FP8[i] ?? '', number: x ?? NaN})), cells: r.cells};
}

function everywhereClaim(t: Table): Claim {
	const claim = 'No FP8 format wins everywhere.';
	const rows = t.rows.map(changes).filter((r) => r !== null);
	if (rows.length < 2) {
		return unmeasured('1c', claim, rows.length === 0 ? 'sweeps are' : 'a second network is');
	}
	const winners = rows.map((r) => { const top = [...r.fp8].sort((a, b) => b.number - a.number)[0]; return {name: r.name, format: top?.name ?? '', number: top?.number ?? NaN}; });
	const different = new Set(winners.map((w) => w.format)).size;
	return {table: '1c', claim, verdict: different > 1 ? 'holds' : 'does not hold', jobs: unique(rows.flatMap((r) => jobsOf(r.cells))), says: `Best FP8 format, by the networks that stand in the rows: ${winners.map((w) => `${w.name} ${w.format} (${signed(w.number, 2)})`).join(', ')}. Point values; the intervals in the cells say how sure.`};
}

/* Points within which INT8 counts as competitive; the talk gives no number. */
const COMPETITIVE = 0.5;

function competitiveClaim(t: Table): Claim {
	const claim = 'After QAT INT8 is always best or competitive.';
	const rows = t.rows.map(changes).filter((r) => r !== null);
	if (rows.length === 0) {
		return unmeasured('1d', claim, 'trainings in all four formats are');
	}
	const behind = rows.map((r) => ({name: r.name, by: Math.max(...r.fp8.map((f) => f.number)) - r.int8}));
	const good = behind.filter((b) => b.by <= COMPETITIVE).length;
	return {table: '1d', claim, verdict: good === rows.length ? 'holds' : good === 0 ? 'does not hold' : 'in part', jobs: unique(rows.flatMap((r) => jobsOf(r.cells))),
		says: `${behind.map((b) => `${b.name}: ${b.by <= 0 ? `INT8 is best, by ${fixed(-b.by, 2)}` : `${fixed(b.by, 2)} points behind the best FP8`}`).join('; ')}. Competitive here: within ${COMPETITIVE} points.`};
}

function methodClaims(t: Table, data: TalkData, picks: Picks): Claim[] {
	const better = 'Dampening and freezing do better than LSQ alone.';
	const cells = (key: string): Cell[] => row(t, key)?.cells ?? [];
	const told = t.columns.flatMap((bits, i) => { const [lsq, dampen, freeze] = ['lsq', 'lsq+dampen', 'lsq+freeze'].map((k) => number(cells(k)[i])); return typeof lsq === 'number' && typeof dampen === 'number' && typeof freeze === 'number' ? [{bits, lsq, dampen, freeze}] : []; });
	const wins = told.flatMap((x) => [x.dampen > x.lsq, x.freeze > x.lsq]);
	const faster = 'Freezing trains about 30 % faster than dampening.';
	const [dampen, freeze] = ['lsq+dampen', 'lsq+freeze'].map((k) => stepSeconds(data, picks, k));
	const ratio = dampen && freeze ? dampen.seconds / freeze.seconds : null;
	return [told.length === 0 ? unmeasured('3', better, 'LSQ, dampening and freezing of one number of bits are') : {table: '3', claim: better, verdict: wins.every(Boolean) ? 'holds' : wins.some(Boolean) ? 'in part' : 'does not hold', jobs: jobsOf(['lsq', 'lsq+dampen', 'lsq+freeze'].flatMap(cells)),
		says: `${told.map((x) => `${x.bits}: dampening ${signed(x.dampen - x.lsq, 2)}, freezing ${signed(x.freeze - x.lsq, 2)} points against LSQ`).join('; ')}.`},
	ratio === null || !dampen || !freeze ? unmeasured('3', faster, 'dampening and freezing are') : {table: '3', claim: faster, verdict: ratio >= 1.2 ? 'holds' : ratio > 1.02 ? 'in part' : 'does not hold', jobs: unique([...dampen.jobs, ...freeze.jobs]),
		says: `Freezing makes ${change(ratio)} steps a second here (whole jobs, evaluations included).`}];
}

function outlierClaim(t: Table): Claim {
	const claim = 'Clipped softmax and gated attention take the outliers away, so that W8A8 costs little.';
	const families = t.rows.filter((r) => !r.key.includes('.')).map((r) => r.key);
	const told = families.flatMap((f) => {
		const vanilla = row(t, f);
		return ['clipped_softmax', 'gated'].flatMap((method) => {
			const other = row(t, `${f}.${method}`);
			const x = vanilla && other ? [number(vanilla.cells[1]), number(other.cells[1]), number(vanilla.cells[0]), number(vanilla.cells[3]), number(other.cells[0]), number(other.cells[3])] : [];
			return x.length === 6 && x.every((n) => n !== null) && vanilla && other ? [{name: other.name, x: x as number[], jobs: jobsOf([...vanilla.cells, ...other.cells])}] : [];
		});
	});
	if (told.length === 0) {
		return unmeasured('4', claim, 'reports on vanilla and another attention are');
	}
	const good = told.filter(({x}) => (x[1] ?? 0) < (x[0] ?? 0) && Math.abs((x[5] ?? 0) - (x[4] ?? 0)) < Math.abs((x[3] ?? 0) - (x[2] ?? 0)));
	return {table: '4', claim, verdict: good.length === told.length ? 'holds' : good.length === 0 ? 'does not hold' : 'in part', jobs: unique(told.flatMap((o) => o.jobs)),
		says: `${told.map(({name, x}) => `${name}: max inf norm ${fixed(x[1], 1)} (vanilla ${fixed(x[0], 1)}), W8A8 changes the metric by ${signed((x[5] ?? 0) - (x[4] ?? 0), 2)} (vanilla ${signed((x[3] ?? 0) - (x[2] ?? 0), 2)})`).join('; ')}. In the paper clipped softmax did not help OPT.`};
}

export function claims(all: readonly Table[], data: TalkData, picks: Picks): Claim[] {
	const t = (key: string): Table => all.find((x) => x.key === key) as Table;
	return [gateClaim(t('1a')), ...sqnrClaims(t('1b')), everywhereClaim(t('1c')), competitiveClaim(t('1d')), ...methodClaims(t('3'), data, picks), outlierClaim(t('4'))];
}
