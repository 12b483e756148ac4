import { commonLength } from '../base/common-length.ts'
import { OptionError } from '../base/errors.ts'
import { feed } from './feed.ts'
import type { Stepper, StepperState } from './stepper.ts'

/** What feeding a sequence gave. */
export interface Fed {
  /** Logits `[vocabulary]` behind the last token. */
  readonly logits: Float32Array
  /** Tokens at the front that the state held already. */
  readonly reused: number
}

/**
 * One state of a stepper and the tokens that it holds, for sequences that begin alike. A new sequence is compared with them token by
 * token; only what differs is fed.
 */
export class HeldState<State extends StepperState> implements AsyncDisposable {
  readonly #stepper: Stepper<State>
  #tokens: readonly number[] = []
  #state: State | undefined
  /** A copy to fall back on where the stepper cannot rewind. */
  #bookmark: { readonly state: State; readonly length: number } | undefined

  constructor(stepper: Stepper<State>) {
    this.#stepper = stepper
  }

  /** The tokens that the state holds. */
  get tokens(): readonly number[] {
    return this.#tokens
  }

  /**
   * Feeds what the state does not hold of `tokens`, which are at least one. After an abort the state holds what it held and the pieces
   * that were fed since, after another error nothing.
   */
  async feed(tokens: readonly number[], signal?: AbortSignal): Promise<Fed> {
    signal?.throwIfAborted()
    // The last token is always fed, for its logits.
    const reused = await this.#reach(Math.min(commonLength(this.#tokens, tokens), tokens.length - 1))
    const state = this.#state!
    try {
      const logits = await feed(this.#stepper, state, tokens.slice(reused), signal)
      this.#tokens = [...tokens]
      return { logits, reused }
    } catch (error) {
      if (signal?.aborted === true) this.#tokens = tokens.slice(0, state.length)
      else await this.#forget()
      throw error
    }
  }

  /** Marks the present state as one to come back to; needed only where the stepper cannot rewind. */
  async mark(): Promise<void> {
    if (this.#stepper.canRewind || this.#state === undefined) return
    const [copy] = await this.#stepper.fork(this.#state, 1)
    await this.#dropBookmark()
    this.#bookmark = { state: copy!, length: this.#tokens.length }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#forget()
    await this.#dropBookmark()
  }

  /** Makes the state one of the first `length` tokens, or of fewer where that is out of reach; how many. */
  async #reach(length: number): Promise<number> {
    if (this.#state !== undefined && length < this.#tokens.length) await this.#shorten(length)
    this.#state ??= await this.#stepper.open()
    return this.#tokens.length
  }

  async #shorten(length: number): Promise<void> {
    const { canRewind } = this.#stepper
    if (canRewind && (await this.#rewind(length))) {
      this.#tokens = this.#tokens.slice(0, length)
      return
    }
    const tokens = this.#tokens
    await this.#forget()
    const bookmark = this.#bookmark
    if (bookmark === undefined || bookmark.length > length) return
    const [copy] = await this.#stepper.fork(bookmark.state, 1)
    this.#state = copy!
    this.#tokens = tokens.slice(0, bookmark.length)
  }

  /** False when the rows of that length were overwritten, as a sliding window does. */
  async #rewind(length: number): Promise<boolean> {
    try {
      await this.#stepper.rewind(this.#state!, length)
      return true
    } catch (error) {
      if (error instanceof OptionError) return false
      throw error
    }
  }

  async #forget(): Promise<void> {
    const state = this.#state
    this.#state = undefined
    this.#tokens = []
    if (state !== undefined) await this.#stepper.close(state)
  }

  async #dropBookmark(): Promise<void> {
    const bookmark = this.#bookmark
    this.#bookmark = undefined
    if (bookmark !== undefined) await this.#stepper.close(bookmark.state)
  }
}
