// SPDX-License-Identifier: Apache-2.0
// A job's JSON Schema, as far as a form needs it: which control a field gets, and how a value is put into a job.

export type Json = Record<string, unknown>;

export interface Schema {
	type?: string | string[];
	title?: string;
	description?: string;
	const?: unknown;
	enum?: unknown[];
	default?: unknown;
	properties?: Record<string, Schema>;
	required?: string[];
	items?: Schema;
	anyOf?: Schema[];
	oneOf?: Schema[];
	minimum?: number;
	maximum?: number;
	$ref?: string;
	$defs?: Record<string, Schema>;
}

export type Control = 'fixed' | 'choice' | 'switch' | 'number' | 'numbers' | 'text' | 'names' | 'group' | 'list' | 'variants' | 'json';

export function isObject(x: unknown): x is Json {
	return typeof x === 'object' && x !== null && !Array.isArray(x);
}

/** Follows "#/$defs/part". */
export function resolved(schema: Schema, root: Schema): Schema {
	const name = schema.$ref?.replace('#/$defs/', '');
	const target = name === undefined ? undefined : root.$defs?.[name];
	return target ? {...resolved(target, root), ...(schema.description ? {description: schema.description} : {})} : schema;
}

/** The shapes that a value may have; of shapes that are choices themselves, theirs. */
export function variants(schema: Schema, root: Schema): Schema[] {
	return (schema.anyOf ?? schema.oneOf ?? []).map((v) => resolved(v, root)).flatMap((v) => (v.anyOf ?? v.oneOf ? variants(v, root) : [v]));
}

function types(schema: Schema): string[] {
	return schema.type === undefined ? [] : typeof schema.type === 'string' ? [schema.type] : schema.type;
}

export function control(schema: Schema, root: Schema): Control {
	const any = variants(schema, root);
	const all = [...types(schema), ...any.flatMap(types)];
	if (schema.const !== undefined) {
		return 'fixed';
	}
	if (schema.enum) {
		return 'choice';
	}
	if (any.length > 0) {
		return any.every((v) => ['number', 'integer'].includes(types(v)[0] ?? '') || (v.type === 'array' && ['number', 'integer'].includes(types(resolved(v.items ?? {}, root))[0] ?? ''))) ? 'numbers'
			: any.some((v) => v.properties) && !all.includes('string') ? 'variants' : all.includes('string') ? 'text' : 'json';
	}
	if (schema.properties) {
		return 'group';
	}
	if (all.includes('array')) {
		const items = resolved(schema.items ?? {}, root);
		const of = control(items, root);
		return of === 'text' || of === 'choice' ? 'names' : of === 'number' ? 'numbers' : of === 'group' || of === 'variants' ? 'list' : 'json';
	}
	if (all.includes('boolean')) {
		return 'switch';
	}
	return all.includes('string') ? 'text' : all.includes('number') || all.includes('integer') ? 'number' : 'json';
}

/** The fields that a person fills in: not what the server or the page fills in. */
export function fields(schema: Schema): [string, Schema][] {
	return Object.entries(schema.properties ?? {}).filter(([name]) => !['type', 'workdir', 'checkpoints', 'fresh'].includes(name));
}

/** A copy with one field set; undefined takes it out. */
export function withField(object: Json, name: string, value: unknown): Json {
	const copy = {...object};
	if (value === undefined) {
		delete copy[name];
	} else {
		copy[name] = value;
	}
	return copy;
}

/** "0.5" -> 0.5, "1, 2, 3" -> [1, 2, 3], nothing -> undefined; what is no number stays, for the server to name it. */
export function numbersOf(text: string, listOnly: boolean): unknown {
	const parts = text.split(/[\s,;]+/).filter((p) => p !== '').map((p) => (Number.isFinite(Number(p)) ? Number(p) : p));
	return parts.length === 0 ? undefined : parts.length === 1 && !listOnly ? parts[0] : parts;
}

/** A text field takes JSON too where an object or a list may stand: {"format": "int4"}, ["int4", "int8"]. */
export function textOf(text: string): unknown {
	const trimmed = text.trim();
	if (trimmed === '') {
		return undefined;
	}
	if (/^[[{]|^null$/.test(trimmed)) {
		try {
			return JSON.parse(trimmed) as unknown;
		} catch {
			return trimmed;
		}
	}
	return trimmed;
}

export function shown(value: unknown): string {
	return value === undefined ? '' : typeof value === 'string' ? value : Array.isArray(value) && value.every((v) => typeof v === 'number') ? value.join(', ') : JSON.stringify(value);
}

/** What a fresh entry of a list starts with: its required fields, each at its default or first choice. */
export function starting(schema: Schema, root: Schema): unknown {
	const s = resolved(schema, root);
	const first = variants(s, root)[0];
	if (s.const !== undefined || s.default !== undefined) {
		return s.const ?? s.default;
	}
	if (s.enum) {
		return s.enum[0];
	}
	if (s.properties) {
		return Object.fromEntries((s.required ?? []).map((name) => [name, starting(s.properties?.[name] ?? {}, root)]));
	}
	return first ? starting(first, root) : types(s).includes('number') || types(s).includes('integer') ? s.minimum ?? 1 : types(s).includes('array') ? [] : '';
}

/** Which of several shapes a value has: the one whose constant fields agree, else the one of its type. */
export function variantOf(value: unknown, all: readonly Schema[]): number {
	const fits = (s: Schema): boolean => {
		if (isObject(value)) {
			return s.properties !== undefined && Object.entries(s.properties).every(([name, p]) => p.const === undefined || p.const === value[name]) &&
				Object.entries(s.properties).every(([name, p]) => !p.enum || value[name] === undefined || p.enum.includes(value[name]));
		}
		return s.enum ? s.enum.includes(value) : s.const !== undefined ? s.const === value : types(s).includes(value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
	};
	return all.findIndex(fits);
}

/** The upload that a field starts with: of training data one that is called so, of data that is evaluated one that is not. */
export function likely<T extends {name: string}>(field: string, uploads: readonly T[]): T | undefined {
	const wanted = (name: string): boolean => (field === 'train' ? /train/i.test(name) : field === 'data' ? !/train/i.test(name) : true);
	return uploads.find((u) => wanted(u.name)) ?? uploads[0];
}

/** What an entry of a list of names is called: its name, or the name that it begins with; {"weights": ...} as JSON. */
export function entryName(entry: unknown): string {
	const name = isObject(entry) ? entry.name ?? entry.scheme : entry;
	const methods = isObject(entry) && entry.name === undefined && Array.isArray(entry.methods) ? entry.methods.map((m) => `+${String(isObject(m) ? m.name : m)}`).join('') : '';
	return typeof name === 'string' ? name + methods : JSON.stringify(entry);
}

/** The object that an entry may be in place of a name, if it may be one. */
export function objectOf(items: Schema, root: Schema): Schema | null {
	return variants(items, root).find((v) => v.properties?.scheme !== undefined) ?? null;
}

/** An entry that says no more than a name is that name. */
export function simplified(entry: unknown): unknown {
	return isObject(entry) && Object.keys(entry).length === 1 && typeof entry.scheme === 'string' ? entry.scheme : entry;
}
