// SPDX-License-Identifier: Apache-2.0
import {mount} from 'svelte';
import App from './App.svelte';
import './app.css';
import {keepPlaces} from './base/scroll';
import {watchScrollable} from './base/scrollable';

const target = document.getElementById('app');
if (target) {
	mount(App, {target});
	watchScrollable();
	keepPlaces();
}
