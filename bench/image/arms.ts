import type { SampleOptions } from 'nextx/systems'
import type { DataName, TokenizerName } from './setup.ts'

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
  readonly sampling?: SampleOptions
}

/** Held the same for all arms unless an arm says otherwise: updates, pictures of each, highest rate. */
export const recipe = { steps: 4000, batch: 32, learningRate: 2e-3 }

/** All arms by name. */
export const arms: Readonly<Record<string, ImageArm>> = {
  raster: { system: 'elm', tokenizer: 'vq', sampling: { guidance: 1.5 } },
  nar: { system: 'nar', tokenizer: 'vq', sampling: { guidance: 1.5 } },
}
