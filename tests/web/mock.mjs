// SPDX-License-Identifier: Apache-2.0
// A server with the API's shapes and made-up numbers, and the built dashboard under the daemon's own content policy.
import {createServer} from 'node:http';
import {readFileSync, existsSync} from 'node:fs';
import {extname, join} from 'node:path';

const policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const types = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml'};
const time = '2026-01-05T10:00:00Z';
const hash = 'a'.repeat(64);
const long = 'a_network_with_quite_a_long_name_exported_from_somewhere_epoch_0231_final.onnx';

function model(id, name, inspection) {
	return {id, name, size_bytes: 312345, sha256: hash, created: time, inspection: inspection ?? {state: 'ok', error: null, result: {
		kind: 'model', opset: 13, producer: 'a script', inputs: [{name: 'x', type: 'float32', shape: ['N', 3, 32, 32]}],
		outputs: [{name: 'scores', type: 'float32', shape: ['N', 10]}], parameters: 77360, macs: 12501632, operators: {Conv: 9, Relu: 7, Add: 3, Gemm: 1}}}};
}

/* Nine convolutions, the input of every third one added to its output. */
function smallGraph() {
	return Array.from({length: 9}, (_, i) => ({name: `conv${i}`, type: 'Conv', inputs: [i === 0 ? 'x' : `c${i - 1}`, `w${i}`], outputs: [i === 8 ? 'scores' : i % 3 === 2 ? `r${i}` : `c${i}`], shape: ['N', 16, 32, 32], parameters: 2304, macs: 2359296 / (i + 1)}))
		.flatMap((n, i) => (i % 3 === 2 && i < 8 ? [n, {name: `add${i}`, type: 'Add', inputs: [`r${i}`, `c${i - 2}`], outputs: [`c${i}`], shape: ['N', 16, 32, 32], parameters: 0, macs: 0}] : [n]));
}
/* Blocks of three branches of four nodes that are concatenated, each behind the last. */
function deepGraph(count) {
	const nodes = [];
	for (let last = 'x'; nodes.length < count;) {
		const ends = [0, 1, 2].map((b) => { let from = last; for (let k = 0; k < 4; k++) { const name = `block${nodes.length}/branch${b}/conv${k}`; nodes.push({name, type: k % 2 ? 'Relu' : 'Conv', inputs: [from], outputs: [name], shape: ['N', 8, 16, 16], parameters: k % 2 ? 0 : 576, macs: k % 2 ? 0 : 147456 * (1 + b)}); from = name; } return from; });
		last = `block${nodes.length}/concat`;
		nodes.push({name: last, type: 'Concat', inputs: ends, outputs: [last], shape: ['N', 24, 16, 16], parameters: 0, macs: 0});
	}
	return nodes.slice(0, count);
}

/* scheme, metric, change, bytes, gates of a multiply-accumulate unit */
const SCHEMES = [['int8', 87.6, -0.11, 80123, 459], ['int4', 71.2, -16.51, 41500, 171], ['E2', 87.71, 0, 80123, 598], ['E3', 87.35, -0.36, 80123, 780], ['E4', 85.9, -1.81, 80123, 1150], ['E5', 80.02, -7.69, 80123, 1830]];
const MACS = 12501632;
const told = (delta) => ({delta, delta_low: delta - 0.4, delta_high: delta + 0.4, best: delta > -0.2});
const part = (granularity) => ({format: 'int8', bits: 8, granularity, range: 'mse', scale: 'real'});
function latency(p50, execution) {
	return {execution, threads: 1, p50_ns: p50, p90_ns: p50 * 1.1, p99_ns: p50 * 1.4, count: 1000, short: true};
}
export function result(job) {
	const tensors = (s, k) => Array.from({length: 12}, (_, i) => ({name: i % 2 ? `<b>layer${i}</b>/conv` : `stage${i}/a/very/long/path/of/an/activation_tensor`, kind: i < 6 ? 'weight' : 'activation',
		layer: `conv${i % 6}`, format: s, sqnr_db: 40 - 4 * k - i, sqnr_low_db: i < 6 ? null : 39.6 - 4 * k - i, sqnr_high_db: i < 6 ? null : 40.4 - 4 * k - i, network_sqnr_db: i < 6 ? null : 35 - 4 * k - i, network_sqnr_low_db: i < 6 ? null : 34.3 - 4 * k - i, network_sqnr_high_db: i < 6 ? null : 35.7 - 4 * k - i, min: -1.25, max: 1.24, observed_min: -2, observed_max: 2.5}));
	return {job, type: 'ptq', metric_name: 'top1', samples: 846, machine: {cpu: 'A CPU', isa: 'avx512_vnni', threads: 1},
		float: {metric: 87.71, size_bytes: 309440, gates: {unit: 3900, network: 3900 * MACS}, latency: latency(410000, 'native')},
		exports: [{kind: 'qdq', scheme: 'int8', name: 'int8.qdq.onnx'}, {kind: 'qdq', scheme: 'E2', refused: 'ONNX has no words for E2'}],
		schemes: SCHEMES.map(([scheme, metric, delta, size_bytes, unit], k) => ({scheme, metric, ...told(delta), output_sqnr_db: 34 - 4 * k, output_sqnr_low_db: 33.5 - 4 * k, output_sqnr_high_db: 34.5 - 4 * k, size_bytes, gates: {unit, network: unit * MACS},
			latency: latency(k === 0 ? 160000 : 700000 + 9000 * k, k === 0 ? 'native' : 'emulated'), tensors: tensors(scheme, k)}))};
}

/* ---- trainings, of made-up numbers ---- */

const EPOCHS = 12;
const EPOCH_STEPS = 40;
const LAYERS = [['conv1', 'int8', 432, false], ['stage1/block0/conv1', 'int4', 2304, true], ['stage1/block0/conv2', 'int4', 2304, true], ['stage2/a/long/path/of/a/layer/depthwise_conv', 'int4', 4608, true], ['fc', 'int8', 640, false]];
const bell = (width, thresholds) => Array.from({length: 40}, (_, i) => { const x = (i + 0.5) / 40 - 0.5; return Math.round(1000 * (Math.exp(-x * x / (2 * width * width)) + thresholds * Math.exp(-((0.5 - Math.abs(x)) ** 2) / 0.002))); });

function stepRow(step, k, qat) {
	const at = step / (EPOCHS * EPOCH_STEPS);
	return {step, loss: 2.3 * Math.exp(-3 * at) + 0.3 + 0.05 * Math.sin(step * (k + 1)), rate: 0.05 * (1 + Math.cos(Math.PI * at)), gradient_norm: 1.5 * Math.exp(-2 * at) + 0.2 * Math.abs(Math.cos(step)),
		...(qat ? {oscillating: k === 2 ? 0.04 * Math.exp(-6 * at) : 0.05 * (1 - Math.exp(-8 * at)), frozen: k === 2 ? 0.1 * at : 0} : {})};
}
function training(k, qat) {
	const every = Array.from({length: EPOCHS}, (_, i) => i + 1);
	const metric = (epoch) => 85 + k - 40 * Math.exp(-epoch / 3);
	return {train: 'train-4660.npz', train_samples: 4660, samples: 846, metric_name: 'top1', data: 'test-846.npz', epochs: EPOCHS, ended: 'epochs', steps_done: EPOCHS * EPOCH_STEPS, best: {epoch: EPOCHS, metric: metric(EPOCHS)},
		history: every.map((epoch) => ({epoch, step: epoch * EPOCH_STEPS, ...stepRow(epoch * EPOCH_STEPS, k, false), step: epoch * EPOCH_STEPS, metric: metric(epoch)})),
		steps: Array.from({length: 120}, (_, i) => stepRow((i + 1) * 4, k, qat)), artifacts: [], machine: {cpu: 'A CPU', isa: 'avx2', threads: 1}};
}
function qatResult(id, k, methods) {
	const outcome = (scheme, metric, more = {}) => ({scheme, metric, delta: metric - 87.71, delta_low: metric - 88.4, delta_high: metric - 87, output_sqnr_db: 12.5 + k, size_bytes: 40123, ...more});
	const count = (n, f) => Math.round(n * f);
	return {job: id, type: 'qat', model: 'mobilenetv2_cifar', scheme: 'w4a4', methods, float: {metric: 87.71, size_bytes: 309440}, start: outcome('w4a4', 41.2), final: outcome(`w4a4+${methods.join('+')}`, 84.9 + k, {latent_metric: 86.1, ...(k === 1 ? {running_metric: 70.3 + k, reestimated_metric: 84.9 + k} : {})}),
		...training(k, true), oscillating: k === 2 ? 0.002 : 0.05, frozen: k === 2 ? 0.1 : 0,
		layers: LAYERS.map(([layer, format, weights, tracked]) => ({layer, weight: `${layer}.weight`, format, weights, scales: 1, tracked, ...(tracked ? {oscillating: 0.05 / (k + 1), frozen: k === 2 ? 0.1 : 0, mean_frequency: 0.004 / (k + 1),
			frequencies: Array.from({length: 20}, (_, i) => count(weights, Math.exp(-i - k) * 0.6)), latent: bell(0.15, k === 2 ? 0 : 1)} : {})})),
		snapshots: Array.from({length: EPOCHS}, (_, e) => ({step: (e + 1) * EPOCH_STEPS, epoch: e + 1, oscillating: 0.05, frozen: 0, layers: LAYERS.map(([, , weights, tracked]) => (tracked ? {oscillating: count(weights, 0.05), frozen: 0, mean_frequency: 0.004, latent: bell(0.3 - 0.015 * e, k === 2 ? 0 : e / 8)} : null)),
			batch_norms: ['bn1', 'stage1/block0/bn1', 'stage2/a/long/path/of/a/batch_norm'].map((layer, i) => ({layer, channels: 16, divergence: 0.002 * (i + 1) * (e + 1), most: 0.05 * (i + 1), most_channel: 3}))}))};
}
function trainResult(id) {
	return {job: id, type: 'train', model: 'resnet8', ...training(0, false), parameters: 77360, macs: 12501632, start: {metric: 9.9}, float: {metric: 84, size_bytes: 309440}, final: {metric: 84}};
}
const QAT = {type: 'qat', model: 'm4', train: 'd1', data: 'd1', scheme: 'w4a4', epochs: EPOCHS, metric: 'top1'};
const TRAININGS = [
	['j20', {...QAT, method: 'lsq', seed: 1}, ['lsq'], 0], ['j21', {...QAT, method: ['lsq', 'freeze'], seed: 1}, ['lsq', 'freeze'], 2], ['j22', {...QAT, method: 'lsq', seed: 2}, ['lsq'], 1],
	['j23', {...QAT, method: 'lsq', seed: 1, batch_norm: {reestimate: 0}}, ['lsq'], -3], ['j24', {...QAT, method: ['lsq', {name: 'dampen', lambda: 0.1}], seed: 1}, ['lsq', 'dampen'], 1], ['j27', {...QAT, method: 'lsq', scheme: 'int8'}, ['lsq'], 3],
];
const HWCOST = {type: 'hwcost', adders: 'ripple', terms: 1024, rounds: 8, rows: [['int8', 'fixed', 459], ['int8', 'fp16', 1601], ['int8', 'fp32', 2384], ['E4', 'fixed', 509], ['E4', 'fp32', 1910]].map(([operands, accumulator, gates]) => ({operands, accumulator, gates, register_bits: 26, depth: 59, parts: {multiplier: 350}, verified_pairs: 65536, published: null, verilog: null}))};
const HISTOGRAMS = {variants: [{schemes: SCHEMES.map(([s]) => s), tensors: result('j1').schemes[0].tensors.map(({name, kind, layer}, i) => { const counts = Array.from({length: 64}, (_, b) => Math.round(4000 * Math.exp(-(((b - 31.5) / (6 + i)) ** 2)))); return {name, kind, layer, elements: counts.reduce((a, b) => a + b, 0), zeros: 0, min: -2, max: 1.99, low: -2, width: 0.0625, counts}; })}]};
const DISTRIBUTIONS = [{name: 'uniform', low: -1, high: 1}, {name: 'gaussian', sigma: 1, clip: 10}, {name: 'student_t', nu: 8, clip: 100}];
const SQNR = {type: 'sqnr', samples: 0, seed: 1, sweep: null, crossings: [], distributions: DISTRIBUTIONS.map(({name}) => ({label: name, name, mean: 0, rms: 1, bound: 1})),
	rows: [[48.1, 44.5, 38.7, 32.7, 26.9], [40.6, 42.7, 37.6, 31.6, 25.6], [34.4, 38.4, 37.5, 31.5, 25.6]].flatMap((row, i) => row.map((sqnr_db, k) => ({distribution: DISTRIBUTIONS[i].name, value: null, asked: ['int8', 'E2', 'E3', 'E4', 'E5'][k], format: ['int8', 'E2', 'E3', 'E4', 'E5'][k], sqnr_db, best: sqnr_db === Math.max(...row)})))};
const outcome = (delta, output_sqnr_db) => ({metric: 87.71 + delta, ...told(delta), output_sqnr_db, output_sqnr_low_db: output_sqnr_db - 0.3, output_sqnr_high_db: output_sqnr_db + 0.3});
const DIAGNOSIS = {type: 'diagnose', model: 'resnet8', data: 'test-846.npz', metric_name: 'top1', scheme: 'int4', samples: 128, float: outcome(0, null), all: outcome(-16.51, 9), tensors: [], largest: [], mixed: null,
	layers: Array.from({length: 9}, (_, i) => ({layer: `conv${i}`, type: 'Conv', macs: 2359296, weight_bytes: 9216, only: outcome(-i / 4, 30 - i), all_but: outcome(-15, 10), noise_share: (i + 1) / 45}))};
const OUTLIERS = JSON.parse(readFileSync(new URL('../../schema/examples/outliers.json', import.meta.url)));
const diverged = 'the loss of step 24 is not finite: the gradient of stage1/block0/conv1 was the first that was not; a smaller learning rate or clipping of the gradient may help';

export async function start(dist, kinds) {
	const refs = {model: {id: 'm1', name: 'resnet8.onnx'}, data: {id: 'd1', name: 'test-846.npz'}};
	const lab = {models: [model('m2', long), model('m1', 'resnet8.onnx'), model('m3', 'broken.onnx', {state: 'failed', error: {code: 'onnx', detail: 'node conv1: its weight has 3 dimensions, Conv needs 4'}, result: null}), model('m4', 'mobilenetv2_cifar.onnx')],
		datasets: [{id: 'd1', name: 'test-846.npz', size_bytes: 2600000, sha256: hash, created: time, inspection: {state: 'ok', error: null, result: {kind: 'data', arrays: [{name: 'x', type: 'uint8', shape: [846, 3, 32, 32]}, {name: 'y', type: 'int64', shape: [846]}]}}},
			{id: 'd2', name: 'tinyshakespeare.txt', size_bytes: 1115394, sha256: hash, created: time, inspection: {state: 'ok', error: null, result: {kind: 'text', bytes: 1115394, tokens: 1115394, distinct: 65, largest: 122, vocabulary: 256}}},
			{id: 'd3', name: 'digits.npz', size_bytes: 9000, sha256: hash, created: time, inspection: {state: 'ok', error: null, result: {kind: 'data', arrays: [{name: 'x', type: 'uint8', shape: [300, 1, 16, 16]}, {name: 'y', type: 'int64', shape: [300]}]}}}],
		jobs: [], submitted: []};
	const job = (id, state, more = {}) => ({id, type: 'ptq', state, spec: {type: 'ptq', model: 'm1', data: 'd1', schemes: ['int8', 'int4', 'E2', 'E3', 'E4', 'E5']}, ...refs, fingerprint: hash, engine: '0.1.0',
		attempts: 1, cached: false, created: time, started: state === 'queued' ? null : time, finished: ['queued', 'running'].includes(state) ? null : '2026-01-05T10:01:12Z', progress: null, position: null, error: null, artifacts: [], name: null, notes: null, tags: [], best: null, ...more});
	const second = job('j19', 'succeeded', {name: long.replaceAll('_', '-'), spec: {type: 'ptq', model: 'm2', data: 'd1', schemes: ['int8', 'int4'], calibration: {samples: 20}}, model: {id: 'm2', name: long}});
	lab.jobs.push(job('j4', 'queued', {position: 1, model: {id: 'm2', name: long}}), job('j3', 'running', {progress: {stage: 'sweep', fraction: 0.42, text: 'batch 5 of 12'}}),
		job('j2', 'failed', {error: {code: 'memory', detail: 'the worker needed more memory than a job may have (2 GB); use fewer threads'}}), job('j1', 'succeeded', {artifacts: [{name: 'histograms.json', content_type: 'application/json', size_bytes: 9000, sha256: hash}, {name: 'ranges.json', content_type: 'application/json', size_bytes: 812, sha256: hash}, {name: 'int8.qdq.onnx', content_type: 'application/octet-stream', size_bytes: 90123, sha256: hash}]}));

	const named = {model: {id: 'm4', name: 'mobilenetv2_cifar.onnx'}};
	const trainings = [...TRAININGS.map(([id, spec]) => job(id, 'succeeded', {type: 'qat', spec, ...named})), job('j25', 'succeeded', {type: 'train', spec: {type: 'train', network: 'resnet8', train: 'd1', data: 'd1'}, model: null}),
		job('j26', 'failed', {type: 'qat', spec: {...QAT, method: 'lsq', optimizer: {lr: 9}}, ...named, error: {code: 'diverged', detail: diverged}}), job('j28', 'running', {type: 'qat', spec: {...QAT, method: 'ewgs'}, ...named, progress: {stage: 'train', fraction: 0.3, text: 'epoch 4 of 12'}}),
		job('j40', 'succeeded', {type: 'hwcost', spec: {type: 'hwcost', units: []}, model: null, data: null}), job('j41', 'succeeded', {type: 'sqnr', spec: {type: 'sqnr', distributions: DISTRIBUTIONS, formats: ['int8', 'E2', 'E3', 'E4', 'E5']}, model: null, data: null}),
		job('j42', 'succeeded', {type: 'diagnose', spec: {type: 'diagnose', model: 'm1', data: 'd1', scheme: 'int4'}}),
		job('j30', 'succeeded', {type: 'outliers', spec: {type: 'outliers', network: 'opt', train: 'd1', data: 'd1'}, model: null}), job('j31', 'running', {type: 'outliers', spec: {type: 'outliers', network: 'opt', train: 'd1', data: 'd1'}, model: null, progress: {stage: 'train', fraction: 0.5, text: 'gated, epoch 2 of 5'}})];
	const resultOf = (id) => { const t = TRAININGS.find(([name]) => name === id); return t ? qatResult(id, t[3], t[2]) : id === 'j25' ? trainResult(id) : id === 'j30' ? {job: id, ...OUTLIERS} : id === 'j40' ? {job: id, ...HWCOST} : id === 'j41' ? {job: id, ...SQNR} : id === 'j42' ? {job: id, ...DIAGNOSIS} : result(id); };
	/* Steps as metric events, a point every 20 ms of the job's time. */
	function sendSteps(send, from, to, k) {
		for (let i = from; i < to; i++) {
			const {step, ...values} = stepRow((i + 1) * 4, k, true);
			const at = {scope: 'step', scheme: 'w4a4', step, time: new Date(Date.parse(time) + i * 80 * (k === 2 ? 1.04 : 1)).toISOString()};
			for (const [name, value] of Object.entries(values)) { send(10 + i * 8, 'metric', {...at, name, value}); }
			if (step % EPOCH_STEPS === 0) { send(17 + i * 8, 'metric', {...at, name: 'top1', value: 50 + i / 4}); }
		}
	}
	lab.more = () => undefined; /* lets the running training go on */

	function problem(res, status, detail, errors) {
		res.writeHead(status, {'Content-Type': 'application/problem+json'}).end(JSON.stringify({type: 'about:blank', title: 'no', status, detail, code: 'invalid', ...(errors ? {errors} : {})}));
	}
	function json(res, body, status = 200) {
		res.writeHead(status, {'Content-Type': 'application/json'}).end(JSON.stringify(body));
	}
	async function body(req) {
		const parts = [];
		for await (const part of req) { parts.push(part); }
		return Buffer.concat(parts);
	}
	const server = createServer(async (req, res) => {
		const url = new URL(req.url, 'http://x');
		const path = url.pathname.split('/').slice(1);
		if (path[0] !== 'v1') {
			const file = join(dist, url.pathname === '/' ? 'index.html' : url.pathname);
			if (!existsSync(file)) { return problem(res, 404, 'there is nothing'); }
			return res.writeHead(200, {'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy}).end(readFileSync(file));
		}
		const [, kind, id, sub] = path;
		if (kind === 'models' || kind === 'datasets') {
			const list = lab[kind];
			if (req.method === 'POST') {
				await body(req);
				const name = url.searchParams.get('name');
				if (name.startsWith('huge')) { return problem(res, 413, 'the file is larger than 1 GB, the most that this server takes'); }
				const made = model(`m${list.length + 1}`, name);
				list.unshift(made);
				return json(res, made, 201);
			}
			if (!id) { return json(res, {[kind]: list, total: list.length, next: null}); }
			const one = list.find((x) => x.id === id);
			if (!one) { return problem(res, 404, `there is no ${id}`); }
			if (req.method === 'DELETE') { lab[kind] = list.filter((x) => x !== one); return res.writeHead(204).end(); }
			return json(res, sub === 'graph' ? {nodes: id === 'm4' ? deepGraph(3000) : smallGraph()} : one);
		}
		if (kind === 'jobs') {
			if (req.method === 'POST' && !id) {
				const spec = JSON.parse(await body(req));
				const check = url.searchParams.get('check') === 'true';
				if (!check) { lab.submitted.push(spec); }
				const wrong = (spec.schemes ?? []).findIndex((s) => s === 'nonsense');
				if (wrong >= 0) { return problem(res, 422, 'one field of the job is wrong', [{field: `schemes[${wrong}]`, detail: 'there is no format "nonsense"'}]); }
				if (check) { return json(res, {ok: true}); }
				const made = job(`j${lab.jobs.length + 1}`, 'running', {spec});
				lab.jobs.unshift(made);
				return json(res, made, 201);
			}
			const one = lab.jobs.find((j) => j.id === id) ?? (id === 'j19' ? second : undefined) ?? trainings.find((j) => j.id === id);
			const type = url.searchParams.get('type');
			if (!id && type && type !== 'ptq') {
				const rows = trainings.filter((j) => j.type === type && (!url.searchParams.get('model') || j.model?.id === url.searchParams.get('model')) && (!url.searchParams.get('state') || j.state === url.searchParams.get('state')));
				return json(res, {jobs: rows, total: rows.length, more: false, next: null});
			}
			if (!id) {
				const words = (url.searchParams.get('q') ?? '').split(' ');
				const rows = lab.jobs.filter((j) => (!url.searchParams.get('state') || j.state === url.searchParams.get('state')) && (!url.searchParams.get('model') || j.model?.id === url.searchParams.get('model')) && words.every((w) => `${j.id} ${j.model?.name}`.includes(w)));
				if (type === 'ptq' && url.searchParams.get('state') === 'succeeded') { rows.unshift(second); }
				return json(res, {jobs: rows, total: rows.length, more: false, next: null});
			}
			if (!one) { return problem(res, 404, `there is no job ${id}`); }
			if (sub === 'artifacts' && path[4] === 'histograms.json') { return json(res, HISTOGRAMS); }
			if (sub === 'artifacts') { return res.writeHead(200, {'Content-Type': 'application/octet-stream'}).end('made up'); }
			if (sub === 'results') { return json(res, resultOf(id)); }
			if (sub === 'results.csv') { return res.writeHead(200, {'Content-Type': 'text/csv'}).end('scheme,metric\nint8,87.6\n'); }
			if (sub === 'cancel') { one.state = 'cancelled'; return json(res, one, 202); }
			if (sub === 'retry') { one.state = 'queued'; one.error = null; return json(res, one, 202); }
			if (sub === 'events') {
				res.writeHead(200, {'Content-Type': 'text/event-stream'});
				const send = (n, event, more) => res.write(`id: ${n}\nevent: ${event}\ndata: ${JSON.stringify({event, time, ...more})}\n\n`);
				send(1, 'log', {level: 'info', text: 'calibrating on 100 samples'});
				if (one.type === 'qat') {
					const k = TRAININGS.find(([name]) => name === id)?.[3] ?? 0;
					sendSteps(send, 0, one.state === 'failed' ? 6 : one.state === 'running' ? 14 : 120, k);
					if (one.state === 'running') {
						lab.more = () => sendSteps(send, 14, 60, k);
						return undefined;
					}
				}
				if (one.type === 'outliers' && one.state === 'running') {
					for (const [i, scheme] of ['vanilla', 'gated'].entries()) {
						for (let step = 10; step <= 100; step += 10) { send(10 + 300 * i + step, 'metric', {scope: 'step', scheme, step, name: 'loss', value: 3 / (1 + step / 50)}); }
						send(250 + 300 * i, 'metric', {scope: 'step', scheme, step: 100, name: 'max_inf_norm', value: 20 / (1 + i)});
					}
				}
				if (one.state === 'running') {
					send(2, 'progress', {stage: 'sweep', fraction: 0.42, text: 'batch 5 of 12'});
					if (lab.submitted.length > 0 && one === lab.jobs[0]) {
						setTimeout(() => { one.state = 'succeeded'; one.finished = time; send(3, 'state', {state: 'succeeded'}); res.end(); }, 600);
					}
				} else { send(2, 'state', {state: one.state}); res.end(); }
				return undefined;
			}
			return json(res, one);
		}
		if (kind === 'events') {
			return void res.writeHead(200, {'Content-Type': 'text/event-stream'}).write('id: 1\nevent: reset\ndata: {}\n\n');
		}
		if (kind === 'tags') { return json(res, {tags: []}); }
		if (kind === 'compare') {
			const cells = SCHEMES.map(([scheme, metric, delta, size, unit], k) => ({scheme, metric, ...told(delta), weights: {...part('per_channel'), format: scheme}, activations: {...part('per_tensor'), format: scheme}, methods: [], output_sqnr_db: 34 - 4 * k, size_bytes: size, gates: unit * MACS, latency_p50_ns: 160000, latency_execution: k ? 'emulated' : 'native'}));
			if (url.searchParams.get('jobs')?.startsWith('j90')) { /* four runs of each of two engines, the second slower */
				const rows = Array.from({length: 8}, (_, i) => ({job: `j${90 + i}`, engine: i < 4 ? '0.3.0' : '0.10.0', ...refs, metric_name: 'top1', float: 87.71, samples: 846, cells: cells.map((c) => ({...c, latency_p50_ns: (i < 4 ? 160e3 : 180e3) + i % 4 * 1e3}))}));
				return json(res, {schemes: SCHEMES.map(([s]) => s), rows});
			}
			if (['j1', 'j1,j19'].includes(url.searchParams.get('jobs'))) {
				const rows = ['j1', 'j19'].map((id, i) => ({job: id, engine: '0.3.0', ...(i ? {model: second.model, data: refs.data} : refs), metric_name: 'top1', float: 87.71 + i, samples: 846, cells: cells.slice(0, i ? 2 : 6).map((c) => ({...c, ...told(c.delta - i / 5)}))}));
				return json(res, {schemes: SCHEMES.map(([s]) => s), rows: rows.filter((r) => url.searchParams.get('jobs').includes(r.job))});
			}
			return json(res, {schemes: SCHEMES.map(([s]) => s), rows: [{job: 'j1', engine: '0.3.0', ...refs, metric_name: 'top1', float: 87.71, samples: 846, calibration_samples: 100, calibration_spread: true, float_latency_p50_ns: 410000, float_size_bytes: 309440, float_gates: 3900 * MACS, cells}, {job: 'j5', engine: '0.3.0', ...refs, metric_name: 'top1', float: 88, samples: 20, cells}, {job: 'j0', engine: '0.3.0', model: {id: 'm2', name: long}, data: refs.data, metric_name: 'mse', float: 0.01, float_latency_p50_ns: 1, cells: cells.slice(0, 3)}]});
		}
		if (kind === 'job-types') {
			return json(res, {engine: '0.1.0', types: JSON.parse(readFileSync(kinds)).answer.types.filter(({type}) => ['ptq', 'diagnose', 'qat'].includes(type)),
				metrics: [{name: 'top1', summary: 'top-1 accuracy, %', rises: true}]});
		}
		if (kind === 'formats' && id) {
			const values = id === 'int8' ? Array.from({length: 256}, (_, i) => i - 128) : Array.from({length: 255}, (_, i) => i - 127).map((i) => { const m = Math.abs(i); return Math.sign(i) * (m < 16 ? m : (16 + m % 16) * 2 ** (Math.floor(m / 16) - 1)) / 64; });
			return json(res, {name: id, signed: true, bits: 8, min: values[0], max: values.at(-1), values});
		}
		if (kind === 'formats') {
			return json(res, {formats: ['int8', 'E2', 'E3', 'E4', 'E5'].map((name) => ({name, other_widths: true}))});
		}
		if (kind === 'session') {
			return json(res, {name: 'local', role: 'admin', session: false});
		}
		if (kind === 'tokens') {
			const rest = {role: 'submit', created: time, revoked: null, upload_bytes: null, queued_jobs: null, requests_per_minute: null};
			return json(res, {tokens: [{id: 't2', name: 'alice', expires: null, ...rest}, {id: 't1', name: long.slice(0, 64), expires: time, ...rest, revoked: time}]});
		}
		if (kind === 'audit') {
			return json(res, {entries: [{id: 'e1', time, who: 'alice', token: 't2', address: '192.0.2.1', method: 'POST', path: '/v1/jobs', object: 'j1', status: 201}], total: 1, next: null});
		}
		if (kind === 'system') {
			return json(res, {version: '0.1.0', engine: '0.1.0', uptime_seconds: 93784, started: time, machine: {cpu: 'A CPU', isa: 'avx512_vnni', cores: 2, memory_bytes: 8e9, memory_available_bytes: 5e9}, versions: {oneDNN: '2.6.3'},
				queue: {queued: 1, running: 1, succeeded: 1, failed: 1, cancelled: 0, slots: 1}, limits: {upload_bytes: 1e9, job_threads: 2}});
		}
		return problem(res, 404, 'there is nothing');
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {url: `http://127.0.0.1:${server.address().port}`, lab, stop: () => { server.closeAllConnections(); server.close(); }};
}
