import * as v from 'valibot'
import { ContextError, DataError, OptionError, RuntimeError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { checkedTokens, checkSignal, checkStepper } from '../decode/checks.ts'
import type { Extension, Outputs, Stepper, StepperState } from '../decode/stepper.ts'
import { packPrompts } from './pack-prompts.ts'

export interface EmbedOptions {
  /** `mean` of all tokens' hidden states, or that of the `last` token. Default `mean`. */
  readonly pooling?: 'mean' | 'last' | undefined
  /** Of what comes out of this layer, counted from 0, which the stepper must tap. Default: what the head reads. */
  readonly layer?: number | undefined
  /** Scale to length 1; a vector of zeros stays. Default true. */
  readonly normalize?: boolean | undefined
  /**
   * `padded`: sequences side by side in the order given, all as long as the longest; `bucketed`: the same, sorted by length; `packed`:
   * several in one row, as chains of a tree, with next to no padding (ByteTransformer, arXiv:2210.03052). Same vectors. Default `bucketed`.
   */
  readonly batching?: 'padded' | 'bucketed' | 'packed' | undefined
  /** Most slots of one call, padding included; a single sequence may have more. Default 4096. */
  readonly positionsPerCall?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const schema = v.strictObject({
  pooling: v.optional(v.picklist(['mean', 'last'])),
  layer: v.optional(wholeNumber(0)),
  normalize: v.optional(v.boolean()),
  batching: v.optional(v.picklist(['padded', 'bucketed', 'packed'])),
  positionsPerCall: v.optional(wholeNumber(1)),
  signal: v.optional(v.unknown()),
})

/**
 * One vector `[width]` per sequence, of the model's last hidden states, whatever the batching. Everything is checked before any work:
 * rejects with OptionError on bad options, DataError on a sequence that is empty or holds no ids of the vocabulary, ContextError on one
 * that is longer than the context; with RuntimeError when the stepper gives no hidden states, and the signal's reason after an abort.
 * @example
 * const [question, answer] = await embed(stepper, [prompt, tokens], { pooling: 'last' })
 */
export async function embed<State extends StepperState>(
  stepper: Stepper<State>,
  sequences: readonly ArrayLike<number>[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  checkStepper(stepper)
  checkList('sequences', sequences)
  checkOptions(schema, options, 'embed')
  const { pooling = 'mean', normalize = true, batching = 'bucketed', signal } = options
  checkSignal(signal)
  const { layer, positionsPerCall = 4096 } = options
  const checked = sequences.map((sequence, i) => checkedSequence(stepper, sequence, i))
  const vectors = new Array<Float32Array>(checked.length)
  const states: State[] = []
  try {
    for (const rows of inCalls(rowsOf(checked, batching), positionsPerCall)) {
      signal?.throwIfAborted()
      while (states.length < rows.length) states.push(await stepper.open())
      const batch = rows.map((row, i) => extensionOf(states[i]!, row, checked))
      // The last slot of a packed row is that of its last sequence only.
      const slots = pooling === 'last' && batching !== 'packed' ? 'last' : 'all'
      const hidden = { slots, ...(layer !== undefined && { layer }) } as const
      const outputs = await stepper.extend(batch, { keep: 'scratch', logits: 'none', hidden, ...(signal && { signal }) })
      for (const [i, row] of rows.entries())
        for (const { index, vector } of pooled(outputs[i]!, row, checked, pooling, slots))
          vectors[index] = normalize ? unit(vector) : vector
    }
    signal?.throwIfAborted()
  } finally {
    for (const state of states) await stepper.close(state)
  }
  return vectors
}

/**
 * Embeds texts, each after the tokenizer's start token if there is one. Rejects as `embed` does.
 * @example
 * const vectors = await embedTexts(stepper, tokenizer, ['a cat', 'a dog'])
 */
export async function embedTexts<State extends StepperState>(
  stepper: Stepper<State>,
  tokenizer: TextTokenizer,
  texts: readonly string[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  const start = tokenizer.startToken === undefined ? [] : [tokenizer.startToken]
  checkList('texts', texts)
  const sequences = texts.map((text) => [...start, ...tokenizer.encode(text)])
  return embed(stepper, sequences, options)
}

function checkList(what: string, list: readonly unknown[]): void {
  if (!Array.isArray(list)) throw new OptionError(`embed: the ${what} are no list`, { expected: 'an array' })
}

function checkedSequence({ vocabularySize, contextLength }: Stepper, sequence: ArrayLike<number>, index: number): number[] {
  const tokens = checkedTokens(`sequence ${index}`, sequence, vocabularySize)
  if (tokens.length === 0) throw new DataError(`sequence ${index} is empty`, { expected: 'at least one token' })
  if (tokens.length > contextLength)
    throw new ContextError(`sequence ${index} has ${tokens.length} tokens`, { expected: `at most the context's ${contextLength}` })
  return tokens
}

/** Indices of the sequences of each row. */
function rowsOf(sequences: readonly number[][], batching: NonNullable<EmbedOptions['batching']>): Row[] {
  const lengths = sequences.map(({ length }) => length)
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0)
  if (batching === 'packed') {
    return packPrompts(lengths, longest).map((segments) => ({
      indices: segments.map(({ index }) => index),
      length: segments.at(-1)!.start + segments.at(-1)!.length,
    }))
  }
  const rows = lengths.map((length, index) => ({ indices: [index], length }))
  return batching === 'padded' ? rows : rows.sort((a, b) => a.length - b.length)
}

interface Row {
  readonly indices: readonly number[]
  readonly length: number
}

/** As many rows a call as fit when padded to the longest, at least one. */
function inCalls(rows: readonly Row[], positionsPerCall: number): Row[][] {
  const calls: Row[][] = []
  let longest = 0
  for (const row of rows) {
    const call = calls.at(-1)
    const length = Math.max(longest, row.length)
    if (call !== undefined && (call.length + 1) * length <= positionsPerCall) {
      call.push(row)
      longest = length
    } else {
      calls.push([row])
      longest = row.length
    }
  }
  return calls
}

/** Chains side by side: none sees another, and each counts its positions from 0. */
function extensionOf<State extends StepperState>(state: State, { indices }: Row, sequences: readonly number[][]): Extension<State> {
  if (indices.length === 1) return { state, tokens: sequences[indices[0]!]! }
  const tokens = indices.flatMap((index) => sequences[index]!)
  const parents = tokens.map((_, slot) => slot - 1)
  let start = 0
  for (const index of indices) {
    parents[start] = -1
    start += sequences[index]!.length
  }
  return { state, tokens, parents }
}

/** The vector of each sequence of a row, of the hidden states `[wanted slots, width]`. */
function* pooled({ hidden }: Outputs, row: Row, sequences: readonly number[][], pooling: 'mean' | 'last', wanted: 'all' | 'last') {
  if (hidden === undefined) throw new RuntimeError('the stepper gives no hidden states')
  const width = wanted === 'last' ? hidden.length : hidden.length / row.length
  let end = 0
  for (const index of row.indices) {
    const start = end
    end += wanted === 'last' ? 1 : sequences[index]!.length
    yield { index, vector: meanOf(hidden.subarray((pooling === 'last' ? end - 1 : start) * width, end * width), width) }
  }
}

/** Mean of the rows `[slots, width]`. */
function meanOf(values: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width)
  for (let i = 0; i < values.length; i++) sums[i % width]! += values[i]!
  return Float32Array.from(sums, (sum) => (sum * width) / values.length)
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
  return length === 0 ? vector : vector.map((x) => x / length)
}
