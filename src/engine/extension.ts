import * as v from 'valibot'
import { ContextError, DisposedError, OptionError } from '../base/errors.ts'
import { checkOptions, shortened, wholeNumber } from '../base/options.ts'
import { treeIntervals } from '../base/visibility.ts'
import type { ExtendOptions, Extension, HiddenRequest, StepperState } from '../decode/stepper.ts'

/** A state as the checks see it. */
export interface ClosableState extends StepperState {
  readonly closed: boolean
}

export function refuseForeign(): never {
  throw new OptionError('the state is of another stepper', { expected: 'a state that this stepper opened' })
}

export function refuseClosed({ closed }: ClosableState): void {
  if (closed) throw new DisposedError('the state was closed', { fix: 'open() another' })
}

/** The states of a batch. Throws OptionError when it is no list of extensions. */
export function statesOf<State extends StepperState>(batch: readonly Extension<State>[]): State[] {
  const listed: unknown = batch
  if (!Array.isArray(listed) || listed.some((each) => typeof each !== 'object' || each === null))
    throw new OptionError('extend of no list of extensions', { expected: '[{ state, tokens }]' })
  return batch.map(({ state }) => state)
}

/** Parents of an extension's slots; a chain when none are given. */
export function parentsOf(count: number, parents?: ArrayLike<number>): number[] {
  return Array.from({ length: count }, (_, i) => parents?.[i] ?? i - 1)
}

/** Ancestors of each slot. */
export function depthsOf(parents: readonly number[]): number[] {
  const depths: number[] = []
  for (const parent of parents) depths.push(parent < 0 ? 0 : depths[parent]! + 1)
  return depths
}

/** The interval columns of a tree: a slot's interval holds its descendants'. */
export function treeColumns(parents: readonly number[]): { readonly enter: Int32Array; readonly exit: Int32Array } {
  return treeIntervals(Int32Array.from(parents))
}

const optionsSchema = v.strictObject({
  keep: v.picklist(['append', 'scratch']),
  logits: v.picklist(['last', 'all', 'none']),
  hidden: v.optional(
    v.union([v.boolean(), v.strictObject({ slots: v.picklist(['last', 'all']), layer: v.optional(wholeNumber(0)) })]),
  ),
  signal: v.optional(v.instance(AbortSignal)),
})

/** Which hidden states a call brings back; undefined for none. */
export function hiddenRequest({ logits, hidden }: Pick<ExtendOptions, 'logits' | 'hidden'>): HiddenRequest | undefined {
  if (typeof hidden === 'object') return hidden
  return hidden === true && logits !== 'none' ? { slots: logits } : undefined
}

/** Throws OptionError when a call asks for a layer that the stepper does not tap. */
export function checkTap(options: ExtendOptions, taps: readonly number[]): void {
  const layer = hiddenRequest(options)?.layer
  if (layer === undefined || taps.includes(layer)) return
  throw new OptionError(`hidden states of layer ${layer}`, {
    expected: taps.length === 0 ? 'those of the last layer' : `a layer that is tapped: ${taps.join(', ')}`,
    fix: 'open the stepper with this layer in `taps`',
  })
}

/** Checks a whole batch before any of it runs. Throws DisposedError, OptionError or ContextError. */
export function checkExtension(
  batch: readonly Extension<ClosableState>[],
  options: ExtendOptions,
  limits: { readonly contextLength: number; readonly vocabularySize: number },
): void {
  checkOptions(optionsSchema, options, 'extend')
  if (batch.length === 0) throw new OptionError('extend of no states', { expected: 'at least one' })
  if (new Set(batch.map(({ state }) => state)).size !== batch.length) {
    throw new OptionError('a state is twice in the batch', { expected: 'different states' })
  }
  for (const { state, tokens, parents } of batch) {
    refuseClosed(state)
    checkCount(tokens)
    // Before lists as long as the extension are made.
    if (parents === undefined) checkRoom(state.length, tokens.length, limits.contextLength)
    const deepest = depthsOf(checkParents(tokens.length, options.keep, parents)).reduce((a, b) => Math.max(a, b))
    checkTokens(tokens, limits.vocabularySize)
    checkRoom(state.length, deepest + 1, limits.contextLength)
  }
}

/** Most slots of a state in one call. */
const mostSlots = 2 ** 22

function checkCount(tokens: ArrayLike<number>): void {
  const count = typeof tokens === 'object' && tokens !== null ? tokens.length : undefined
  if (count === 0) throw new OptionError('extend by no tokens', { expected: 'at least one per state' })
  if (!Number.isSafeInteger(count) || count! < 0)
    throw new OptionError('the tokens are no list', { expected: 'an array of token ids' })
}

function checkRoom(length: number, more: number, contextLength: number): void {
  if (length + more <= contextLength) return
  throw new ContextError(`${length} + ${more} positions`, {
    expected: `at most ${contextLength}`,
    fix: 'shorten the prompt or rewind',
  })
}

function checkTokens(tokens: ArrayLike<number>, vocabularySize: number): void {
  const list = Array.from(tokens)
  const strange = list.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize)
  if (strange >= 0)
    throw new OptionError(`token ${String(list[strange])}`, { expected: `an integer in [0, ${vocabularySize - 1}]` })
}

function checkParents(count: number, keep: ExtendOptions['keep'], parents?: ArrayLike<number>): number[] {
  if (parents === undefined) return parentsOf(count)
  if (keep === 'append')
    throw new OptionError('a tree cannot be appended', { fix: "extend with keep: 'scratch', then commit() one path" })
  const list = parents?.length === count && count <= mostSlots ? Array.from(parents) : []
  const wrong = list.findIndex((parent, i) => !Number.isInteger(parent) || parent < -1 || parent >= i)
  if (list.length !== count || wrong >= 0) {
    throw new OptionError(`parents [${shortened(String(list))}]`, {
      expected: `${Math.min(count, mostSlots)} integers, each −1 or an earlier slot`,
    })
  }
  return list
}

/** Throws OptionError unless `slots` is a path of the scratch tree, from its root on. */
export function checkPath(scratch: readonly number[] | undefined, slots: readonly number[]): void {
  if (scratch === undefined)
    throw new OptionError('there are no scratch slots to commit', { fix: "extend with keep: 'scratch' first" })
  const isPath =
    Array.isArray(slots) && slots.every((slot, i) => Number.isInteger(slot) && scratch[slot] === (i === 0 ? -1 : slots[i - 1]))
  if (!isPath)
    throw new OptionError(`slots [${slots}] are no path of the tree`, { expected: 'each slot the child of the one before' })
}

/** Lengths between `intact` and `floor` cannot be reached: what lay there was changed. */
export function checkRewind(state: StepperState & { readonly floor?: number; readonly intact?: number }, length: number): void {
  const { length: held, floor = 0, intact = 0 } = state
  if (Number.isInteger(length) && length >= 0 && length <= held && (length >= floor || length <= intact)) return
  const reached = floor === 0 ? `[0, ${held}]` : `[0, ${intact}] or [${floor}, ${held}], as positions between were forgotten`
  throw new OptionError(`rewind to ${length}`, { expected: `an integer in ${reached}` })
}

export function checkForgotten({ length }: StepperState, range: { readonly start: number; readonly count: number }): void {
  const { start, count } = Object(range) as Partial<typeof range> as typeof range
  const whole = Number.isInteger(start) && Number.isInteger(count)
  if (whole && start >= 0 && count >= 1 && start + count <= length) return
  throw new OptionError(`forget ${count} positions from ${start}`, {
    expected: `a range within the ${length} positions of the state`,
  })
}

/** Most copies of one call. */
const mostCopies = 65_536

export function checkFork(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= mostCopies) return
  throw new OptionError(`fork into ${count}`, { expected: `an integer from 1 to ${mostCopies}` })
}
