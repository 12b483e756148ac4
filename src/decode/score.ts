import { ContextError, DataError } from '../base/errors.ts'
import { checkedTokens, checkInteger, checkKeys, checkSignal, checkStepper } from './checks.ts'
import type { TokenLogProb } from './continuation.ts'
import { logProbReader } from './logits.ts'
import { largestIds } from './selection.ts'
import type { Stepper, StepperState } from './stepper.ts'

export interface ScoreOptions {
  /** How many tokens are given and not scored, at least 1. Default 1: nothing predicts the first token. */
  readonly promptLength?: number | undefined
  /** Most positions fed at once, which bounds the memory for logits. Default: 16 MiB of logits. */
  readonly positionsPerCall?: number | undefined
  /** Also say this many of the likeliest tokens at every place, at least 1. */
  readonly topLogProbs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Score {
  /** Natural log-probability of `tokens[promptLength + i]` given all tokens before it. */
  readonly logProbs: Float64Array
  /** Their sum. */
  readonly total: number
  /** By falling probability, at each scored place; present when asked for. */
  readonly topLogProbs?: readonly (readonly TokenLogProb[])[]
}

const scoreOptionNames: Readonly<Record<keyof ScoreOptions, true>> = {
  promptLength: true,
  positionsPerCall: true,
  topLogProbs: true,
  signal: true,
}

/**
 * Log-probabilities of given tokens under the model's own distribution. The last token is not fed, so one more than the context
 * length can be scored. Everything is checked before any work: rejects with OptionError on bad options, DataError when there are not
 * more tokens than `promptLength` or they are no ids of the vocabulary, ContextError when there are too many; and with the signal's
 * reason after an abort.
 * @example
 * const { total } = await score(stepper, [...prompt, ...answer], { promptLength: prompt.length })
 */
export async function score<State extends StepperState>(
  stepper: Stepper<State>,
  tokens: ArrayLike<number>,
  options: ScoreOptions = {},
): Promise<Score> {
  const { ids, promptLength, positionsPerCall, topLogProbs, signal } = checkedInput(stepper, tokens, options)
  const logProbs = new Float64Array(ids.length - promptLength)
  const likeliest: TokenLogProb[][] = []
  signal?.throwIfAborted()
  const state = await stepper.open()
  try {
    for (const { start, end, wanted } of chunks(promptLength - 1, ids.length - 1, positionsPerCall)) {
      const logits = wanted ? 'all' : 'none'
      const [output] = await stepper.extend([{ state, tokens: ids.slice(start, end) }], {
        keep: 'append',
        logits,
        ...(signal && { signal }),
      })
      signal?.throwIfAborted()
      if (!wanted) continue
      for (let at = start; at < end; at++) {
        const row = output!.logits.subarray((at - start) * stepper.vocabularySize, (at - start + 1) * stepper.vocabularySize)
        const logProbOf = logProbReader(row)
        logProbs[at + 1 - promptLength] = logProbOf(ids[at + 1]!)
        if (topLogProbs !== undefined)
          likeliest.push(Array.from(largestIds(row, topLogProbs), (token) => ({ token, logProb: logProbOf(token) })))
      }
    }
  } finally {
    await stepper.close(state)
  }
  const total = logProbs.reduce((sum, logProb) => sum + logProb, 0)
  return { logProbs, total, ...(topLogProbs !== undefined && { topLogProbs: likeliest }) }
}

/** Positions [0, end) in runs of at most `size`; logits are wanted from position `first` on. */
function* chunks(first: number, end: number, size: number) {
  for (let start = 0; start < first; start += size) yield { start, end: Math.min(start + size, first), wanted: false }
  for (let start = first; start < end; start += size) yield { start, end: Math.min(start + size, end), wanted: true }
}

function checkedInput(stepper: Stepper, tokens: ArrayLike<number>, options: ScoreOptions) {
  checkStepper(stepper)
  const { vocabularySize, contextLength } = stepper
  checkKeys(options, scoreOptionNames)
  const { promptLength = 1, positionsPerCall = Math.max(1, Math.floor(2 ** 22 / vocabularySize)), topLogProbs, signal } = options
  checkInteger('promptLength', promptLength, 1)
  checkInteger('positionsPerCall', positionsPerCall, 1)
  if (topLogProbs !== undefined) checkInteger('topLogProbs', topLogProbs, 1, vocabularySize)
  checkSignal(signal)
  const ids = checkedTokens('the sequence', tokens, vocabularySize)
  if (ids.length <= promptLength) {
    throw new DataError(`${ids.length} tokens leave nothing to score`, { expected: `more than the prompt's ${promptLength}` })
  }
  if (ids.length > contextLength + 1) {
    throw new ContextError(`the sequence has ${ids.length} tokens`, {
      expected: `at most ${contextLength + 1}, one more than the context`,
    })
  }
  return { ids, promptLength, positionsPerCall, topLogProbs, signal }
}
