// SPDX-License-Identifier: Apache-2.0
import {svelte} from '@sveltejs/vite-plugin-svelte';
import {defineConfig} from 'vite';

export default defineConfig({
	plugins: [svelte()],
	base: './',
	build: {target: 'es2022', chunkSizeWarningLimit: 600, modulePreload: {polyfill: false}},
	server: {proxy: {'/v1': process.env.QB_URL ?? 'http://127.0.0.1:8080', '/openapi.yaml': process.env.QB_URL ?? 'http://127.0.0.1:8080'}},
});
