import type { HostTensor } from '../../base/dtype.ts'
import { DataError, OptionError } from '../../base/errors.ts'
import { createRng, type Rng } from '../../base/rng.ts'
import { firstRow, shuffledItems } from '../../data/batches.ts'
import { calendarFeatureNames, frameWithoutLast, type SeriesFrame } from '../../data/index.ts'
import { checkFit, disposeModule, freeze, initialize, namedVariables, readVariables, writeVariables } from '../../nn/index.ts'
import { openDevice } from '../../platform/index.ts'
import { float32, type Inputs } from '../../tensor/index.ts'
import { adamw, constant, cosine, type FitEvent, fit, type Schedule, type TrainingTask } from '../../train/index.ts'
import type { FitRequest, FittedForecaster } from '../forecaster-system.ts'
import { fittedNetwork, readWeights } from './fitted-network.ts'
import { type NeuralDefinition, type NeuralSystemOptions, seesTogether, windowOf } from './neural-definition.ts'
import { headOf, type NeuralOptions } from './neural-options.ts'
import { type Samples, samplesOf } from './samples.ts'
import { scalingOf } from './scaling.ts'
import type { SeriesNetwork, SeriesSizes } from './series-network.ts'
import { windowSources } from './sources.ts'
import { traceLoss, windowInputs } from './window-program.ts'
import { checkReach, sizesOf } from './window-sizes.ts'

/** Most windows that judge when to stop. */
const mostValidationWindows = 4096

/** Learns a network from all windows of a frame but those of the values held out, and keeps the weights that were best on these. */
export async function fitNetwork<Own>(
  definition: NeuralDefinition<NeuralSystemOptions<Own>>,
  options: NeuralSystemOptions<Own>,
  frame: SeriesFrame,
  request: FitRequest,
): Promise<FittedForecaster> {
  const { inputSize, block } = windowOf(definition, options, request)
  const ids = frame.series.map(({ id }) => id)
  const heldOut = heldOutOf(frame, options, inputSize + block, block)
  const scaler = options.scaler ?? (options.distribution === 'negative-binomial' ? 'none' : 'standard')
  const scaling = scalingOf(frameWithoutLast(frame, heldOut), scaler)
  const together = seesTogether(definition, options)
  const { calendar } = definition.uses
  const sources = windowSources(frame, { together, calendar, scaling, scaler, ahead: 0, room: 0 })
  const head = headOf(options)
  for (const { values } of frame.series) head.checkValues?.(values)
  const features = calendar ? calendarFeatureNames(frame.frequency).length : 0
  const sizes = sizesOf(definition, options, request, { scaling, ids, calendar: features })
  definition.check?.(options, sizes)
  checkReach(definition, sizes, request.horizon)
  const network = definition.network(options, sizes)
  const rng = createRng(request.seed)
  await initialize(network, rng.fold('weights'))
  await started(network, options, request)
  const training = samplesOf(sources, sizes, { to: heldOut })
  const validation = heldOut === 0 ? undefined : samplesOf(sources, sizes, { from: heldOut, to: 0 })
  const device = request.device ?? (await openDevice())
  const own = request.device === undefined
  try {
    const run = trainingRun({ network, options, sizes, training, validation, rng })
    const tensors = await trained(run, device, request).finally(() => disposeModule(network))
    const learnt = { sizes, scaling, scaler, ids, heldOut, weights: tensors }
    return fittedNetwork({ definition, options, request, ...learnt }, { device, own })
  } catch (error) {
    if (own) await device[Symbol.asyncDispose]()
    throw error
  }
}

/** Puts what was learnt before in the place of random weights, and keeps what is not to be learnt. Throws MismatchError when it does not fit. */
async function started(network: SeriesNetwork, { learns }: NeuralOptions, { start }: FitRequest): Promise<void> {
  if (start === undefined) {
    if (learns === 'all') return
    throw new OptionError("learns: 'head' without anything learnt before", { fix: 'give a fitted forecaster as start' })
  }
  const weights = readWeights((start as { readonly weights: Parameters<typeof readWeights>[0] }).weights)
  const variables = namedVariables(network)
  checkFit(variables, weights, 'what it starts from')
  await writeVariables(variables, weights)
  if (learns === 'all') return
  if (network.isHead === undefined) throw new OptionError("learns: 'head' of a network without one", { expected: "'all'" })
  freeze(network, (name) => !network.isHead!(name))
}

/** Last values that judge when to stop. */
function heldOutOf({ series }: SeriesFrame, { validationSize }: NeuralOptions, window: number, block: number): number {
  const shortest = Math.min(...series.map(({ values }) => values.length))
  const usual = Math.max(block, Math.floor(shortest / 5))
  if (validationSize === undefined) return shortest - usual >= window + 31 ? usual : 0
  if (validationSize > 0 && validationSize < block)
    throw new OptionError(`validationSize is ${validationSize}`, {
      expected: `0, or at least the ${block} steps that are said at once`,
    })
  if (shortest - validationSize < window)
    throw new DataError(`the shortest series has ${shortest} values, of which ${validationSize} are held out`, {
      expected: `${window} to learn from`,
      fix: 'a smaller validationSize',
    })
  return validationSize
}

interface RunParts {
  readonly network: SeriesNetwork
  readonly options: NeuralOptions
  readonly sizes: SeriesSizes
  readonly training: Samples
  readonly validation: Samples | undefined
  readonly rng: Rng
}

interface Run {
  readonly task: TrainingTask
  readonly steps: number
  readonly validateEvery: number | undefined
  readonly learningRate: Schedule
  readonly options: NeuralOptions
}

/** What is done in each step, and how often it is looked at what was held out. */
function trainingRun({ network, options, sizes, training, validation, rng }: RunParts): Run {
  const batch = Math.min(options.batch, training.count)
  const epoch = Math.ceil(training.count / batch)
  const steps = Math.min(options.maxSteps, Math.max(options.epochs * epoch, options.minSteps))
  const round = Math.ceil(steps / options.epochs)
  const rows = sizes.inputSize + sizes.horizon
  const inputs: Inputs = { ...windowInputs(sizes, batch, rows), progress: float32(1) }
  const itemAt = shuffledItems(rng.fold('order'), training.count)
  const head = headOf(options)
  const feed = (samples: Samples, indices: readonly number[], progress: number) => {
    const all = { ...samples.rows(indices), progress: Float32Array.of(progress) }
    return Object.fromEntries(Object.keys(inputs).map((name) => [name, all[name as keyof typeof all]]))
  }
  const task: TrainingTask = {
    module: network,
    inputs,
    loss: (traced) => ({ total: traceLoss(network, head, sizes, options, traced) }),
    batchAt: (step) =>
      feed(
        training,
        Array.from({ length: batch }, (_, i) => itemAt(firstRow(step, batch) + i)),
        step / steps,
      ),
    ...(validation && { validation: validationBatches(validation, batch, (indices) => feed(validation, indices, 1)) }),
  }
  const validateEvery = validation === undefined ? undefined : round
  return { task, steps, validateEvery, learningRate: scheduleOf(options, steps, round), options }
}

/** Windows evenly from the first to the last one, in full batches. */
function validationBatches(
  { count }: Samples,
  batch: number,
  feed: (indices: readonly number[]) => ReturnType<TrainingTask['batchAt']>,
): NonNullable<TrainingTask['validation']> {
  const batches = Math.max(1, Math.floor(Math.min(count, mostValidationWindows) / batch))
  const windowAt = (row: number) => Math.round((row * (count - 1)) / Math.max(1, batches * batch - 1))
  return { batches, batchAt: (index) => feed(Array.from({ length: batch }, (_, i) => windowAt(index * batch + i))) }
}

function scheduleOf({ schedule, learningRate }: NeuralOptions, steps: number, round: number): Schedule {
  if (schedule === 'cosine') return cosine({ peak: learningRate, steps })
  return schedule === 'constant' ? constant(learningRate) : (step) => learningRate * 0.5 ** Math.floor(step / round)
}

/** The weights that were best on what was held out, or the last ones. */
async function trained(run: Run, device: NonNullable<FitRequest['device']>, request: FitRequest): Promise<Map<string, HostTensor>> {
  const { task, steps, validateEvery, learningRate, options } = run
  const { signal, onProgress } = request
  const variables = namedVariables(task.module)
  let best: Map<string, HostTensor> | undefined
  let validationLoss: number | undefined
  const onEvent = (event: FitEvent) => {
    if (event.kind === 'validation') validationLoss = event.loss
    if (event.kind === 'step')
      onProgress?.({ step: event.step, steps, loss: event.loss, ...(validationLoss !== undefined && { validationLoss }) })
  }
  await fit(task, {
    device,
    steps,
    learningRate,
    optimizer: adamw({ weightDecay: options.weightDecay }),
    onEvent,
    ...(validateEvery !== undefined && {
      validateEvery,
      earlyStopping: { patience: options.patience },
      onValidation: async ({ best: better }: { readonly best: boolean }) => {
        if (better) best = await readVariables(variables)
      },
    }),
    ...(signal && { signal }),
  })
  signal?.throwIfAborted()
  return best ?? readVariables(variables)
}
