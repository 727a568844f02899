// SPDX-License-Identifier: Apache-2.0
// Pages live behind the hash, so the server needs no knowledge of them: #/jobs/j7?tab=tensors

export interface Route {
	path: string[];
	query: URLSearchParams;
}

export function parse(hash: string): Route {
	const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
	return {path: path.split('/').filter((part) => part !== '').map(safelyDecoded), query: new URLSearchParams(query)};
}

function safelyDecoded(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

let current = $state.raw<Route>(parse(location.hash));
window.addEventListener('hashchange', () => {
	current = parse(location.hash);
});

export function route(): Route {
	return current;
}

/** The address of a page with some of its query changed; what is empty goes. */
export function address(from: Route, changes: Readonly<Record<string, string>>): string {
	const query = new URLSearchParams(from.query);
	for (const [name, value] of Object.entries(changes)) {
		if (value === '') { query.delete(name); } else { query.set(name, value); }
	}
	const text = query.toString().replace(/%3A/g, ':').replace(/%2C/g, ',');
	return `#/${from.path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** Changes the query of the page that is open, without a step for the way back. */
export function amend(changes: Readonly<Record<string, string>>): void {
	replace(address(current, changes));
}

/** The same without a step for the browser's way back, for addresses that change while somebody types. */
export function replace(to: string): void {
	history.replaceState(history.state, '', to);
	current = parse(to);
}

export function go(to: string): void {
	location.hash = to;
}
