import { DataError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { score as scoreTokens } from '../decode/index.ts'
import { type LikelihoodMetrics, likelihoodMetrics } from '../metrics/index.ts'
import type { TextModel } from './text-model.ts'

/** How likely a text is under a model; natural logarithms. */
export interface TextScore extends LikelihoodMetrics {
  /** Σ log p(token | what came before), over the scored tokens. */
  readonly logProb: number
  /** Scored tokens: all, or all but the first when the tokenizer has no start token to predict that one from. */
  readonly tokens: number
  /** UTF-8 bytes of the scored tokens' text. */
  readonly bytes: number
}

export interface ScoreTextOptions {
  readonly signal?: AbortSignal
  /** Called with the number of scored tokens. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Scores a text of any length. Texts longer than the context are read in windows that overlap by half a context, so that every token
 * but the first few has at least that much before it. Throws DataError when nothing can be scored.
 */
export async function scoreText(model: TextModel, text: string, options: ScoreTextOptions = {}): Promise<TextScore> {
  refuseUnknown(options, ['signal', 'onProgress'], 'scoreText')
  const { signal, onProgress } = options
  const { tokenizer, stepper } = model
  const start = tokenizer.startToken === undefined ? [] : [tokenizer.startToken]
  const tokens = [...start, ...tokenizer.encode(text)]
  if (tokens.length < 2)
    throw new DataError('the text has nothing to score', { expected: 'at least two tokens, or one after a start token' })
  let logProb = 0
  for (const window of overlappingWindows(tokens.length, stepper.contextLength)) {
    const promptLength = window.first - window.start
    const { total } = await scoreTokens(stepper, tokens.slice(window.start, window.end), {
      promptLength,
      ...(signal && { signal }),
    })
    logProb += total
    onProgress?.(window.end - 1, tokens.length - 1)
  }
  const unscored = start.length === 0 ? byteLength(tokenizer.decode(tokens.slice(0, 1))) : 0
  const counts = { logProb, tokens: tokens.length - 1, bytes: byteLength(text) - unscored }
  return { ...counts, ...likelihoodMetrics(counts) }
}

interface Window {
  readonly start: number
  /** The first scored token. */
  readonly first: number
  readonly end: number
}

/** Windows over `length` tokens in which every token but the first is scored once. A window may hold one token more than the context. */
export function overlappingWindows(length: number, context: number): Window[] {
  const windows: Window[] = []
  const stride = Math.max(1, Math.floor(context / 2))
  for (let first = 1; first < length; ) {
    const start = first === 1 ? 0 : first - 1 - (context - stride)
    const end = Math.min(length, start + context + 1)
    windows.push({ start, first, end })
    first = end
  }
  return windows
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}
