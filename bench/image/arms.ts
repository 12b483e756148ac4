import { type DisaOptions, disa, type GuidanceRamp, guidanceScale } from 'nextx/decode'
import type { SampleOptions } from 'nextx/systems'
import type { DataName, TokenizerName } from './setup.ts'

/** Options of sampling as JSON, so that what they led to can be kept: a ramp of guidance by name, annealed steps by their bounds. */
export interface Sampling extends Omit<SampleOptions, 'guidance' | 'innerSteps' | 'choiceTemperature'> {
  readonly guidance?: number | readonly [ramp: GuidanceRamp, scale: number]
  readonly innerSteps?: number | DisaOptions
}

export function sampleOptions({ guidance, innerSteps, ...others }: Sampling): SampleOptions {
  return {
    ...others,
    ...(guidance !== undefined && { guidance: typeof guidance === 'number' ? guidance : guidanceScale(...guidance) }),
    ...(innerSteps !== undefined && { innerSteps: typeof innerSteps === 'number' ? innerSteps : disa(innerSteps) }),
  }
}

/** One way to model pictures, trained and judged like all others. */
export interface ImageArm {
  readonly system: string
  readonly tokenizer: TokenizerName
  readonly data?: DataName
  readonly options?: Readonly<Record<string, unknown>>
  readonly steps?: number
  readonly batch?: number
  readonly learningRate?: number
  /** How samples are drawn. */
  readonly sampling?: Sampling
}

/** Held the same for all arms unless an arm says otherwise: updates, pictures of each, highest rate. */
export const recipe = { steps: 1000, batch: 32, learningRate: 2e-3 }

/** Sizes of the networks that are compared: about as many parameters each. */
const sizes = { width: 96, layers: 4, heads: 4 }

/** All arms by name. Ramps of guidance as `search.ts` found them best for raster order and for VAR, whose ramp the others of scales share. */
export const arms: Readonly<Record<string, ImageArm>> = {
  raster: { system: 'elm', tokenizer: 'vq', options: sizes, sampling: { guidance: 1.5 } },
  'raster-bae': { system: 'elm', tokenizer: 'bae', options: sizes, sampling: { guidance: 1.5 } },
  nar: { system: 'nar', tokenizer: 'vq', options: sizes, sampling: { guidance: 1.5 } },
  maskgit: { system: 'maskgit', tokenizer: 'vq', options: sizes, sampling: { guidance: 1.5, steps: 8 } },
  'maskgit-unrated': {
    system: 'maskgit',
    tokenizer: 'vq',
    options: { ...sizes, rateCondition: false },
    sampling: { guidance: 1.5, steps: 8 },
  },
  // Whether more training brings the two closer together.
  'raster-long': { system: 'elm', tokenizer: 'vq', steps: 3000, options: sizes, sampling: { guidance: 1.5 } },
  'var-long': { system: 'var', tokenizer: 'residual', steps: 3000, options: sizes, sampling: { guidance: ['linear', 3] } },
  var: { system: 'var', tokenizer: 'residual', options: sizes, sampling: { guidance: ['linear', 3] } },
  'var-digits': { system: 'var', tokenizer: 'residual', data: 'digits', options: sizes, sampling: { guidance: ['linear', 3] } },
  flexvar: { system: 'flexvar', tokenizer: 'latest', options: sizes, sampling: { guidance: ['linear', 3] } },
  nfig: { system: 'nfig', tokenizer: 'band', options: sizes, sampling: { guidance: ['linear', 3] } },
  xar: {
    system: 'xar',
    tokenizer: 'vae',
    options: { ...sizes, unit: 'cell', groups: [7, 1] },
    sampling: { innerSteps: 20, guidance: 1.5 },
  },
  'xar-clean': {
    system: 'xar',
    tokenizer: 'vae',
    options: { ...sizes, unit: 'cell', groups: [7, 1], context: 'clean' },
    sampling: { innerSteps: 20, guidance: 1.5 },
  },
  'xar-image': {
    system: 'xar',
    tokenizer: 'vae',
    options: { ...sizes, unit: 'image' },
    sampling: { innerSteps: 20, guidance: 1.5 },
  },
  mar: { system: 'mar', tokenizer: 'vae', options: { ...sizes }, sampling: { steps: 12, innerSteps: 25 } },
  flowar: {
    system: 'flowar',
    tokenizer: 'pyramid',
    // 7×7 latents have no doubling scales.
    options: { ...sizes, headWidth: 64, headLayers: 2, free: true },
    sampling: { innerSteps: 20, guidance: 1.5 },
  },
  starflow: { system: 'starflow', tokenizer: 'patches', options: { width: 128, heads: 4, layers: [1, 1, 1, 1, 4] } },
  'starflow-latents': {
    system: 'starflow',
    tokenizer: 'vae',
    options: { width: 96, heads: 4, layers: [1, 1, 1, 3], noise: { gaussian: 0.2 } },
    sampling: { guidance: 2 },
  },
  'starflow-digits': {
    system: 'starflow',
    tokenizer: 'patches',
    data: 'digits',
    options: { width: 128, heads: 4, layers: [1, 1, 1, 1, 4] },
  },
}
