// SPDX-License-Identifier: Apache-2.0
// A job in words that can be run elsewhere, and how long jobs like it took.
import type {Job} from '../api/client';
import {duration} from '../base/units';
import type {Json} from './schema';

const quoted = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;

export function asCurl(job: Json, server: string): string {
	return `curl -H 'Content-Type: application/json' ${quoted(`${server}/v1/jobs`)} -d ${quoted(JSON.stringify(job))}`;
}

export function asCli(job: Json, server: string): string {
	return `quantbench submit - --server ${quoted(server)} --wait <<'END'\n${JSON.stringify(job, null, 1)}\nEND`;
}

function python(x: unknown): string {
	return x === null || x === undefined ? 'None' : x === true ? 'True' : x === false ? 'False' : Array.isArray(x) ? `[${x.map(python).join(', ')}]`
		: typeof x === 'object' ? `{${Object.entries(x).map(([name, value]) => `${JSON.stringify(name)}: ${python(value)}`).join(', ')}}` : JSON.stringify(x);
}

export function asPython(job: Json, server: string): string {
	return `import json, urllib.request\n\njob = ${python(job)}\nrequest = urllib.request.Request(${JSON.stringify(`${server}/v1/jobs`)}, json.dumps(job).encode(), {"Content-Type": "application/json"})\nprint(json.load(urllib.request.urlopen(request))["id"])`;
}

/** What jobs of the same kind on the same uploads took; '' where none has ended. */
export function tookText(jobs: readonly Job[]): string {
	const took = jobs.flatMap((j) => (j.state === 'succeeded' && j.started && j.finished ? [{j, s: (Date.parse(j.finished) - Date.parse(j.started)) / 1000}] : []));
	const latest = took[0];
	if (!latest) {
		return '';
	}
	const schemes = (latest.j.spec as Json).schemes;
	const about = Array.isArray(schemes) ? ` with ${schemes.length} scheme${schemes.length === 1 ? '' : 's'}` : '';
	const all = took.map((t) => t.s);
	return took.length === 1 ? `The one such job so far, ${latest.j.id}${about}, took ${duration(latest.s)}.`
		: `The latest ${took.length} such jobs took ${duration(Math.min(...all))} to ${duration(Math.max(...all))}; ${latest.j.id}${about} ${duration(latest.s)}.`;
}
