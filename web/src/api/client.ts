// SPDX-License-Identifier: Apache-2.0
// The only file that talks to the server (with events.ts). Types come from schema/openapi.yaml.
import type {components} from './schema';

type Schemas = components['schemas'];
export type Job = Schemas['Job'];
export type JobList = Schemas['JobList'];
export type BestResult = Schemas['BestResult'];
export type JobState = Schemas['JobState'];
export type Model = Schemas['Model'];
export type Dataset = Schemas['Dataset'];
export type Text = Schemas['Text'];
export type Inspection = Schemas['ModelInspection'] | Schemas['DataInspection'] | Schemas['TextInspection'];
export type Graph = Schemas['Graph'];
export type PtqResult = Schemas['PtqResult'];
export type Comparison = Schemas['Comparison'];
export type System = Schemas['System'];
export type Session = Schemas['Session'];
export type Token = Schemas['Token'];
export type NewToken = Schemas['NewToken'];
export type AuditEntry = Schemas['AuditEntry'];
export type Problem = Schemas['Problem'];
export type Format = Schemas['Format'];
export type HwcostResult = Schemas['HwcostResult'];
export type SqnrResult = Schemas['SqnrResult'];
export type TensorResult = Schemas['TensorResult'];
export type RoundAnswer = Schemas['RoundAnswer'];
export type ToyResult = Schemas['ToyResult'];
export type TrainResult = Schemas['TrainResult'];
export type QatResult = Schemas['QatResult'];
export type OutliersResult = Schemas['OutliersResult'];
export type OutlierRun = Schemas['OutlierRun'];
export type QatSnapshot = Schemas['QatSnapshot'];
export type DiagnoseResult = Schemas['DiagnoseResult'];
export type LatencyProfile = Schemas['LatencyProfile'];
export type Artifact = Schemas['Artifact'];
export type Event = Schemas['Event'];
export type Latency = Schemas['Latency'];
export type TensorRow = Schemas['TensorRow'];
export type JobTypeList = Schemas['JobTypeList'];
export type ModelInspection = Schemas['ModelInspection'];
export type DataInspection = Schemas['DataInspection'];

/** An error whose message is the server's sentence, with the fields that it complains about. */
export class ApiError extends Error {
	constructor(message: string, readonly status: number, readonly code: string,
		readonly fields: readonly {field: string; detail: string}[]) {
		super(message);
	}
}

/** What proves that a request of a session is one of our pages': the server's cookie, which other sites cannot read. */
function proof(): Record<string, string> {
	const cookie = document.cookie.split('; ').find((c) => c.startsWith('quantbench_csrf='));
	return cookie === undefined ? {} : {'X-CSRF-Token': cookie.slice(cookie.indexOf('=') + 1)};
}

/** Where the server asks who we are, it has a page for that. */
function logIn(problem: ApiError): ApiError {
	if (problem.status === 401) {
		location.assign('/login');
	}
	return problem;
}

/** The sentence, with the nearest known names unless it says them itself. */
function told(e: {detail: string; near?: readonly string[]}): string {
	const unsaid = (e.near ?? []).filter((name) => !e.detail.includes(name));
	return unsaid.length === 0 ? e.detail : `${e.detail}; near it: ${unsaid.join(', ')}`;
}

export function problemOf(status: number, text: string): ApiError {
	try {
		const problem = JSON.parse(text) as Partial<Problem>;
		if (typeof problem.detail === 'string') {
			return new ApiError(problem.detail, status, problem.code ?? '',
				(problem.errors ?? []).map((e) => ({field: e.field, detail: told(e)})));
		}
	} catch {
		// no JSON: below
	}
	return new ApiError(`The server answered with status ${status} and no explanation.`, status, '', []);
}

async function call(method: string, path: string, options: {body?: unknown; signal?: AbortSignal} = {}): Promise<Response> {
	const headers: Record<string, string> = {Accept: 'application/json', ...proof()};
	if (options.body !== undefined) {
		headers['Content-Type'] = 'application/json';
	}
	let response: Response;
	try {
		response = await fetch(path, {method, headers, signal: options.signal ?? null,
			body: options.body === undefined ? null : JSON.stringify(options.body)});
	} catch (e) {
		if (options.signal?.aborted) {
			throw e;
		}
		throw new ApiError('The server does not answer. It may be restarting; this page keeps trying.', 0, 'unreachable', []);
	}
	if (!response.ok) {
		throw logIn(problemOf(response.status, await response.text()));
	}
	return response;
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
	return (await (await call('GET', path, signal ? {signal} : {})).json()) as T;
}

function query(fields: Record<string, string | number | undefined>): string {
	const q = new URLSearchParams();
	for (const [name, value] of Object.entries(fields)) {
		if (value !== undefined && value !== '') {
			q.set(name, String(value));
		}
	}
	const text = q.toString();
	return text === '' ? '' : `?${text}`;
}

const id = encodeURIComponent;

export interface JobFilter {
	state?: string;
	type?: string;
	tag?: string;
	scheme?: string;
	sort?: string;
	model?: string;
	data?: string;
	q?: string; /* words */
	before?: string;
	limit?: number;
}

export const api = {
	jobs: (filter: JobFilter, signal?: AbortSignal) => get<JobList>(`/v1/jobs${query({...filter})}`, signal),
	job: (job: string, signal?: AbortSignal) => get<Job>(`/v1/jobs/${id(job)}`, signal),
	results: (job: string, signal?: AbortSignal) => get<unknown>(`/v1/jobs/${id(job)}/results`, signal),
	/** An artifact that holds JSON. */
	artifact: <T>(job: string, name: string, signal?: AbortSignal) => get<T>(paths.artifact(job, name), signal),
	submit: async (spec: unknown): Promise<Job> => (await (await call('POST', '/v1/jobs', {body: spec})).json()) as Job,
	/** Whether the server would take the job; throws what it would say of it. */
	check: (spec: unknown, signal?: AbortSignal) => call('POST', '/v1/jobs?check=true', {body: spec, ...(signal ? {signal} : {})}),
	cancel: (job: string) => call('POST', `/v1/jobs/${id(job)}/cancel`),
	retry: (job: string) => call('POST', `/v1/jobs/${id(job)}/retry`),
	label: async (job: string, change: Schemas['LabelChange']): Promise<Job> => (await (await call('PATCH', `/v1/jobs/${id(job)}`, {body: change})).json()) as Job,
	tags: async (signal?: AbortSignal) => (await get<Schemas['TagList']>('/v1/tags', signal)).tags,
	deleteJob: (job: string) => call('DELETE', `/v1/jobs/${id(job)}`),
	models: async (signal?: AbortSignal) =>
		(await all<Model, 'models'>('/v1/models', 'models', signal)),
	model: (model: string, signal?: AbortSignal) => get<Model>(`/v1/models/${id(model)}`, signal),
	graph: (model: string, signal?: AbortSignal) => get<Graph>(`/v1/models/${id(model)}/graph`, signal),
	deleteModel: (model: string) => call('DELETE', `/v1/models/${id(model)}`),
	datasets: async (signal?: AbortSignal) =>
		(await all<Dataset, 'datasets'>('/v1/datasets', 'datasets', signal)),
	deleteDataset: (dataset: string) => call('DELETE', `/v1/datasets/${id(dataset)}`),
	/** Of any number of jobs: the server takes 200 at a time. */
	compare: async (jobs: readonly string[], signal?: AbortSignal): Promise<Comparison> => {
		const parts: Comparison[] = [];
		for (let i = 0; i < jobs.length; i += 200) {
			parts.push(await get<Comparison>(`/v1/compare${query({jobs: jobs.slice(i, i + 200).join(',')})}`, signal));
		}
		return {schemes: [...new Set(parts.flatMap((p) => p.schemes))], rows: parts.flatMap((p) => p.rows)};
	},
	formats: async (signal?: AbortSignal) => (await get<Schemas['FormatList']>('/v1/formats', signal)).formats,
	format: (name: string, signal?: AbortSignal) => get<Format>(`/v1/formats/${id(name)}`, signal),
	/** A question that is answered at once: rounding, or what a job of that kind would compute. */
	compute: async <T>(question: 'round' | 'sqnr' | 'hwcost', body: unknown, signal?: AbortSignal): Promise<T> =>
		(await (await call('POST', `/v1/compute/${question}`, {body, ...(signal ? {signal} : {})})).json()) as T,
	session: (signal?: AbortSignal) => get<Session>('/v1/session', signal),
	logOut: async (): Promise<void> => {
		await fetch('/logout', {method: 'POST', redirect: 'manual'});
		location.assign('/login');
	},
	tokens: async (signal?: AbortSignal) => (await get<Schemas['TokenList']>('/v1/tokens', signal)).tokens,
	createToken: async (wish: Schemas['TokenWish']): Promise<NewToken> =>
		(await (await call('POST', '/v1/tokens', {body: wish})).json()) as NewToken,
	revokeToken: (token: string) => call('DELETE', `/v1/tokens/${id(token)}`),
	audit: async (signal?: AbortSignal) => (await get<Schemas['AuditList']>('/v1/audit?limit=50', signal)).entries,
	system: (signal?: AbortSignal) => get<System>('/v1/system', signal),
	jobTypes: (signal?: AbortSignal) => get<JobTypeList>('/v1/job-types', signal),
};

type Page<T, K extends string> = {[key in K]: T[]} & {next: string | null};

async function all<T, K extends string>(path: string, key: K, signal?: AbortSignal): Promise<T[]> {
	const rows: T[] = [];
	let before: string | undefined;
	do {
		const page: Page<T, K> = await get<Page<T, K>>(`${path}${query({limit: 1000, before})}`, signal);
		rows.push(...page[key]);
		before = page.next ?? undefined;
	} while (before !== undefined);
	return rows;
}

/** Saves what the server gives under a path; a refusal becomes an error of the page, and no file. */
export async function download(path: string, name: string): Promise<void> {
	const response = await call('GET', path);
	const url = URL.createObjectURL(await response.blob());
	const link = document.createElement('a');
	link.href = url;
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const paths = {
	results: (job: string) => `/v1/jobs/${id(job)}/results`,
	csv: (job: string) => `/v1/jobs/${id(job)}/results.csv`,
	artifact: (job: string, name: string) => `/v1/jobs/${id(job)}/artifacts/${id(name)}`,
};

/** Uploads one file. XMLHttpRequest, because fetch does not tell how much of a body has left. */
export function upload<T>(kind: 'models' | 'datasets', file: File, onProgress: (fraction: number) => void,
	signal: AbortSignal): Promise<T> {
	return new Promise((resolve, reject) => {
		const request = new XMLHttpRequest();
		request.open('POST', `/v1/${kind}${query({name: file.name})}`);
		request.setRequestHeader('Content-Type', 'application/octet-stream');
		for (const [name, value] of Object.entries(proof())) {
			request.setRequestHeader(name, value);
		}
		request.upload.onprogress = (e) => onProgress(e.total > 0 ? e.loaded / e.total : 0);
		request.onload = () => {
			if (request.status >= 200 && request.status < 300) {
				resolve(JSON.parse(request.responseText) as T);
			} else {
				reject(logIn(problemOf(request.status, request.responseText)));
			}
		};
		request.onerror = () => reject(new ApiError('The connection broke during the upload. Try again.', 0, 'unreachable', []));
		request.onabort = () => reject(new ApiError('The upload was stopped.', 0, 'aborted', []));
		signal.addEventListener('abort', () => request.abort());
		request.send(file);
	});
}
