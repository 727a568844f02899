# SPDX-License-Identifier: Apache-2.0
"""What the server's answers are, for type checkers: made from schema/openapi.yaml by python/make_types.py; do not edit.

At run time they are plain dicts, of whose fields there may be more."""
from typing import Any, Literal, NotRequired, TypedDict


class Session(TypedDict):
    name: str | None
    role: Literal['open', 'read', 'submit', 'admin']
    session: bool


Time = str
MaybeTime = Time | None
TokenLimit = int | None


class Token(TypedDict):
    id: str
    name: str
    role: Literal['read', 'submit', 'admin']
    created: Time
    expires: MaybeTime
    revoked: MaybeTime
    upload_bytes: TokenLimit
    queued_jobs: TokenLimit
    requests_per_minute: TokenLimit


class TokenList(TypedDict):
    tokens: list[Token]


class NewToken(TypedDict):
    id: str
    name: str
    role: Literal['read', 'submit', 'admin']
    created: Time
    expires: MaybeTime
    revoked: MaybeTime
    upload_bytes: TokenLimit
    queued_jobs: TokenLimit
    requests_per_minute: TokenLimit
    secret: str


class TokenWish(TypedDict):
    name: str
    role: Literal['read', 'submit', 'admin']
    expires: NotRequired[str]
    upload_bytes: NotRequired[TokenLimit]
    queued_jobs: NotRequired[TokenLimit]
    requests_per_minute: NotRequired[TokenLimit]


class AuditEntry(TypedDict):
    id: str
    time: Time
    who: str | None
    token: str | None
    address: str
    method: str
    path: str
    object: str | None
    status: int


class AuditList(TypedDict):
    entries: list[AuditEntry]
    total: int
    next: str | None


Pointer = str
Near = list[str]


class ProblemErrorsItem(TypedDict):
    field: str
    pointer: Pointer
    detail: str
    near: NotRequired[Near]


class Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    code: str
    field: NotRequired[str]
    pointer: NotRequired[Pointer]
    near: NotRequired[Near]
    errors: NotRequired[list[ProblemErrorsItem]]


class Checked(TypedDict):
    ok: Literal[True]


Number = float | None


class Ref(TypedDict):
    id: str
    name: str


class Fault(TypedDict):
    code: str
    detail: str
    field: NotRequired[Pointer]
    near: NotRequired[Near]


Dim = int | str | None
Shape = list[Dim] | None


class Array(TypedDict):
    name: str
    type: str
    shape: Shape


class Inspection(TypedDict):
    state: Literal['pending', 'ok', 'failed']
    error: Fault | None
    result: dict[str, Any] | None


class ModelInspection(TypedDict):
    kind: NotRequired[Literal['model']]
    format: NotRequired[str]
    producer: NotRequired[str]
    opset: NotRequired[int]
    inputs: list[Array]
    outputs: list[Array]
    parameters: NotRequired[int]
    macs: NotRequired[float]
    operators: NotRequired[dict[str, int]]
    notes: NotRequired[list[str]]


class DataInspection(TypedDict):
    kind: NotRequired[Literal['data']]
    arrays: list[Array]


class TextInspection(TypedDict):
    kind: Literal['text']
    bytes: int
    tokens: int
    distinct: int
    largest: int
    vocabulary: Literal[256]


Share = float | None


class Text(TypedDict):
    task: Literal['masked', 'causal', 'bigram_backcopy']
    length: int
    windows: int
    tokens: int
    vocabulary: int
    mask_token: int
    start_token: int
    padding_token: int
    triggers: NotRequired[list[int]]
    copied: NotRequired[Share]
    least_loss: NotRequired[Number]


Submitter = str | None


class Upload(TypedDict):
    id: str
    name: str
    size_bytes: int
    sha256: str
    created: Time
    submitter: Submitter
    inspection: Inspection


class Model(TypedDict):
    id: str
    name: str
    size_bytes: int
    sha256: str
    created: Time
    submitter: Submitter
    inspection: ModelInspection


class DatasetInspection(TypedDict):
    result: NotRequired[DataInspection | TextInspection | None]


class Dataset(TypedDict):
    id: str
    name: str
    size_bytes: int
    sha256: str
    created: Time
    submitter: Submitter
    inspection: DatasetInspection


class ModelList(TypedDict):
    models: list[Model]
    total: int
    next: str | None


class DatasetList(TypedDict):
    datasets: list[Dataset]
    total: int
    next: str | None


class GraphNodesItem(TypedDict):
    name: str
    type: str
    inputs: NotRequired[list[str | None]]
    outputs: NotRequired[list[str | None]]
    shape: NotRequired[Shape]
    parameters: NotRequired[int]
    macs: NotRequired[float]


class Graph(TypedDict):
    nodes: list[GraphNodesItem]


JobState = Literal['queued', 'running', 'succeeded', 'failed', 'cancelled']


class Run(TypedDict):
    target: NotRequired[str]
    priority: NotRequired[int]
    after: NotRequired[list[str]]
    retries: NotRequired[int]
    threads: NotRequired[int]
    memory_bytes: NotRequired[int]
    wall_seconds: NotRequired[int]


JobName = str | None
JobNotes = str | None
Tag = str
Tags = list[Tag] | None


class JobSpec(TypedDict):
    type: str
    model: NotRequired[str]
    data: NotRequired[str]
    fresh: NotRequired[bool]
    run: NotRequired[Run]
    name: NotRequired[JobName]
    notes: NotRequired[JobNotes]
    tags: NotRequired[Tags]


class LabelChange(TypedDict):
    name: NotRequired[JobName]
    notes: NotRequired[JobNotes]
    tags: NotRequired[Tags]
    add_tags: NotRequired[list[Tag]]
    remove_tags: NotRequired[list[Tag]]


class TagListTagsItem(TypedDict):
    tag: str
    jobs: int


class TagList(TypedDict):
    tags: list[TagListTagsItem]


class BestResult(TypedDict):
    scheme: str | None
    metric: str | None
    value: float
    delta: NotRequired[Number]
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]


class Progress(TypedDict):
    stage: str
    fraction: float
    text: str


class Artifact(TypedDict):
    name: str
    content_type: str
    size_bytes: int
    sha256: str


class Machine(TypedDict):
    cpu: NotRequired[str]
    isa: NotRequired[str]
    threads: NotRequired[int]


class JobLimits(TypedDict):
    threads: NotRequired[int]
    memory_bytes: NotRequired[int]
    wall_seconds: NotRequired[int]


class Job(TypedDict):
    id: str
    type: str
    state: JobState
    name: str | None
    notes: str | None
    tags: list[str]
    spec: JobSpec
    model: Ref | None
    data: Ref | None
    submitter: Submitter
    fingerprint: str
    engine: str
    attempts: int
    cached: bool
    created: Time
    started: MaybeTime
    finished: MaybeTime
    progress: Progress | None
    best: BestResult | None
    position: int | None
    error: Fault | None
    artifacts: list[Artifact]
    grid: NotRequired[str | None]
    target: str
    machine: Machine | None
    priority: int
    limits: JobLimits | None
    retries: int
    after: list[str]
    expected_seconds: NotRequired[float | None]


class JobList(TypedDict):
    jobs: list[Job]
    total: int
    more: bool
    next: str | None


Scope = Literal['model', 'layer', 'tensor', 'step']


class Event(TypedDict):
    event: Literal['state', 'progress', 'log', 'metric', 'artifact', 'error']
    time: Time
    state: NotRequired[JobState]
    error: NotRequired[Fault | None]
    stage: NotRequired[str]
    fraction: NotRequired[float]
    text: NotRequired[str]
    level: NotRequired[Literal['debug', 'info', 'warning', 'error']]
    scope: NotRequired[Scope]
    scheme: NotRequired[str]
    tensor: NotRequired[str]
    step: NotRequired[int]
    value: NotRequired[Number]
    unit: NotRequired[str]
    name: NotRequired[str]
    content_type: NotRequired[str]
    code: NotRequired[str]
    detail: NotRequired[str]


class LatencyEarlyStopping(TypedDict):
    confidence: NotRequired[float]
    p50_ns: NotRequired[Number]
    p90_ns: NotRequired[Number]
    p99_ns: NotRequired[Number]


class LatencyProfileTypesItem(TypedDict):
    type: str
    kind: str
    ns: int
    share: float
    steps: int


class LatencyProfileStayedFloatItem(TypedDict):
    node: str
    type: str
    why: str
    ns: int


class LatencyProfileStepsItem(TypedDict):
    node: str
    type: str
    kind: str
    implementation: NotRequired[str]
    ns: int
    share: NotRequired[float]
    macs: NotRequired[float]


class LatencyProfile(TypedDict):
    runs: int
    total_ns: int
    conversions_ns: int
    float_ns: int
    types: list[LatencyProfileTypesItem]
    stayed_float: list[LatencyProfileStayedFloatItem]
    steps: list[LatencyProfileStepsItem]


class Latency(TypedDict):
    execution: Literal['native', 'emulated']
    why_emulated: NotRequired[str]
    threads: int
    p50_ns: Number
    p90_ns: Number
    p99_ns: Number
    mean_ns: NotRequired[Number]
    min_ns: NotRequired[Number]
    max_ns: NotRequired[Number]
    stddev_ns: NotRequired[Number]
    count: int
    seconds: NotRequired[float]
    short: NotRequired[bool]
    early_stopping: NotRequired[LatencyEarlyStopping]
    machine: NotRequired[Machine]
    profile: NotRequired[LatencyProfile]


MaybeLatency = Latency | None


class SchemePart(TypedDict):
    format: NotRequired[str]
    bits: NotRequired[int]
    granularity: NotRequired[str | None]
    range: NotRequired[str | None]
    scale: NotRequired[Literal['real', 'power_of_two', None]]
    symmetric: NotRequired[bool]
    group_size: NotRequired[int]
    percentile: NotRequired[float]


class TensorRow(TypedDict):
    name: str
    kind: Literal['weight', 'activation']
    layer: NotRequired[str]
    format: NotRequired[str]
    bits: NotRequired[int]
    granularity: NotRequired[str | None]
    range: NotRequired[str | None]
    scale: NotRequired[Literal['real', 'power_of_two', None]]
    symmetric: NotRequired[bool]
    group_size: NotRequired[int]
    percentile: NotRequired[float]
    channels: NotRequired[int]
    sqnr_db: Number
    sqnr_low_db: NotRequired[Number]
    sqnr_high_db: NotRequired[Number]
    exact: bool
    network_sqnr_db: NotRequired[Number]
    network_sqnr_low_db: NotRequired[Number]
    network_sqnr_high_db: NotRequired[Number]
    min: Number
    max: Number
    observed_min: NotRequired[Number]
    observed_max: NotRequired[Number]


class SchemeGates(TypedDict):
    unit: Number
    network: Number


Best = bool


class PtqResultFloat(TypedDict):
    metric: Number
    size_bytes: NotRequired[int]
    gates: NotRequired[SchemeGates]
    latency: NotRequired[MaybeLatency]


class PtqResultSchemesItemIntegerFloatStepsItem(TypedDict):
    node: str
    type: str
    why: str


class PtqResultSchemesItemInteger(TypedDict):
    steps: int
    float_steps: list[PtqResultSchemesItemIntegerFloatStepsItem]


class PtqResultSchemesItemMethodsItem(TypedDict):
    name: str
    report: dict[str, Any]


class PtqResultSchemesItem(TypedDict):
    scheme: str
    weights: NotRequired[SchemePart]
    activations: NotRequired[SchemePart]
    metric: Number
    delta: Number
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    best: NotRequired[Best]
    output_sqnr_db: Number
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]
    nan_outputs: NotRequired[int]
    size_bytes: NotRequired[int]
    latency: NotRequired[MaybeLatency]
    gates: NotRequired[SchemeGates]
    integer: NotRequired[PtqResultSchemesItemInteger]
    methods: NotRequired[list[PtqResultSchemesItemMethodsItem]]
    tensors: NotRequired[list[TensorRow]]


class PtqResultExportsItem(TypedDict):
    kind: Literal['qdq', 'encodings', 'float']
    scheme: NotRequired[str]
    name: NotRequired[str]
    refused: NotRequired[str]


class PtqResult(TypedDict):
    job: str
    run_target: NotRequired[str]
    type: Literal['ptq']
    model: NotRequired[str]
    data: NotRequired[str]
    metric_name: NotRequired[str]
    text: NotRequired[Text]
    samples: NotRequired[int]
    notes: NotRequired[list[str]]
    calibration_samples: NotRequired[int]
    calibration_spread: NotRequired[bool]
    held_out: NotRequired[bool]
    batch: NotRequired[int]
    samples_per_second: NotRequired[Number]
    sweep_cost: NotRequired[Number]
    machine: NotRequired[Machine]
    float: PtqResultFloat
    schemes: list[PtqResultSchemesItem]
    exports: NotRequired[list[PtqResultExportsItem]]


class Outcome(TypedDict):
    metric: Number
    delta: Number
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    output_sqnr_db: Number
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]


class DiagnoseResultLayersItem(TypedDict):
    layer: str
    type: str
    macs: NotRequired[float]
    weight_bytes: NotRequired[int]
    only: Outcome
    all_but: Outcome
    noise_share: Number


class DiagnoseResultTensorsItemWorstChannelsItem(TypedDict):
    channel: int
    sqnr_db: Number
    noise_share: float
    inf_norm: float


class DiagnoseResultTensorsItem(TypedDict):
    name: str
    kind: Literal['weight', 'activation']
    layer: str
    format: str
    bits: NotRequired[int]
    granularity: NotRequired[str | None]
    range: NotRequired[str | None]
    scale: NotRequired[Literal['real', 'power_of_two', None]]
    symmetric: NotRequired[bool]
    group_size: NotRequired[int]
    percentile: NotRequired[float]
    sqnr_db: Number
    exact: bool
    network_sqnr_db: NotRequired[Number]
    network_sqnr_low_db: NotRequired[Number]
    network_sqnr_high_db: NotRequired[Number]
    clipping: float
    rounding: float
    inf_norm: float
    kurtosis: Number
    channels: NotRequired[int]
    worst_channels: list[DiagnoseResultTensorsItemWorstChannelsItem]


class DiagnoseResultLargestItem(TypedDict):
    layer: str
    tensor: str
    channel: int
    inf_norm: float
    ratio: Number


class DiagnoseResultMixed1FrontItem(TypedDict):
    layer: str | None
    to: str | None
    cost: float
    predicted_sqnr_db: Number
    metric: NotRequired[Number]
    delta: NotRequired[Number]
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    output_sqnr_db: NotRequired[Number]
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]


class DiagnoseResultMixed1Chosen(TypedDict):
    metric: Number
    delta: Number
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    output_sqnr_db: Number
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]
    cost: float
    predicted_sqnr_db: Number
    scheme: dict[str, Any]


class DiagnoseResultMixed1(TypedDict):
    candidates: list[str]
    budget_kind: Literal['size', 'gates', 'latency']
    budget: float
    float_cost: float
    front: list[DiagnoseResultMixed1FrontItem]
    chosen: DiagnoseResultMixed1Chosen
    job: JobSpec


class DiagnoseResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['diagnose']
    model: NotRequired[str]
    data: NotRequired[str]
    metric_name: NotRequired[str]
    text: NotRequired[Text]
    scheme: str
    samples: int
    notes: NotRequired[list[str]]
    calibration_samples: NotRequired[int]
    calibration_spread: NotRequired[bool]
    float: Outcome
    all: Outcome
    layers: list[DiagnoseResultLayersItem]
    tensors: list[DiagnoseResultTensorsItem]
    largest: list[DiagnoseResultLargestItem]
    mixed: None | DiagnoseResultMixed1


class SqnrRow(TypedDict):
    distribution: str
    value: Number
    asked: str
    format: str
    bits: float
    exact: bool
    range: Number
    low: NotRequired[Number]
    high: NotRequired[Number]
    scale: NotRequired[Number]
    zero: NotRequired[Number]
    power: NotRequired[Number]
    mse: Number
    mse_db: Number
    sqnr_db: Number
    clip_mse: Number
    dot_mse: Number
    dot_sqnr_db: Number
    measured_mse: Number
    measured_sqnr_db: Number
    measured_sqnr_low_db: NotRequired[Number]
    measured_sqnr_high_db: NotRequired[Number]
    best: bool


class SqnrResultSweep(TypedDict):
    parameter: NotRequired[str]
    values: NotRequired[list[float]]


class SqnrResultDistributionsItemDensity(TypedDict):
    x: NotRequired[list[float]]
    p: NotRequired[list[float]]
    points: NotRequired[list[list[float]]]


class SqnrResultDistributionsItem(TypedDict):
    label: str
    name: str
    mean: Number
    rms: Number
    bound: Number
    density: NotRequired[SqnrResultDistributionsItemDensity]


SqnrResultCrossingsItem = TypedDict('SqnrResultCrossingsItem', {
    'distribution': str,
    'from': float,
    'to': float,
    'before': str,
    'after': str,
})


class SqnrResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['sqnr']
    samples: int
    seed: int
    sweep: SqnrResultSweep | None
    distributions: list[SqnrResultDistributionsItem]
    rows: list[SqnrRow]
    crossings: list[SqnrResultCrossingsItem]


class HwcostRow(TypedDict):
    operands: str | list[str]
    accumulator: str
    gates: int
    register_bits: int
    accumulator_bits: NotRequired[int]
    depth: int
    parts: dict[str, int]
    multiplier: NotRequired[Literal['array', 'dadda']]
    verified_pairs: int
    verified_sums: NotRequired[int]
    published: int | None
    verilog: str | None
    macs: NotRequired[int]
    macs_gates: NotRequired[float]


class HwcostResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['hwcost']
    cells: NotRequired[str]
    adders: NotRequired[Literal['ripple', 'prefix']]
    terms: NotRequired[int]
    rounds: NotRequired[int]
    rows: list[HwcostRow]


class RoundQuestion(TypedDict):
    value: float | list[float]
    formats: list[str]
    range: NotRequired[float]


class RoundAnswerRowsItem(TypedDict):
    value: float
    format: str
    scale: float
    nearest: Number
    code: int
    bits: NotRequired[str]
    error: Number
    relative_error: Number
    below: Number
    above: Number
    saturated: bool


class RoundAnswer(TypedDict):
    rows: list[RoundAnswerRowsItem]


class Histogram(TypedDict):
    low: float
    width: float
    counts: list[int]


class SurveyedTensorOutlierChannelsItem(TypedDict):
    index: int
    infinity_norm: float
    ratio: Number


class SurveyedTensorBestItem(TypedDict):
    granularity: str
    format: str
    sqnr_db: Number
    exact: bool


class SurveyedTensor(TypedDict):
    name: str
    shape: list[int]
    dtype: str
    elements: int
    min: Number
    max: Number
    mean: Number
    std: Number
    infinity_norm: Number
    kurtosis: Number
    zeros: int
    nonfinite: int
    axis: int
    channels: int
    outlier_channels: list[SurveyedTensorOutlierChannelsItem]
    outlier_count: NotRequired[int]
    histogram: Histogram
    best: list[SurveyedTensorBestItem]


class SurveyRow(TypedDict):
    tensor: str
    granularity: Literal['per_tensor', 'per_channel', 'per_block']
    format: str
    bits: float
    mse: Number
    sqnr_db: Number
    exact: bool
    best: bool


class TensorResultTotalItem(TypedDict):
    granularity: str
    format: str
    sqnr_db: Number
    exact: bool
    wins: int


class TensorResultSkippedItem(TypedDict):
    name: str
    why: str


class TensorResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['tensor']
    source: str
    range: Literal['minmax', 'mse']
    block: NotRequired[int]
    elements: NotRequired[int]
    bytes: NotRequired[int]
    tensors: list[SurveyedTensor]
    rows: list[SurveyRow]
    total: list[TensorResultTotalItem]
    skipped: list[TensorResultSkippedItem]


class TrainingBest1(TypedDict):
    epoch: int
    metric: Number


class TrainingHistoryItem(TypedDict):
    epoch: int
    step: int
    loss: Number
    rate: Number
    metric: Number


class TrainingStepsItem(TypedDict):
    step: int
    loss: Number
    rate: Number
    gradient_norm: Number
    oscillating: NotRequired[Number]
    frozen: NotRequired[Number]


class TrainingProfile1(TypedDict):
    steps: int
    seconds: float
    seconds_per_step: float
    samples_per_second: float
    threads: int
    plan: dict[str, Any]


Counts = list[int]


class QatSnapshotLayersItem1(TypedDict):
    oscillating: int
    frozen: int
    mean_frequency: Number
    latent: Counts


class QatSnapshotBatchNormsItem(TypedDict):
    layer: str
    channels: int
    divergence: Number
    most: Number
    most_channel: int


class QatSnapshot(TypedDict):
    step: int
    epoch: int
    oscillating: Share
    frozen: Share
    layers: list[None | QatSnapshotLayersItem1]
    batch_norms: list[QatSnapshotBatchNormsItem]


class TrainingArtifactsItem(TypedDict):
    kind: Literal['trained', 'qdq', 'encodings', 'float']
    scheme: NotRequired[str]
    name: NotRequired[str]
    refused: NotRequired[str]


class Training(TypedDict):
    train: NotRequired[str]
    train_samples: NotRequired[int]
    validation_samples: NotRequired[int]
    epochs: int
    ended: Literal['epochs', 'early_stop']
    steps_done: int
    best: None | TrainingBest1
    history: list[TrainingHistoryItem]
    steps: list[TrainingStepsItem]
    profile: NotRequired[None | TrainingProfile1]
    snapshots: NotRequired[list[QatSnapshot]]
    artifacts: NotRequired[list[TrainingArtifactsItem]]
    machine: NotRequired[Machine]


class TrainResultBest1(TypedDict):
    epoch: int
    metric: Number


class TrainResultHistoryItem(TypedDict):
    epoch: int
    step: int
    loss: Number
    rate: Number
    metric: Number


class TrainResultStepsItem(TypedDict):
    step: int
    loss: Number
    rate: Number
    gradient_norm: Number
    oscillating: NotRequired[Number]
    frozen: NotRequired[Number]


class TrainResultProfile1(TypedDict):
    steps: int
    seconds: float
    seconds_per_step: float
    samples_per_second: float
    threads: int
    plan: dict[str, Any]


class TrainResultArtifactsItem(TypedDict):
    kind: Literal['trained', 'qdq', 'encodings', 'float']
    scheme: NotRequired[str]
    name: NotRequired[str]
    refused: NotRequired[str]


class TrainResultStart(TypedDict):
    metric: Number


class TrainResultFloat(TypedDict):
    metric: Number
    size_bytes: int


class TrainResultFinal(TypedDict):
    metric: Number
    delta: NotRequired[Number]
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    latency: NotRequired[MaybeLatency]


class TrainResult(TypedDict):
    train: NotRequired[str]
    train_samples: NotRequired[int]
    validation_samples: NotRequired[int]
    epochs: int
    ended: Literal['epochs', 'early_stop']
    steps_done: int
    best: None | TrainResultBest1
    history: list[TrainResultHistoryItem]
    steps: list[TrainResultStepsItem]
    profile: NotRequired[None | TrainResultProfile1]
    snapshots: NotRequired[list[QatSnapshot]]
    artifacts: NotRequired[list[TrainResultArtifactsItem]]
    machine: NotRequired[Machine]
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['train']
    model: str
    data: str
    metric_name: str
    text: NotRequired[Text]
    samples: NotRequired[int]
    parameters: NotRequired[int]
    macs: NotRequired[int]
    start: TrainResultStart
    float: TrainResultFloat
    final: TrainResultFinal


class QatResultBest1(TypedDict):
    epoch: int
    metric: Number


class QatResultHistoryItem(TypedDict):
    epoch: int
    step: int
    loss: Number
    rate: Number
    metric: Number


class QatResultStepsItem(TypedDict):
    step: int
    loss: Number
    rate: Number
    gradient_norm: Number
    oscillating: NotRequired[Number]
    frozen: NotRequired[Number]


class QatResultProfile1(TypedDict):
    steps: int
    seconds: float
    seconds_per_step: float
    samples_per_second: float
    threads: int
    plan: dict[str, Any]


class QatResultArtifactsItem(TypedDict):
    kind: Literal['trained', 'qdq', 'encodings', 'float']
    scheme: NotRequired[str]
    name: NotRequired[str]
    refused: NotRequired[str]


class QatResultFloat(TypedDict):
    metric: Number
    size_bytes: NotRequired[int]
    gates: NotRequired[SchemeGates]
    latency: NotRequired[MaybeLatency]


class StageMetrics(TypedDict):
    metric: Number
    running_metric: NotRequired[Number]
    reestimated_metric: NotRequired[Number]


class QatResultStagesItem(TypedDict):
    scheme: str
    start: StageMetrics
    final: StageMetrics
    epochs: int
    ended: Literal['epochs', 'early_stop']
    steps_done: int
    best: dict[str, Any] | None
    history: list[dict[str, Any]]


class QatOutcome(TypedDict):
    scheme: str
    weights: NotRequired[SchemePart]
    activations: NotRequired[SchemePart]
    metric: Number
    latent_metric: NotRequired[Number]
    running_metric: NotRequired[Number]
    reestimated_metric: NotRequired[Number]
    delta: Number
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    best: NotRequired[bool]
    output_sqnr_db: Number
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]
    nan_outputs: NotRequired[int]
    size_bytes: NotRequired[int]
    gates: NotRequired[SchemeGates]
    latency: NotRequired[MaybeLatency]
    integer: NotRequired[dict[str, Any]]
    tensors: NotRequired[list[TensorRow]]


class QatResultLayersItem(TypedDict):
    layer: str
    weight: str
    format: str
    weights: int
    scales: int
    tracked: bool
    oscillating: NotRequired[Share]
    frozen: NotRequired[Share]
    mean_frequency: NotRequired[Number]
    frequencies: NotRequired[Counts]
    latent: NotRequired[Counts]


class QatResultActivationsItem(TypedDict):
    name: str
    format: str
    scale: Number
    zero: int


class QatResult(TypedDict):
    train: NotRequired[str]
    train_samples: NotRequired[int]
    validation_samples: NotRequired[int]
    epochs: int
    ended: Literal['epochs', 'early_stop']
    steps_done: int
    best: None | QatResultBest1
    history: list[QatResultHistoryItem]
    steps: list[QatResultStepsItem]
    profile: NotRequired[None | QatResultProfile1]
    snapshots: NotRequired[list[QatSnapshot]]
    artifacts: NotRequired[list[QatResultArtifactsItem]]
    machine: NotRequired[Machine]
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['qat']
    model: str
    data: str
    metric_name: str
    text: NotRequired[Text]
    samples: NotRequired[int]
    scheme: str
    methods: list[str]
    float: QatResultFloat
    stages: NotRequired[list[QatResultStagesItem]]
    start: QatOutcome
    final: QatOutcome
    oscillating: Share
    frozen: Share
    layers: list[QatResultLayersItem]
    activations: NotRequired[list[QatResultActivationsItem]]


class Spread(TypedDict):
    mean: Number
    sd: Number
    low: Number
    high: Number


class OutlierTensorChannelsItem(TypedDict):
    channel: int
    count: int
    max_abs: Number


class OutlierTensorTokensItem(TypedDict):
    position: int
    count: int


class OutlierTensor(TypedDict):
    name: str
    layer: int | None
    kind: Literal['ffn_out', 'attention_out', 'residual', 'layer_norm']
    measured: bool
    inf_norm: Number
    kurtosis: Number
    max_abs: Number
    median_channel: NotRequired[Number]
    beyond_6sd: int
    beyond_6sd_share: Number
    channels: list[OutlierTensorChannelsItem]
    tokens: list[OutlierTensorTokensItem]
    sqnr_db: Number


class OutlierRunFloat(TypedDict):
    metric: Number
    loss: Number


class OutlierRunSchemesItem(TypedDict):
    scheme: str
    weights: NotRequired[SchemePart]
    activations: NotRequired[SchemePart]
    metrics: list[Number]
    metric: Number
    low: Number
    high: Number
    delta: Number
    delta_low: Number
    delta_high: Number
    output_sqnr_db: NotRequired[Number]
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]


class OutlierRunResidualItem(TypedDict):
    name: str
    layer: int | None
    after: Literal['input', 'attention', 'ffn', 'other']
    norm: Number
    norm_first: Number
    peak: Number
    peak_position: int


class OutlierRunAttentionItem(TypedDict):
    layer: int
    head: int
    to_first: Number
    most: Number
    sink: bool
    zeros: NotRequired[Number]
    value_norm_first: Number
    value_norm: Number


class OutlierRunMapsResidualItem(TypedDict):
    name: str
    layer: int | None
    channels: list[int]
    positions: list[int]
    values: list[list[Number]]


class OutlierRunMapsAttentionItem(TypedDict):
    layer: int
    head: int
    positions: list[int]
    values: list[list[Number]]


class OutlierRunMaps(TypedDict):
    residual: list[OutlierRunMapsResidualItem]
    attention: list[OutlierRunMapsAttentionItem]


class OutlierRunHistogramsItemGrid1(TypedDict):
    scheme: str
    format: str
    low: float
    high: float
    levels: int
    step: Number


class OutlierRunHistogramsItem(TypedDict):
    tensor: str
    layer: int | None
    kind: str
    low: float
    high: float
    counts: list[int]
    grid: None | OutlierRunHistogramsItemGrid1


class OutlierRunGrowthItem(TypedDict):
    step: int
    epoch: int
    max_inf_norm: Number
    avg_kurtosis: Number
    sink_share: Number


class OutlierRun(TypedDict):
    id: str
    name: str
    model: str
    seed: int | None
    parameters: int
    attention_method: dict[str, Any] | None
    float: OutlierRunFloat
    schemes: list[OutlierRunSchemesItem]
    max_inf_norm: Number
    avg_kurtosis: Number
    max_kurtosis: Number
    worst: str | None
    tensors: list[OutlierTensor]
    residual: list[OutlierRunResidualItem]
    attention: list[OutlierRunAttentionItem]
    sink_share: Number
    maps: OutlierRunMaps
    histograms: list[OutlierRunHistogramsItem]
    growth: NotRequired[list[OutlierRunGrowthItem]]
    training: None | Training


class OutliersResultCalibration(TypedDict):
    samples: int
    seeds: list[int]


class OutliersResultSummaryItemSchemesItem(TypedDict):
    scheme: str
    metric: Spread
    delta: Spread


class OutliersResultSummaryItem(TypedDict):
    name: str
    runs: int
    float: Spread
    loss: None | Spread
    max_inf_norm: None | Spread
    avg_kurtosis: None | Spread
    sink_share: None | Spread
    schemes: list[OutliersResultSummaryItemSchemesItem]


class OutliersResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['outliers']
    model: str
    data: str
    train: NotRequired[str]
    train_samples: NotRequired[int]
    metric_name: str
    metric_rises: NotRequired[bool]
    samples: int
    sequence: NotRequired[int]
    text: NotRequired[Text]
    masked: NotRequired[bool]
    schemes: list[str]
    calibration: OutliersResultCalibration
    notes: NotRequired[list[str]]
    runs: list[OutlierRun]
    summary: list[OutliersResultSummaryItem]
    machine: NotRequired[Machine]


class ToyResultRunsItemPointsItem(TypedDict):
    step: int
    latent: float
    quantized: float
    loss: float
    frequency: float
    frozen: bool


class ToyResultRunsItem(TypedDict):
    method: str
    share: Number
    period: Number
    changes: int
    points: list[ToyResultRunsItemPointsItem]


class ToyResult(TypedDict):
    job: NotRequired[str]
    run_target: NotRequired[str]
    type: Literal['toy']
    format: str
    target: float
    start: float
    scale: float
    lr: float
    steps: int
    lower: float
    upper: float
    share_predicted: float
    period_predicted: float
    runs: list[ToyResultRunsItem]


class OtherResult(TypedDict):
    job: str
    run_target: NotRequired[str]
    type: str
    rows: NotRequired[list[dict[str, Any]]]


class JobTypeListTypesItem(TypedDict):
    type: str
    summary: NotRequired[str]
    inputs: list[str]
    schema: dict[str, Any]


class JobTypeListMethodsItem(TypedDict):
    name: str
    summary: str
    stage: Literal['graph', 'weights']


class JobTypeList(TypedDict):
    engine: str
    types: list[JobTypeListTypesItem]
    metrics: NotRequired[list[Any]]
    methods: NotRequired[list[JobTypeListMethodsItem]]


class GridSpec(TypedDict):
    job: dict[str, Any]
    over: dict[str, list[Any]]


class GridJobsItem(TypedDict):
    job: str
    at: dict[str, Any]
    state: JobState
    progress: Progress | None
    error: Fault | None


class Grid(TypedDict):
    id: str
    spec: GridSpec
    created: Time
    submitter: Submitter
    jobs: list[GridJobsItem]


class GridListGridsItem(TypedDict):
    id: str
    spec: GridSpec
    created: Time
    submitter: Submitter
    states: dict[str, int]


class GridList(TypedDict):
    grids: list[GridListGridsItem]
    total: int
    next: str | None


class TargetListTargetsItem(TypedDict):
    name: str
    kind: Literal['local', 'slurm', 'ssh']
    slots: int
    running: int
    queued: int
    problem: str | None


class TargetList(TypedDict):
    targets: list[TargetListTargetsItem]


class ResultRow(TypedDict):
    id: int
    job: str
    type: str
    model: Ref | None
    data: Ref | None
    scope: Scope
    scheme: str | None
    tensor: str | None
    step: NotRequired[int | None]
    name: str
    value: Number
    unit: str | None
    time: Time


class ResultList(TypedDict):
    results: list[ResultRow]
    total: int
    more: bool
    next: int | None


class ComparisonRowsItemCellsItem(TypedDict):
    scheme: str
    metric: Number
    delta: Number
    delta_low: NotRequired[Number]
    delta_high: NotRequired[Number]
    best: NotRequired[bool | None]
    weights: NotRequired[SchemePart | None]
    activations: NotRequired[SchemePart | None]
    methods: NotRequired[list[str]]
    output_sqnr_db: Number
    output_sqnr_low_db: NotRequired[Number]
    output_sqnr_high_db: NotRequired[Number]
    size_bytes: NotRequired[int | None]
    gates: NotRequired[Number]
    latency_p50_ns: NotRequired[Number]
    latency_execution: NotRequired[str | None]
    latency_short: NotRequired[bool | None]


class ComparisonRowsItem(TypedDict):
    job: str
    model: Ref | None
    data: Ref | None
    metric_name: str
    float: Number
    float_latency_p50_ns: NotRequired[Number]
    float_size_bytes: NotRequired[int | None]
    float_gates: NotRequired[Number]
    samples: NotRequired[int | None]
    calibration_samples: NotRequired[int | None]
    calibration_spread: NotRequired[bool | None]
    held_out: NotRequired[bool | None]
    engine: NotRequired[str]
    target: NotRequired[str]
    cpu: NotRequired[str | None]
    isa: NotRequired[str | None]
    latency_threads: NotRequired[int | None]
    cells: list[ComparisonRowsItemCellsItem]


class Comparison(TypedDict):
    schemes: list[str]
    rows: list[ComparisonRowsItem]


class FormatCodesItem(TypedDict):
    code: int
    value: float | str


class Format(TypedDict):
    name: str
    aliases: NotRequired[list[str]]
    kind: NotRequired[str]
    bits: NotRequired[int | float]
    min: NotRequired[Number]
    max: NotRequired[Number]
    smallest: NotRequired[Number]
    signed: NotRequired[bool]
    real_scale: NotRequired[bool]
    other_widths: NotRequired[bool]
    exponent_bits: NotRequired[int]
    mantissa_bits: NotRequired[int]
    bias: NotRequired[int]
    specials: NotRequired[Literal['none', 'fn', 'fnuz', 'ieee']]
    block: NotRequired[int]
    block_scale: NotRequired[str]
    values: NotRequired[list[float]]
    codes: NotRequired[list[FormatCodesItem]]


class FormatList(TypedDict):
    formats: list[Format]


class SystemMachine(TypedDict):
    cpu: str
    isa: NotRequired[str | None]
    cores: int
    memory_bytes: int
    memory_available_bytes: NotRequired[int]
    hostname: NotRequired[str]
    kernel: NotRequired[str]


class SystemStorage(TypedDict):
    free_bytes: NotRequired[int]
    used_bytes: NotRequired[int]


class SystemConditionsItem(TypedDict):
    code: str
    detail: str


class SystemQueue(TypedDict):
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    slots: int


class SystemLimits(TypedDict):
    upload_bytes: NotRequired[int]
    job_memory_bytes: NotRequired[int | None]
    job_wall_seconds: NotRequired[int | None]
    job_cpu_seconds: NotRequired[int | None]
    job_threads: NotRequired[int]


class System(TypedDict):
    version: str
    engine: str | None
    uptime_seconds: float
    started: NotRequired[Time]
    machine: SystemMachine
    versions: NotRequired[dict[str, str]]
    storage: NotRequired[SystemStorage]
    conditions: NotRequired[list[SystemConditionsItem]]
    queue: SystemQueue
    limits: SystemLimits


class Health(TypedDict):
    status: Literal['ok']
