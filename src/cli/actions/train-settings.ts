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

/** @throws OptionError on an unknown preset. */
export function checkPreset({ id, presets }: TextSystem, preset: string): void {
  if (Object.hasOwn(presets, preset)) return
  throw new OptionError(`the system ${id} has no preset '${preset}'`, { expected: `one of ${Object.keys(presets).join(', ')}` })
}

/** A preset's sizes, with the tokenizer's vocabulary. */
export function modelOptions({ presets }: TextSystem, { vocabularySize }: TextTokenizer, { preset, context }: TrainFlags): unknown {
  return { ...(presets[preset] as object), vocabularySize, ...(context !== undefined && { context }) }
}

/** What `fit` takes of the flags, for a model of that width. */
export function fitOptions(flags: TrainFlags, width: number): Omit<FitOptions, 'device'> {
  const { steps, clip, accumulate, ema: decay, resume, log } = flags
  const validateEvery = flags.validateEvery ?? Math.max(1, Math.round(steps / 10))
  return {
    steps,
    learningRate: scheduleOf(flags, flags.learningRate ?? usualRate(flags.optimizer, width)),
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
function usualRate(optimizer: TrainFlags['optimizer'], width: number): number {
  return (0.003 * 128) / width / (optimizer === 'lion' ? 5 : 1)
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
