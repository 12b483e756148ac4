import type { EttArm } from './ett.ts'

export const horizons = [96, 192, 336, 720] as const

type Pair = readonly [mse: number, mae: number]

export interface Arm extends EttArm {
  /** What its authors, or later tables, say of ETTh1 at these horizons; undefined where the paper could not be read. */
  readonly published?: readonly Pair[]
  /** How far above the published error the card lets it be at 96. */
  readonly tolerance?: number
  /** How far above ridge's error, with the same columns and a like input. */
  readonly linearTolerance?: number
}

const direct = { columns: 'all', once: false, stops: true } as const
const baseline = { columns: 'all', once: false, stops: false, options: {} } as const

/** Their best round is one of the first. */
const short = { maxSteps: 300, epochs: 5 } as const

/** What is fitted to ETTh1, all with the input size of their cards. */
export const arms: Readonly<Record<string, Arm>> = {
  'last-value': { ...baseline, model: 'last-value', once: true },
  'seasonal-naive': { ...baseline, model: 'seasonal-naive', once: true },
  'ridge-96': { ...baseline, model: 'ridge', options: { lags: 96 } },
  'ridge-336': { ...baseline, model: 'ridge', options: { lags: 336 } },
  'ridge-336-OT': { ...baseline, columns: 'OT', model: 'ridge', options: { lags: 336 } },
  itransformer: {
    ...direct,
    model: 'itransformer',
    options: { inputSize: 96 },
    published: [
      [0.386, 0.405],
      [0.441, 0.436],
      [0.487, 0.458],
      [0.503, 0.491],
    ],
    tolerance: 0.05,
  },
  smamba: {
    ...direct,
    model: 'smamba',
    options: { inputSize: 96 },
    published: [
      [0.386, 0.405],
      [0.443, 0.437],
      [0.489, 0.468],
      [0.502, 0.489],
    ],
    tolerance: 0.05,
  },
  gateformer: { ...direct, model: 'gateformer', options: { inputSize: 96 }, linearTolerance: 0.08 },
  autoformer: {
    ...direct,
    model: 'autoformer',
    options: { inputSize: 96, labelSize: 48, ...short },
    published: [
      [0.449, 0.459],
      [0.5, 0.482],
      [0.521, 0.496],
      [0.514, 0.512],
    ],
    tolerance: 0.1,
  },
  informer: {
    ...direct,
    model: 'informer',
    options: { inputSize: 96, labelSize: 48, ...short },
    published: [
      [0.865, 0.713],
      [1.008, 0.792],
      [1.107, 0.809],
      [1.181, 0.865],
    ],
    tolerance: 0.15,
  },
  gpht: {
    ...direct,
    once: true,
    model: 'gpht',
    options: { maxSteps: 1000, epochs: 5 },
    linearTolerance: 0.08,
    published: [
      [0.363, 0.382],
      [0.405, 0.408],
      [0.43, 0.423],
      [0.414, 0.435],
    ],
  },
  arnet: { ...direct, columns: 'OT', model: 'arnet', options: { inputSize: 336, learningRate: 2e-4 }, linearTolerance: 0.05 },
  spacetime: {
    ...direct,
    columns: 'OT',
    model: 'spacetime',
    options: { inputSize: 336, width: 32, state: 32, maxSteps: 1000, epochs: 5 },
    tolerance: 0.08,
    published: [
      [0.054, 0.181],
      [0.066, 0.207],
      [0.069, 0.212],
      [0.076, 0.222],
    ],
  },
}
