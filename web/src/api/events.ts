// SPDX-License-Identifier: Apache-2.0
// A job's events: read with fetch, because EventSource does not tell why it fails. Reconnects behind the last event it saw.
import {problemOf, type Event, type Job} from './client';

/** Cuts a text stream into Server-Sent Events; keeps what is not whole yet. */
export class EventCutter {
	#rest = '';

	push(text: string): {id: string | null; name: string; data: string}[] {
		const events: {id: string | null; name: string; data: string}[] = [];
		const blocks = (this.#rest + text).replace(/\r\n/g, '\n').split('\n\n');
		this.#rest = blocks.pop() ?? '';
		for (const block of blocks) {
			let id: string | null = null;
			let name = '';
			const data: string[] = [];
			for (const line of block.split('\n')) {
				if (line.startsWith('id:')) {
					id = line.slice(3).trim();
				} else if (line.startsWith('event:')) {
					name = line.slice(6).trim();
				} else if (line.startsWith('data:')) {
					data.push(line.slice(5).replace(/^ /, ''));
				}
			}
			if (data.length > 0) {
				events.push({id, name, data: data.join('\n')});
			}
		}
		return events;
	}
}

const FINAL = ['succeeded', 'failed', 'cancelled'];

type Cut = ReturnType<EventCutter['push']>[number];

/* All events of a stream, or those behind `last`. */
function request(url: string, signal: AbortSignal | null, last: string | null = null): Promise<Response> {
	return fetch(url, {signal, headers: {Accept: 'text/event-stream', ...(last === null ? {} : {'Last-Event-ID': last})}});
}

function eventsOf(job: string): string {
	return `/v1/jobs/${encodeURIComponent(job)}/events`;
}

/* Who follows a stream; it is asked for again while it is not over. */
interface Follower {
	take: (events: Cut[]) => void;
	onLine: (open: boolean) => void;
	refused: (status: number) => void;
	over: () => boolean;
}

/* Reads a stream, and again behind the last event where the line breaks; returns what stops it. */
function follow(url: string, by: Follower): () => void {
	const abort = new AbortController();
	let last: string | null = null;
	const over = (): boolean => by.over() || abort.signal.aborted;

	async function once(): Promise<void> {
		const response = await request(url, abort.signal, last);
		if (!response.ok || !response.body) {
			by.refused(response.status);
			throw problemOf(response.status, await response.text());
		}
		by.onLine(true);
		const reader = response.body.getReader();
		const decoder = new TextDecoder();
		const cutter = new EventCutter();
		for (;;) {
			const {done, value} = await reader.read();
			if (done) {
				return;
			}
			const events = cutter.push(decoder.decode(value, {stream: true}));
			for (const {id} of events) {
				last = id ?? last;
			}
			by.take(events);
		}
	}

	void (async () => {
		while (!over()) {
			try {
				await once();
			} catch {
				// the line broke: try again below
			}
			if (!over()) {
				by.onLine(false);
				await new Promise((resolve) => setTimeout(resolve, 1500));
			}
		}
	})();
	return () => abort.abort();
}

/** Calls back with each event until the job ends; returns what stops it. */
export function watch(job: string, onEvents: (events: Event[]) => void, onLine: (open: boolean) => void): () => void {
	let ended = false;

	return follow(eventsOf(job), {onLine, over: () => ended, refused: (status) => { ended = status === 404; }, take(events) {
		const batch = events.map(({data}) => JSON.parse(data) as Event);
		for (const event of batch) {
			if (event.event === 'state') {
				ended = FINAL.includes(event.state ?? ''); /* a retried job ended before */
			}
		}
		if (batch.length > 0) {
			onEvents(batch);
		}
	}});
}

/** All events of a job that has ended. */
export async function history(job: string, signal?: AbortSignal): Promise<Event[]> {
	const response = await request(eventsOf(job), signal ?? null);
	const text = await response.text();
	if (!response.ok) {
		throw problemOf(response.status, text);
	}
	return new EventCutter().push(text).map(({data}) => JSON.parse(data) as Event);
}

export interface Changes {
	onJob: (job: Job) => void;
	onDeleted: (id: string) => void;
	/** What happened before is not known: load everything again. */
	onReset: () => void;
	onLine: (open: boolean) => void;
}

/** Calls back with every job that changes, until it is stopped by what it returns. */
export function watchAll(to: Changes): () => void {
	return follow('/v1/events', {onLine: to.onLine, over: () => false, refused: () => undefined, take(events) {
		for (const {name, data} of events) {
			if (name === 'job') { to.onJob(JSON.parse(data) as Job); }
			if (name === 'deleted') { to.onDeleted((JSON.parse(data) as {id: string}).id); }
			if (name === 'reset') { to.onReset(); }
		}
	}});
}
