// SPDX-License-Identifier: Apache-2.0
// Leaves a .br and a .gz beside every file of a built dashboard that is worth it; the daemon sends those to who takes them.
import {readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {brotliCompressSync, constants, gzipSync} from 'node:zlib';

const LEAST = 1024;

function compress(folder) {
	for (const name of readdirSync(folder)) {
		const path = join(folder, name);
		if (statSync(path).isDirectory()) {
			compress(path);
		} else if (/\.(html|js|css|svg|json)$/.test(name) && statSync(path).size >= LEAST) {
			const plain = readFileSync(path);
			writeFileSync(`${path}.br`, brotliCompressSync(plain, {params: {[constants.BROTLI_PARAM_SIZE_HINT]: plain.length}}));
			writeFileSync(`${path}.gz`, gzipSync(plain, {level: 9}));
		}
	}
}
compress(process.argv[2]);
