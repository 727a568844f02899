// SPDX-License-Identifier: Apache-2.0
// Something loaded, and loaded again while its page is open. Of overlapping loads the latest wins; after an error the
// last good value stays, beside the error.

export class Latest<T> {
	value = $state.raw<T | null>(null);
	error = $state.raw<Error | null>(null);
	loading = $state(true);
	#load: (signal: AbortSignal) => Promise<T>;
	#turn = 0;
	#abort: AbortController | null = null;
	#busy = false;
	#again = false;

	constructor(load: (signal: AbortSignal) => Promise<T>) {
		this.#load = load;
	}

	refresh = async (): Promise<void> => {
		const turn = ++this.#turn;
		this.#abort?.abort();
		const abort = new AbortController();
		this.#abort = abort;
		this.loading = true;
		try {
			const value = await this.#load(abort.signal);
			if (turn === this.#turn) {
				this.value = value;
				this.error = null;
			}
		} catch (e) {
			if (turn === this.#turn && !abort.signal.aborted) {
				this.error = e instanceof Error ? e : new Error(String(e));
			}
		} finally {
			if (turn === this.#turn) {
				this.loading = false;
			}
		}
	};

	/** Refreshes once the load in flight is done: however many calls come in between, a slider's for one, they make one load. */
	next = async (): Promise<void> => {
		if (this.#busy) {
			this.#again = true;
			return;
		}
		this.#busy = true;
		do {
			this.#again = false;
			await this.refresh();
		} while (this.#again);
		this.#busy = false;
	};

	/** Refreshes now and every so many milliseconds while the page is seen; returns what stops it. */
	every(pause_ms: () => number): () => void {
		let stopped = false;
		let timer: ReturnType<typeof setTimeout> | undefined;
		const round = async (): Promise<void> => {
			if (!document.hidden || this.value === null) {
				await this.refresh();
			}
			if (!stopped) {
				timer = setTimeout(round, pause_ms());
			}
		};
		void round();
		return () => {
			stopped = true;
			clearTimeout(timer);
			this.#turn++;
			this.#abort?.abort();
		};
	}
}
