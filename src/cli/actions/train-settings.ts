import { OptionError } from '../../base/errors.ts'
import type { TextTokenizer, TokenizerFile } from '../../base/model.ts'
import { isJsonObject, parseJson } from '../../formats/index.ts'
import { readFileBytes } from '../../platform/files.ts'
import type { TextSystem, TokenizerChoice } from '../../systems/index.ts'
import { loadTokenizer, tokenizerFromHuggingFace } from '../../tokenizers/index.ts'
import {
  adamw,
  constant,
  cosine,
  ema,
  type FitOptions,
  lion,
  muon,
  type OptimizerFactory,
  type Schedule,
  wsd,
} from '../../train/index.ts'
import type { Modality } from '../modality.ts'
import type { TokenizerFlag, TrainFlags } from '../train.ts'

/** The folder of a run's checkpoints: beside the model, as a model's folder holds nothing else. */
export function checkpointFolder({ out }: Pick<TrainFlags, 'out'>): string {
  return `${out.replace(/[\\/]+$/, '')}-checkpoints`
}

/** @throws DataError or FormatError when there is no tokenizer in that file. */
export async function tokenizerChoice(flag: TokenizerFlag): Promise<TokenizerChoice> {
  if (typeof flag === 'string' || 'bpe' in flag) return flag
  const file = parseJson(await readFileBytes(flag.path), { what: flag.path })
  return isJsonObject(file) && 'kind' in file ? loadTokenizer(file as TokenizerFile) : tokenizerFromHuggingFace(file)
}

/** Sequences or pictures per batch, where nothing is said. */
const usualBatch: Readonly<Record<Modality, number>> = { text: 16, pictures: 32 }

export function batchOf({ batch }: TrainFlags, modality: Modality): number {
  return batch ?? usualBatch[modality]
}

/** @throws OptionError on an unknown preset. */
export function checkPreset(
  { id, presets }: { readonly id: string; readonly presets: Readonly<Record<string, unknown>> },
  preset: string,
): void {
  if (Object.hasOwn(presets, preset)) return
  throw new OptionError(`the system ${id} has no preset '${preset}'`, { expected: `one of ${Object.keys(presets).join(', ')}` })
}

/** A preset's sizes, with the tokenizer's vocabulary. */
export function modelOptions({ presets }: TextSystem, { vocabularySize }: TextTokenizer, { preset, context }: TrainFlags): unknown {
  return { ...(presets[preset] as object), vocabularySize, ...(context !== undefined && { context }) }
}

/** The rate that suits a model of one width; others take it in inverse proportion to theirs. */
export interface UsualRate {
  readonly rate: number
  readonly width: number
}

export const usualRates: Readonly<Record<Modality, UsualRate>> = {
  text: { rate: 0.003, width: 128 },
  pictures: { rate: 0.002, width: 96 },
}

/** What `fit` takes of the flags, for a model of that width. */
export function fitOptions(flags: TrainFlags, width: number, usual: UsualRate = usualRates.text): Omit<FitOptions, 'device'> {
  const { steps, clip, accumulate, ema: decay, resume, log } = flags
  const validateEvery = flags.validateEvery ?? Math.max(1, Math.round(steps / 10))
  return {
    steps,
    learningRate: scheduleOf(flags, flags.learningRate ?? usualRate(flags.optimizer, width, usual)),
    optimizer: optimizerOf(flags),
    clip,
    accumulate,
    ...(decay !== undefined && { average: ema({ decay }) }),
    validateEvery,
    folder: checkpointFolder(flags),
    checkpointEvery: flags.checkpointEvery ?? validateEvery,
    // Killed before the first checkpoint, a run starts anew and equals one that never stopped.
    resume: resume === true ? 'auto' : 'never',
    ...(log !== undefined && { log }),
  }
}

/** Wider models take smaller steps; the sign of a momentum is a longer step than AdamW's. */
function usualRate(optimizer: TrainFlags['optimizer'], width: number, usual: UsualRate): number {
  return (usual.rate * usual.width) / width / (optimizer === 'lion' ? 5 : 1)
}

function scheduleOf({ schedule, steps, warmup = Math.min(100, Math.floor(steps / 20)) }: TrainFlags, peak: number): Schedule {
  if (schedule === 'cosine') return cosine({ peak, warmup, steps })
  if (schedule === 'wsd') return wsd({ peak, warmup, steps })
  const rate = constant(peak)
  return (step) => (step < warmup ? (peak * (step + 1)) / (warmup + 1) : rate(step))
}

function optimizerOf({ optimizer, weightDecay }: TrainFlags): OptimizerFactory {
  if (optimizer === 'lion') return lion({ weightDecay })
  const settings = { betas: [0.9, 0.99], weightDecay } as const
  return optimizer === 'muon' ? muon({ weightDecay, rest: settings }) : adamw(settings)
}
