// SPDX-License-Identifier: Apache-2.0
// What functions of charts share: their types, and how all charts here look. What draws them is in canvas.ts.
export type {EChartsCoreOption as Option} from 'echarts/core';

/** The colours of the page that a canvas cannot inherit. */
export interface Ink {
	text: string;
	dim: string;
	line: string;
	card: string;
	accent: string;
	soft: string;
	bad: string;
	dark: boolean;
}

/** Text of an upload goes into tooltips, which are HTML. */
export function escaped(text: string): string {
	return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function tooltip(ink: Ink): Record<string, unknown> {
	return {backgroundColor: ink.card, borderColor: ink.line, textStyle: {color: ink.text, fontSize: 12}, confine: true};
}

/* Okabe and Ito's colours, which people with every kind of colour vision tell apart, made to show on light and on dark. */
const LIGHT = ['#0072b2', '#c8501e', '#007d5c', '#b04a8a', '#8a6d00', '#3d8fc4', '#555f6b', '#7a3fb0'];
const DARK = ['#58b4f0', '#f08a52', '#3cc79b', '#e38ac4', '#e0c040', '#9fd3f5', '#b5c0cc', '#bb96ea'];
const DASHES: (string | number[])[] = ['solid', [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [4, 2], [1, 2], [9, 3, 2, 3, 2, 3]];
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect', 'emptyTriangle', 'emptyDiamond'];

/** Colour, dash and sign of the i-th series: two of the three tell series apart without the colour. */
export function look(i: number, ink: Ink): {colour: string; dash: string | number[]; symbol: string} {
	const colours = ink.dark ? DARK : LIGHT;
	return {colour: colours[i % colours.length] ?? ink.accent, dash: DASHES[i % DASHES.length] ?? 'solid', symbol: SYMBOLS[i % SYMBOLS.length] ?? 'circle'};
}

/* Formats in an order that does not change: each has its place, and with it its colour on every page. */
const FORMATS = ['int8', 'E2', 'E3', 'E4', 'E5', 'int4', 'mxfp4', 'nf4', 'e4m3fn', 'e5m2', 'int6', 'log4', 'mxint8', 'nvfp4', 'w4a8', 'w4a4', 'int16', 'bf16', 'fp16', 'mxfp8', 'mxfp6', 'int2', 'int3', 'int5'];

/** Where a format, or a scheme of that name, stands among those that have a colour of their own; of others a place by their name. */
export function formatPlace(name: string): number {
	const float = /^(?:fp8_e|E)(\d)(?:m\d)?$/.exec(name);
	const known = FORMATS.indexOf(float ? `E${float[1] ?? ''}` : name.replace(/^u?(int\d+)(_asym)?$/, '$1').replace(/^w(\d)a\1$/, (all, bits: string) => (bits === '4' ? all : `int${bits}`)));
	return known >= 0 ? known : FORMATS.length + [...name].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 40, 7);
}

/** One colour for a format everywhere; dash and sign go on where colours come round, so that no two that are known are alike. */
export function formatLook(name: string, ink: Ink): {colour: string; dash: string | number[]; symbol: string} {
	const i = formatPlace(name);
	const on = i + 3 * Math.floor(i / LIGHT.length);
	return {colour: look(i, ink).colour, dash: look(on, ink).dash, symbol: look(on, ink).symbol};
}

export interface AxisText {
	name?: string;
	log?: boolean;
	label?: (x: number) => string;
}

/** A value axis as all charts here draw it. */
export function axis(ink: Ink, at: 'x' | 'y', {name = '', log = false, label}: AxisText): Record<string, unknown> {
	return {type: log ? 'log' : 'value', name, nameLocation: 'middle', nameGap: at === 'x' ? 26 : 42, nameTextStyle: {color: ink.dim},
		axisLabel: {color: ink.dim, hideOverlap: true, ...(label ? {formatter: label} : {})}, axisLine: {show: at === 'x', lineStyle: {color: ink.line}},
		splitLine: {lineStyle: {color: ink.line}}, minorTick: {show: false}};
}

/** What a custom series' renderItem is given; the part that is used. */
export interface RenderApi {
	value(dimension: number): number;
	coord(point: [number, number]): [number, number];
}

export const legend = (ink: Ink): Record<string, unknown> =>
	({type: 'plain', top: 0, left: 0, textStyle: {color: ink.text}, itemWidth: 26, inactiveColor: ink.line});
