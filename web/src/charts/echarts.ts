// SPDX-License-Identifier: Apache-2.0
// Only the parts of ECharts that are used.
import {BarChart, CustomChart, HeatmapChart} from 'echarts/charts';
import {GridComponent, LegendComponent, TooltipComponent, VisualMapComponent} from 'echarts/components';
import * as echarts from 'echarts/core';
import {CanvasRenderer} from 'echarts/renderers';

echarts.use([BarChart, CustomChart, HeatmapChart, GridComponent, LegendComponent, TooltipComponent, VisualMapComponent, CanvasRenderer]);

export const init = echarts.init;
export type {EChartsCoreOption as Option} from 'echarts/core';

/** The colours of the page that a canvas cannot inherit. */
export interface Ink {
	text: string;
	dim: string;
	line: string;
	card: string;
	accent: string;
	soft: string;
	dark: boolean;
}

/** Text of an upload goes into tooltips, which are HTML. */
export function escaped(text: string): string {
	return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function tooltip(ink: Ink): Record<string, unknown> {
	return {backgroundColor: ink.card, borderColor: ink.line, textStyle: {color: ink.text, fontSize: 12}, confine: true};
}
