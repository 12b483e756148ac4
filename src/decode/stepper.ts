/**
 * A running backbone and head with state. Everything in decode/ is a policy over these calls; engine/ implements them.
 * Rows of different lengths live side by side; what one row computes never depends on its company.
 */
export interface Stepper<State extends StepperState = StepperState> {
  readonly vocabularySize: number
  /** Most positions a state may hold. */
  readonly contextLength: number
  /** Whether `rewind` reaches every length. Where it does not, a state that may be needed again is kept as a fork. */
  readonly canRewind: boolean
  /** A new, empty state. */
  open(): Promise<State>
  /**
   * Feeds slots to each state of the batch, in one call where possible. `append` makes them part of the state; `scratch` slots are
   * seen by this call only, until `commit` keeps some of them (any other call that changes the state drops them).
   * Throws ContextError before anything changes when a state would outgrow the context.
   */
  extend(batch: readonly Extension<State>[], options: ExtendOptions): Promise<Outputs[]>
  /** Keeps the scratch slots of these indices, in this order, each the child of the one before; drops the others. */
  commit(state: State, slots: readonly number[]): Promise<void>
  /**
   * Forgets everything after `length` positions. A stepper that cannot rewind takes the present length and 0; throws OptionError on a
   * length that it cannot reach.
   */
  rewind(state: State, length: number): Promise<void>
  /** `count` independent copies of the state. */
  fork(state: State, count: number): Promise<State[]>
  /** Frees the state's memory. Closing twice is allowed; any other use after close throws DisposedError. */
  close(state: State): Promise<void>
  /** Bytes that closing the state would free; absent where that is not known. */
  bytesOf?(state: State): number
}

export interface StepperState {
  /** Committed positions. */
  readonly length: number
}

export interface Extension<State extends StepperState = StepperState> {
  readonly state: State
  readonly tokens: ArrayLike<number>
  /**
   * Tree extension: index among `tokens` of each slot's parent, -1 for the state's last position. Default: a chain. Siblings do not
   * see one another; positions are depths. Only with `keep: 'scratch'`.
   */
  readonly parents?: ArrayLike<number>
}

export interface ExtendOptions {
  readonly keep: 'append' | 'scratch'
  /** Which fed slots' logits come back. */
  readonly logits: 'last' | 'all' | 'none'
  /** Also hidden states: `true` for what the head reads at the same slots. */
  readonly hidden?: boolean | HiddenRequest
  readonly signal?: AbortSignal
}

export interface HiddenRequest {
  /** Which fed slots'; needs no logits. */
  readonly slots: 'last' | 'all'
  /** What comes out of this layer, counted from 0, before any final norm. Default: what the head reads. Only layers that the stepper taps. */
  readonly layer?: number
}

export interface Outputs {
  /** `[wanted slots, vocabulary]`, row-major. */
  readonly logits: Float32Array
  /** `[slots, width]`; present when asked for. */
  readonly hidden?: Float32Array
}
