import process from 'node:process'
import { DataError } from '../../base/errors.ts'
import { generateText } from '../../decode/index.ts'
import type { TextData, TextModel } from '../../systems/index.ts'
import { styled, withoutControls } from '../terminal.ts'
import type { TrainFlags } from '../train.ts'

/** Draws texts from a model in training. */
export interface Sampler {
  readonly prompt: string
  /** A text from the weights of this moment. */
  draw(): Promise<string>
}

const settings = { maxTokens: 120, temperature: 0.8 }

/**
 * A sampler for `--sample-prompt`. Without one, and without a start token, samples begin with the first token of the held-out text.
 * @throws DataError, ContextError now, not in the middle of the run, when the model cannot take the prompt.
 */
export function sampler(model: TextModel, data: TextData, flags: TrainFlags, signal: AbortSignal): Sampler {
  const { tokenizer } = model
  const prompt = flags.samplePrompt ?? (tokenizer.startToken === undefined ? tokenizer.decode([data.validation[0]!]) : '')
  refuseUnfit(model, prompt)
  return { prompt, draw: () => draw(model, prompt, flags.seed, signal) }
}

/** A sample as lines above the bar. */
export function sampleLines(text: string): string[] {
  return withoutControls(text)
    .split('\n')
    .map((line) => styled('dim', `  | ${line}`, process.stderr))
}

function refuseUnfit({ tokenizer, network }: TextModel, prompt: string): void {
  const { context } = network.model
  const tokens = tokenizer.encode(prompt).length
  if (tokens > context - 1)
    throw new DataError(`the sample's prompt has ${tokens} tokens`, { expected: `fewer than the context's ${context}` })
  if (tokens === 0 && tokenizer.startToken === undefined) {
    throw new DataError("the sample's prompt is empty", { expected: 'text, as the tokenizer has no start token' })
  }
}

/** An interrupted sample ends where it is: the run writes its checkpoint next. */
async function draw(model: TextModel, prompt: string, seed: number, signal: AbortSignal): Promise<string> {
  let sample = ''
  try {
    for await (const { text } of generateText(model.stepper, model.tokenizer, prompt, { ...settings, seed, signal })) sample += text
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await model.refresh()
  }
  return sample
}
